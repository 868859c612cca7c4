import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readAgentConfig, readServeConfig, settingsOf } from "../../adapters/config.ts";
import { nearest } from "../../adapters/settings.ts";
import { StartupError } from "../../adapters/startup-error.ts";
import { agentLimits, serverLimits } from "../../core/limits.ts";

const CANARY = "canary-secret-5d1f";
const AGENT = ["--server", "https://tunnel.example.org", "--to", "http://127.0.0.1:3000"];

describe("the settings of serve", () => {
  test("have the documented defaults", () => {
    expect(readServeConfig([], {})).toEqual({
      bind: "0.0.0.0",
      port: 8000,
      adminBind: "127.0.0.1",
      adminPort: 8001,
      database: { type: "sqlite", path: "./culvert.db" },
      accessToken: null,
      corsOrigins: null,
      logLevel: "info",
      limits: serverLimits,
    });
  });

  test("come from the environment, and flags win", () => {
    const environment = {
      PORT: "1000",
      BIND_ADDR: "::1",
      DATABASE_URL: "sqlite:/var/lib/culvert.db",
      TUNNEL_ACCESS_TOKEN: CANARY,
      ADMIN_PORT: "1001",
      ADMIN_BIND: "localhost",
    };
    expect(readServeConfig([], environment)).toMatchObject({
      port: 1000,
      bind: "::1",
      database: { path: "/var/lib/culvert.db" },
      accessToken: CANARY,
      adminPort: 1001,
      adminBind: "localhost",
    });
    expect(readServeConfig(["--port", "2000", "--database=sqlite::memory:"], environment)).toMatchObject({
      port: 2000,
      database: { path: ":memory:" },
      adminPort: 1001,
    });
  });

  test("take origins and limits several times", () => {
    const config = readServeConfig(
      [
        ...["--cors-origin", "https://a.example.org", "--cors-origin", "http://localhost:3000"],
        ...["--limit", "tunnelsMax=7", "--limit=drainMs=100"],
      ],
      {},
    );
    expect(config.corsOrigins).toEqual(["https://a.example.org", "http://localhost:3000"]);
    expect(config.limits).toEqual({ ...serverLimits, tunnelsMax: 7, drainMs: 100 });
  });

  test.each([
    [["--port", "65536"], "--port must be a port from 0 to 65535"],
    [["--port", "-1"], "--port must be a port from 0 to 65535"],
    [["--port", "80a"], "--port must be a port from 0 to 65535"],
    [["--port"], "--port needs a value: --port PORT"],
    [["--port", "--bind", "::1"], "--port needs a value: --port PORT"],
    [["--port", ""], "--port is empty"],
    [["--port", "1", "--port", "2"], "--port is given twice"],
    [["--prot", "1"], "--prot is unknown; did you mean --port?"],
    [["--no-port"], "--no-port is unknown; did you mean --port?"],
    [["-p", "1"], "-p is unknown; did you mean --port?"],
    [["--sparkle"], "--sparkle is unknown"],
    [["--bind", "a b"], "--bind must be an IP address or a host name"],
    [["--bind", "300.1.1.1"], "--bind must be an IP address or a host name"],
    [["--log-level", "loud"], "--log-level must be one of debug, info, warn, error"],
    [
      ["--database", "postgres://x"],
      "--database must be sqlite:PATH, sqlite::memory: or mysql://USER:PASSWORD@HOST:3306/NAME",
    ],
    [
      ["--database", "sqlite:"],
      "--database must name a file: sqlite:./culvert.db, sqlite:/var/lib/culvert/culvert.db",
    ],
    [
      ["--database", "sqlite://x"],
      "--database must name a file: sqlite:./culvert.db, sqlite:/var/lib/culvert/culvert.db",
    ],
    [
      ["--cors-origin", "https://a.example.org/"],
      "--cors-origin must be an origin, such as https://music.example.org",
    ],
    [["--limit", "tunnelsMx=1"], "--limit names no limit: tunnelsMx; did you mean tunnelsMax?"],
    [["--limit", "tunnelsMax"], "--limit must be NAME=VALUE, where VALUE is a whole number"],
    [["--limit", "tunnelsMax=-1"], "--limit must be NAME=VALUE, where VALUE is a whole number"],
    [["--limit", "tunnelsMax=1e3"], "--limit must be NAME=VALUE, where VALUE is a whole number"],
    [["--limit", "toString=1"], "--limit names no limit: toString"],
    [["--limit", "heldBytesSoft=999999999"], "--limit cannot be used: heldBytesSoft is above heldBytesHard"],
    [["8000"], "argument 1 belongs to no flag; see --help"],
  ])("refuse %j in one line that says why (A12)", (args, message) => {
    expect(() => readServeConfig(args, {})).toThrow(new StartupError(message));
  });

  test.each([
    [
      { CULVERT_STAT: "x" },
      "the environment variable CULVERT_STAT is set, but nothing reads it; did you mean CULVERT_STATE?",
    ],
    [{ CULVERT_SPARKLE: "x" }, "the environment variable CULVERT_SPARKLE is set, but nothing reads it"],
    [
      { TUNNEL_ACESS_TOKEN: "x" },
      "the environment variable TUNNEL_ACESS_TOKEN is set, but nothing reads it; did you mean TUNNEL_ACCESS_TOKEN?",
    ],
    [{ TUNNEL_ACCESS_TOKEN: "" }, "TUNNEL_ACCESS_TOKEN is empty: give it a value or unset it"],
    [{ PORT: "x" }, "PORT must be a port from 0 to 65535"],
    [
      { DATABASE_URL: `mysql://culvert:${CANARY}@db/culvert?sll=required` },
      "DATABASE_URL has an unknown parameter sll; did you mean ssl?",
    ],
  ])("refuse the environment %j in one line that says why (A12)", (environment, message) => {
    expect(() => readServeConfig([], environment)).toThrow(new StartupError(message));
  });

  test("leave alone the variables of other programs and of the other command", () => {
    const environment = {
      PATH: "/bin",
      SORT: "1",
      TUNNEL_TOKEN: "x",
      CULVERT_SERVER: "x",
      DATABASE_URI: "x",
    };
    expect(readServeConfig(["--database", "sqlite::memory:"], environment).port).toBe(8000);
  });
});

