import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { readAgentConfigs, readServeConfig, settingsOf } from "../../../../adapters/settings/settings.ts";
import { StartupError } from "../../../../adapters/startup-error.ts";
import { agentLimits, serverLimits } from "../../../../core/limits.ts";
import { temporaryFolder } from "../../../helpers/tunnel.ts";

const CANARY = "canary-secret-5d1f";

let folder: string;
let file: string;

beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder, "culvert.yaml");
});

function serve(text: string, args: readonly string[] = [], environment = {}) {
  writeFileSync(file, text, { mode: 0o600 });
  return readServeConfig(["--config", file, ...args], environment);
}

function agent(text: string, args: readonly string[] = [], environment = {}) {
  writeFileSync(file, text, { mode: 0o600 });
  return readAgentConfigs(["--config", file, ...args], environment);
}

describe("a configuration file", () => {
  test("has the settings of serve by their names", () => {
    const config = serve(`
# A comment.
port: 8080
database: "sqlite::memory:"
domain: tunnel.example.org
path-routing: on
query-tokens: false
trusted-proxy: [127.0.0.1, 10.0.0.0/8]
cors-origin: https://a.example.org
log-level: warn
log-format: json
limit:
  tunnelsMax: 7
  drainMs: 100
`);
    expect(config).toMatchObject({
      config: file,
      port: 8080,
      database: { path: ":memory:" },
      domain: "tunnel.example.org",
      pathRouting: true,
      queryTokens: false,
      trustedProxies: ["127.0.0.1", "10.0.0.0/8"],
      corsOrigins: ["https://a.example.org"],
      logLevel: "warn",
      logFormat: "json",
      limits: { ...serverLimits, tunnelsMax: 7, drainMs: 100 },
    });
  });

  test("has an agent's services by path, and its headers by name", () => {
    const [config, ...others] = agent(`
server: https://tunnel.example.org
client-id: 007
to:
  /: 3000
  /photos: unix:/run/photos.sock
header:
  X-Home: a
limit: [drainMs=5]
`);
    expect(others).toEqual([]);
    expect(config).toMatchObject({
      clientId: "007",
      origins: [
        { prefix: "/", url: new URL("http://localhost:3000") },
        { prefix: "/photos", url: new URL("unix:/run/photos.sock") },
      ],
      headers: ["X-Home", "a"],
      limits: { ...agentLimits, drainMs: 5 },
    });
  });

  test("gives way to the environment, and that to flags", () => {
    const text = "port: 1\nadmin-port: 2\nbind: 10.0.0.1\ntrusted-proxy: [10.0.0.1]\n";
    const environment = { PORT: "3", ADMIN_PORT: "4", CULVERT_TRUSTED_PROXY: "10.0.0.2" };
    expect(serve(text, ["--port", "5"], environment)).toMatchObject({
      port: 5,
      adminPort: 4,
      bind: "10.0.0.1",
      trustedProxies: ["10.0.0.2"],
    });
  });

  test("can be named in the environment", () => {
    writeFileSync(file, "port: 1\n", { mode: 0o600 });
    expect(readServeConfig([], { CULVERT_CONFIG: file })).toMatchObject({ config: file, port: 1 });
  });

  test("may be empty", () => {
    expect(serve("# nothing yet\n")).toEqual({ ...readServeConfig([], {}), config: file });
  });

  test("has paths from its own folder on", () => {
    writeFileSync(join(folder, "secret"), CANARY, { mode: 0o600 });
    expect(serve("access-token-file: secret\ndatabase: sqlite:./data/culvert.db\n")).toMatchObject({
      accessToken: CANARY,
      database: { path: join(folder, "data/culvert.db") },
    });
    const [config] = agent("server: https://x.example.org\nto: 3000\nstate: agent.json\n");
    expect(config.stateFile).toBe(join(folder, "agent.json"));
    expect(serve("database: sqlite:/var/lib/culvert.db\n").database).toMatchObject({
      path: "/var/lib/culvert.db",
    });
  });

  test("takes every setting that there is, in every form, but its own name", () => {
    for (const command of ["serve", "agent"] as const) {
      for (const { flag } of settingsOf(command)) {
        // Said without a value: it is known, and that is missing.
        const read = () => (command === "serve" ? serve(`${flag}:\n`) : agent(`${flag}:\n`));
        expect(read).toThrow(flag === "config" ? /config is unknown/ : `${file} line 1: ${flag} is empty`);
      }
    }
  });

  test.each([
    ["trusted-proxi: 127.0.0.1", "trusted-proxi is unknown; did you mean trusted-proxy?"],
    ["homes: {a: {}}", "homes is unknown"],
    ["port: eighty", "port must be a port from 0 to 65535"],
    ["port: [1, 2]", "port takes one value"],
    ["port: {a: 1}", "port takes one value"],
    ["trusted-proxy: {a: 127.0.0.1}", "trusted-proxy takes a list of texts"],
    ["limit: {tunnelsMx: 7}", "limit names no limit: tunnelsMx; did you mean tunnelsMax?"],
    ["limit: {tunnelsMax: [7]}", "limit takes texts, or names with a text each"],
    ["access-token: a b", "access-token must be visible ASCII without spaces"],
    ["access-token-file: gone", "access-token-file names a file that is not there"],
    ["- port", "must be NAME: VALUE"],
    ["port", "must be NAME: VALUE"],
    ["\tport: 1", "YAML is indented with spaces, not with tabs"],
    ["bind: 'a", "something is not closed, such as a quotation mark or a bracket", 5],
    ["port: 1\nport: 2", "this name is there twice", 5],
    ["---\nport: 1\n---\nport: 2", "the file may have one document only", 6],
    [
      "cors-origin:\n  - https://a.example.org\n  - a.example.org",
      "cors-origin must be an origin, such as https://music.example.org",
      6,
    ],
    ["limit:\n  drainMs: 1\n  drainM: 2", "limit names no limit: drainM; did you mean drainMs?", 6],
  ])("stops the start with the line of what is wrong: %j", (text, message, line = 4) => {
    expect(() => serve(`# One.\n# Two.\n# Three.\n${text}\n`)).toThrow(
      new StartupError(`${file} line ${line}: ${message}`),
    );
  });

  test.each([
    `access-token: "${CANARY} x"`,
    `port: ${CANARY}`,
    `bind: "${CANARY}`,
    `access-token: ${CANARY}: ${CANARY}`,
    `access-token: &a ${CANARY}\nport: *b`,
    `access-token: [${CANARY}`,
    `database: mysql://culvert:${CANARY}@`,
    `access-token: %${CANARY}\n  ${CANARY}: x`,
    CANARY,
  ])("is wrong without a value of it being quoted: %j", (text) => {
    const message = messageOf(() => serve(text));
    expect(message).toContain(`${file} line `);
    expect(message).not.toContain(CANARY);
  });

  test("is told from a folder, from one that is not there, and from no text", () => {
    mkdirSync(join(folder, "sub"));
    expect(() => readServeConfig(["--config", join(folder, "sub")], {})).toThrow(
      "--config names a file that cannot be read: EISDIR",
    );
    expect(() => readServeConfig(["--config", join(folder, "x")], {})).toThrow(
      "--config names a file that cannot be read: ENOENT",
    );
    writeFileSync(file, Buffer.of(0x70, 0xff, 0x0a), { mode: 0o600 });
    expect(() => readServeConfig(["--config", file], {})).toThrow(
      "--config names a file that is not UTF-8 text",
    );
  });

  test("is not taken where everybody may change it", () => {
    writeFileSync(file, "port: 1\n");
    chmodSync(file, 0o666);
    expect(() => readServeConfig(["--config", file], {})).toThrow(
      "--config names a file that everybody can change: run chmod o-w on it",
    );
  });

  test("has a secret in one of its forms", () => {
    writeFileSync(join(folder, "secret"), CANARY, { mode: 0o600 });
    expect(() => serve(`access-token: x\naccess-token-file: ${join(folder, "secret")}\n`)).toThrow(
      `${file} line 1: access-token and ${file} line 2: access-token-file are both given`,
    );
  });

  test("may say something once and refer to it", () => {
    expect(serve("bind: &here 127.0.0.2\nadmin-bind: *here\n")).toMatchObject({
      bind: "127.0.0.2",
      adminBind: "127.0.0.2",
    });
  });
});