describe("the settings of agent", () => {
  test("need a server and an origin only", () => {
    expect(readAgentConfig(AGENT, {})).toEqual({
      server: new URL("https://tunnel.example.org/"),
      origin: new URL("http://127.0.0.1:3000/"),
      clientId: null,
      accessToken: null,
      stateFile: null,
      logLevel: "info",
      limits: agentLimits,
    });
  });

  test("take the WebSocket schemes for the HTTP ones, with a base path", () => {
    const server = (url: string) => readAgentConfig(["--server", url, "--to", "http://home"], {}).server.href;
    expect(server("ws://tunnel.example.org:8000")).toBe("http://tunnel.example.org:8000/");
    expect(server("wss://tunnel.example.org/base")).toBe("https://tunnel.example.org/base");
  });

  test.each([
    [[], "--server (or CULVERT_SERVER) is required, such as https://tunnel.example.org"],
    [["--server", "https://x"], "--to (or CULVERT_TO) is required, such as http://127.0.0.1:3000"],
    [
      ["--server", "tunnel.example.org", "--to", "http://x"],
      "--server must be a URL, such as https://tunnel.example.org",
    ],
    [["--server", "http://x", "--to", "ws://x"], "--to must be a URL, such as http://127.0.0.1:3000"],
    [
      ["--server", `https://a:${CANARY}@x`, "--to", "http://x"],
      "--server must not hold a user name or password",
    ],
    [["--server", `https://x?t=${CANARY}`, "--to", "http://x"], "--server must not hold a query or fragment"],
    [
      [...AGENT, "--client-id", "x".repeat(65)],
      "--client-id must be at most 64 characters, none of them a control character",
    ],
    [
      [...AGENT, "--protocol", "native"],
      "--protocol names the native protocol, which this version does not speak yet",
    ],
    [[...AGENT, "--protocol", "http"], "--protocol must be auto or moosicbox"],
    [
      [...AGENT, "--limit", "packetBytesMax=1"],
      "--limit cannot be used: packetBytesMax leaves no room for a packet header",
    ],
  ])("refuse %j in one line that says why (A12)", (args, message) => {
    expect(() => readAgentConfig(args, {})).toThrow(new StartupError(message));
  });
});

describe("what the settings say", () => {
  test("never holds a value, whichever place a secret was put in (A14)", () => {
    const flags = settingsOf("serve").map(({ flag }) => `--${flag}`);
    const word = fc.oneof(
      fc.constantFrom(...flags, "--sparkle", "--acess-token", "-x", "--"),
      fc.constantFrom(CANARY, `${CANARY} x`, `mysql://u:${CANARY}@h/d`, `\u00e9${CANARY}`, `0=${CANARY}`),
      fc.constantFrom(...flags).map((flag) => `${flag}=${CANARY} \u00e9`),
    );
    const environment = fc.dictionary(
      fc.constantFrom("PORT", "DATABASE_URL", "TUNNEL_ACCESS_TOKEN", "CULVERT_X"),
      fc.constantFrom(CANARY, `${CANARY} x`),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), environment, (args, variables) => {
        const message = messageOf(() => readServeConfig(args, variables));
        expect(message).not.toContain(CANARY);
        expect(message).not.toContain("\n");
      }),
    );
  });

  test("suggests the nearest name, and none where none is near", () => {
    expect(nearest("acess-token", ["port", "access-token"])).toBe("access-token");
    expect(nearest("sparkle", ["port", "access-token"])).toBeUndefined();
  });
});

function messageOf(run: () => unknown): string {
  try {
    run();
    return "";
  } catch (error) {
    expect(error).toBeInstanceOf(StartupError);
    return String(error);
  }
}