describe("the homes of a configuration file", () => {
  const HOMES = `
server: https://tunnel.example.org
access-token-file: token
access: public
homes:
  music:
    to: 3000
  photos:
    to: { /: 2342, /api: 8080 }
    access: token
    access-token: of-photos
    state: photos.json
`;

  beforeEach(() => {
    writeFileSync(join(folder, "token"), "of-all", { mode: 0o600 });
  });

  test("each have what is said of all, and what is said of them", () => {
    const [music, photos, ...others] = agent(HOMES);
    expect(others).toEqual([]);
    expect(music).toMatchObject({ clientId: "music", access: "public", accessToken: "of-all" });
    expect(photos).toMatchObject({
      clientId: "photos",
      access: "token",
      accessToken: "of-photos",
      stateFile: join(folder, "photos.json"),
    });
    expect(photos?.origins.map(({ prefix }) => prefix)).toEqual(["/", "/api"]);
  });

  test("are all given a flag that is of no single one", () => {
    expect(agent(HOMES, ["--protocol", "native"]).map(({ protocol }) => protocol)).toEqual([
      "native",
      "native",
    ]);
  });

  test("are chosen from by a client id", () => {
    expect(agent(HOMES, ["--client-id", "photos"]).map(({ clientId }) => clientId)).toEqual(["photos"]);
    expect(agent(HOMES, [], { CULVERT_CLIENT_ID: "music" })).toHaveLength(1);
    expect(() => agent(HOMES, ["--client-id", "foto"])).toThrow(
      "--client-id is no home of the configuration file; did you mean photos?",
    );
  });

  test.each([
    [["--state", "x.json"], "--state is of one home, and the configuration file has 2: put it below one"],
    [["--invite", "x"], "--invite is of one home, and the configuration file has 2: put it below one"],
  ])("are not given %j, which they cannot share", (args, message) => {
    expect(() => agent(HOMES, args)).toThrow(new StartupError(message));
  });

  test.each([
    ["state: x.json\nhomes: {a: {to: 3000}}", 1, "state is of one home: put it below that"],
    ["client-id: b\nhomes: {a: {to: 3000}}", 1, "client-id is of one home: put it below that"],
    ["homes:\n  a:\n    log-level: warn", 3, "log-level is of all homes: put it at the top"],
    [
      "homes:\n  a:\n    client-id: b",
      2,
      "client-id is said twice: a home has the client id that it stands below",
    ],
    ["homes:\n  a:\n    too: 3000", 3, "too is unknown; did you mean to?"],
    ["homes: [a]", 1, "homes must be CLIENT-ID: and its settings below, indented"],
    ["homes: {a: 3000}", 1, "a home has its settings below, indented"],
    ["homs: {a: {}}", 1, "homs is unknown; did you mean homes?"],
    [
      "server: https://x.example.org\nhomes:\n  a:\n    to: x y",
      4,
      "to must be a URL, a port, HOST:PORT or unix:/PATH, such as http://127.0.0.1:3000",
    ],
  ])("are refused with the line: %j", (text, line, message) => {
    expect(() => agent(text)).toThrow(new StartupError(`${file} line ${line}: ${message}`));
  });
});

function messageOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof StartupError) return error.message;
    throw error;
  }
  throw new Error("it was taken");
}
