/** What the documents tell people to type does what they say. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { createInvite } from "../../adapters/registry/invite.ts";
import { startOrigin } from "../helpers/origin.ts";
import { readAgentConfig } from "../helpers/settings.ts";
import {
  ACCESS_TOKEN,
  type Server,
  startServer,
  startTunnel,
  type Tunnel,
  temporaryFolder,
} from "../helpers/tunnel.ts";
import { ask } from "../helpers/visitor.ts";
import { type Command, commandsIn, documents, ROOT, readDocument } from "./documents.ts";
import { type Place, run } from "./shell.ts";

const CI = readFileSync(join(ROOT, ".ci/run"), "utf8");
const PACKAGE: { readonly version: string; readonly scripts: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(ROOT, "package.json"), "utf8"),
);

function allCommands(): Command[] {
  return documents().flatMap((file) => commandsIn(readDocument(file)));
}

/** What a process list or the history of a shell would keep of a secret. */
const SHOWN_SECRET =
  /--(?:access-token|access(?! public)|header|invite|proxy)[ =]|(?:TOKEN|DATABASE_URL|CULVERT_ACCESS|CULVERT_HEADER)=|Bearer|:\/\/[^ /:]+:[^ /@]+@|(?:signature|magicToken)=| -p[^ ]|--password/;

function fileWith(text: string): string {
  const file = join(temporaryFolder(), "secret");
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** Ports and an address of which there are always some left. */
const SERVER_ENVIRONMENT = { PORT: "0", ADMIN_PORT: "0", BIND_ADDR: "127.0.0.1" };

/** Runs a server as it is written, and sees that it serves. */
async function serves(line: string, replaced: Place["replaced"] = {}): Promise<void> {
  const server = run(line, {
    replaced,
    files: { "culvert-token": ACCESS_TOKEN },
    environment: replaced["--port 8000"] === undefined ? SERVER_ENVIRONMENT : { ...ADMIN_ELSEWHERE },
  });
  const url = await server.printed(/^listening on (.*)$/m);
  expect((await ask(`${url}/health`)).status).toBe(200);
}

const ADMIN_ELSEWHERE = { ADMIN_PORT: "0", BIND_ADDR: "127.0.0.1" };

/** Runs an agent as it is written, beside a service, and sees that it is connected. */
async function connects(line: string, place: Place & { readonly server?: Server } = {}): Promise<void> {
  const origin = await startOrigin((_request, response) => response.end());
  const server = place.server ?? (await startServer());
  const to = line.includes("--to 3000") ? "--to 3000" : "--to http://127.0.0.1:3000";
  const agent = run(line, {
    ...place,
    replaced: { "https://tunnel.example.net": server.url, [to]: `--to ${origin.url}`, ...place.replaced },
    files: { "culvert-token": ACCESS_TOKEN, ...place.files },
  });
  await agent.printed(/^connected as /m);
}

/** A home whose agent has kept its token in the file that commands beside it look into. */
async function homeWithState() {
  const stateFile = join(temporaryFolder(), "agent.json");
  const tunnel = await startTunnel((_request, response) => response.end("come in"), { agent: { stateFile } });
  return { tunnel, environment: { CULVERT_STATE: stateFile } };
}

/** What CI runs as it is written. */
function inCi(line: string): void {
  expect(CI).toMatch(new RegExp(`^${line}$`, "m"));
}

/** How each command of the documents is known to work. One that is not here, and is not marked as not run, fails the test. */
const COMMANDS: Readonly<Record<string, (line: string) => Promise<void> | void>> = {
  "npm ci && npm run demo": () => {
    expect(CI).toMatch(/^npm ci$/m);
    expect(CI).toMatch(/^npm run demo -- --once$/m);
  },
  "npm ci && npm test": (line) => {
    expect(CI).toContain(line);
  },
  "npm run test:quick": () => {
    // A part of what CI runs: of `npm test`, and of the seeds.
    expect(PACKAGE.scripts["test:quick"]).toBe(
      "vitest run --project units && npm run --silent sim -- --seeds 200",
    );
    expect(CI).toMatch(/^npm run sim -- --ci$/m);
  },
  "npm run check": () => {
    // What it is made of runs in CI one by one.
    expect(PACKAGE.scripts.check).toBe("npm run lint && npm run typecheck && npm test");
    expect(CI).toMatch(/^npm run lint$/m);
    expect(CI).toMatch(/^npm run typecheck$/m);
  },
  "npm run test:mysql": () => {
    // In CI the project runs with the others, and cannot be left out.
    expect(PACKAGE.scripts["test:mysql"]).toContain("vitest run --project mysql");
    expect(CI).toMatch(/TEST_MYSQL_IMAGE=/);
  },
  "npm run test:apps": (line) => {
    expect(CI).toContain(`\n${line}`);
  },
  "npm run sim -- --seed 42": async (line) => {
    expect(await run(line).succeeded()).toMatch(/^hash [0-9a-f]{16} /m);
  },
  "npm run sim -- --seeds 2000": async (line) => {
    expect(await run(line, { replaced: { "2000": "4" } }).succeeded()).toContain("4 seeds in ");
  },
  "npm run sim -- --seed 42 --html seed.html": async (line) => {
    const file = join(temporaryFolder(), "seed.html");
    await run(line, { replaced: { "seed.html": file } }).succeeded();
    expect(readFileSync(file, "utf8")).toMatch(/^<!doctype html>/i);
  },
  "npm run sim -- --seed 42 --shrink": async (line) => {
    // There is nothing to shrink in a seed that passes, and it says so.
    await run(line).succeeded();
  },
  "npm run sim -- --mutants": () => {
    // Minutes: its table is kept in the repository, and test/sim/mutants.test.ts hunts one of them.
    expect(readFileSync(join(ROOT, "sim/mutants/RESULTS.md"), "utf8")).toContain("PB15");
  },
  "npm run sim -- --ci": (line) => {
    expect(CI).toContain(line);
  },
  "docker build -t culvert .": () => {
    // Its tests begin with it.
    expect(CI).toMatch(/^npm run test:image$/m);
  },
  "npm run build": async (line) => {
    await run(line).succeeded();
  },
  "npm run bench": async (line) => {
    // The shortest of its parts: the whole takes minutes.
    const output = await run(line, { replaced: { bench: "bench -- --quick --only idle" } }).succeeded();
    expect(output).toContain("one tunnel:");
  },
  'npm ci && npm install --global "./$(npm pack --silent)"': async (line) => {
    expect(CI).toMatch(/^npm ci$/m);
    const prefix = temporaryFolder();
    const replaced = {
      "npm ci && ": `cp -r --parents package.json dist deploy/package ${prefix} && cd ${prefix} && node deploy/package/manifest.js lean && `,
      "npm pack": "npm pack --ignore-scripts",
      "--global": `--global --prefer-offline --no-audit --no-fund --prefix ${prefix}`,
    };
    await run(line, { replaced, environment: process.env }).succeeded();
    const version = await run(`${prefix}/bin/culvert version`).succeeded();
    expect(version.trim()).toBe(PACKAGE.version);
  },
  "npm run docs:build": inCi,
  "npm run test:package": inCi,
  "npm run test:bin": inCi,
  "npm run test:image": inCi,
  "npm run test:systemd": inCi,
  "npm run build:bin": (line) => {
    // Minutes: the test of the executables makes them so.
    expect(readDocument("test/deploy/binary.test.ts")).toContain(line.replace("npm run", "npm run --silent"));
    inCi("npm run test:bin");
  },
  "culvert install server --dry-run -- --bind 127.0.0.1 --trusted-proxy 127.0.0.1 --domain tunnel.example.net":
    async (line) => {
      expect(await run(line).succeeded()).toMatch(/--domain\W+tunnel\.example\.net/);
    },
  "culvert install agent --dry-run -- --server https://tunnel.example.net --to 3000 --client-id my-home --invite-file home-invite":
    async (line) => {
      const output = await run(line, { files: { "home-invite": "canary" } }).succeeded();
      expect(output).toContain("LoadCredential=");
      expect(output).not.toContain("canary");
    },
  "culvert health": async (line) => {
    const server = await startServer();
    await run(line, { environment: { ADMIN_PORT: String(server.adminPort) } }).succeeded();
  },
  "npm run docs:pictures": () => {
    // It writes into the repository, so that no test runs it: what it takes pictures of has tests of its own.
    for (const name of ["demo", "status", "seed"]) {
      const { size } = statSync(join(ROOT, `docs/images/${name}.webp`));
      expect(size).toBeGreaterThan(5_000);
      expect(size).toBeLessThan(150_000);
    }
  },
  "npm run docs:tables": (line) => {
    // They are fresh, which test/docs/tables.test.ts holds, so that there is nothing to write.
    return run(line)
      .succeeded()
      .then((output) => expect(output).not.toContain("wrote"));
  },
  "npm start": (line) => serves(line),
  "npm run agent -- --server https://tunnel.example.net --to 3000 --access-token-file culvert-token": (
    line,
  ) => connects(line, { replaced: { "culvert-token": fileWith(ACCESS_TOKEN) } }),
  "(umask 077 && openssl rand -hex 32 > culvert-token)": async (line) => {
    const folder = temporaryFolder();
    await run(line, { folder }).succeeded();
    const file = join(folder, "culvert-token");
    expect(readFileSync(file, "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  },
  "culvert serve --access-token-file culvert-token": (line) => serves(line),
  "culvert serve --bind 127.0.0.1 --trusted-proxy 127.0.0.1 --domain tunnel.example.net --access-token-file culvert-token":
    (line) => serves(line),
  "culvert serve --workers auto --database sqlite:./culvert.db": (line) => serves(line),
  "culvert serve --port 8000 --access-token-file culvert-token --database sqlite:./culvert.db": (line) =>
    serves(line, { "--port 8000": "--port 0" }),
  "culvert agent --server https://tunnel.example.net --to 3000 --access-token-file culvert-token": (line) =>
    connects(line),
  "culvert agent --server https://tunnel.example.net --to http://127.0.0.1:3000 --access-token-file culvert-token":
    (line) => connects(line),
  "culvert agent --server https://tunnel.example.net --to 3000 --client-id my-home --invite-file home-invite":
    async (line) => {
      const database = `sqlite:${temporaryFolder()}/culvert.db`;
      const server = await startServer({ database });
      const invite = await createInvite({
        clientId: "my-home",
        lifetimeSeconds: 60,
        database: { type: "sqlite", path: database.slice("sqlite:".length) },
      });
      await connects(line, { server, files: { "home-invite": `${invite}\n` } });
    },
  "(umask 077 && culvert invite --client-id my-home > home-invite)": async (line) => {
    const folder = temporaryFolder();
    await startServer({ database: `sqlite:${folder}/culvert.db` });
    await run(line, { folder }).succeeded();
    const file = join(folder, "home-invite");
    expect(readFileSync(file, "utf8")).toMatch(/^[0-9a-f-]{36}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  },
  "culvert agent --server https://tunnel.example.net --to /photos=2342 --to 3000 --access-token-file culvert-token":
    (line) => connects(line, { replaced: { "/photos=2342": "/photos=http://127.0.0.1:9" } }),
  "culvert agent --server https://tunnel.example.net --to 3000 --access public --access-token-file culvert-token":
    (line) => connects(line),
  "culvert agent --server https://tunnel.example.net --to 3000 --access-file culvert-access --access-token-file culvert-token":
    async (line) => {
      const hash = await run("printf word | culvert hash-password --user me").succeeded();
      await connects(line, { files: { "culvert-access": hash } });
    },
  "culvert token create --name phone --client-id my-home": async (line) => {
    const home = temporaryFolder();
    const stateFile = join(home, ".config/culvert/agent-my-home.json");
    mkdirSync(dirname(stateFile), { recursive: true });
    const listener = (_request: unknown, response: ServerResponse) => response.end("come in");
    const tunnel = await startTunnel(listener, { agent: { stateFile, clientId: "my-home" } });
    const output = await run(line, { environment: { HOME: home, XDG_CONFIG_HOME: "" } }).succeeded();
    await comesIn(tunnel, output.trim());
  },
  "culvert token create --name phone": async (line) => {
    const { tunnel, environment } = await homeWithState();
    await comesIn(tunnel, (await run(line, { environment }).succeeded()).trim());
  },
  "culvert token list": async (line) => {
    const { environment } = await homeWithState();
    await run("culvert token create --name phone", { environment }).succeeded();
    expect(await run(line, { environment }).succeeded()).toContain("phone");
  },
  "culvert token revoke --name phone": async (line) => {
    const { environment } = await homeWithState();
    await run("culvert token create --name phone", { environment }).succeeded();
    await run(line, { environment }).succeeded();
    expect(await run("culvert token list", { environment }).succeeded()).not.toContain("phone");
  },
  "culvert hash-password --user me > culvert-access": async (line) => {
    const folder = temporaryFolder();
    await run(`printf word | ${line}`, { folder }).succeeded();
    const file = join(folder, "culvert-access");
    const config = readAgentConfig(["--server=http://x", "--to=http://y", "--access-file", file], {});
    expect(config.access).toMatch(/^basic me:scrypt\./);
  },
  "culvert revoke --client-id my-home --database sqlite:./culvert.db": async (line) => {
    const folder = temporaryFolder();
    const server = await startServer({ database: `sqlite:${folder}/culvert.db` });
    await server.register("my-home");
    expect(await run(line, { folder }).succeeded()).toContain("revoked 1 token: ");
  },
  "curl http://127.0.0.1:8001/ready": async (line) => {
    const server = await startServer();
    const replaced = { "127.0.0.1:8001": `127.0.0.1:${server.adminPort}` };
    expect(await run(line, { replaced }).succeeded()).toContain("ready");
  },
  'curl -H @visitor-header "https://tunnel.example.net/some/path?clientId=my-home"': (line) => asksFor(line),
  'curl -H @visitor-header -H "culvert-response: blocking" "https://tunnel.example.net/some/path?clientId=my-home"':
    (line) => asksFor(line),
};

/** A visitor with that token gets what the home has. */
async function comesIn(tunnel: Tunnel, token: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}` };
  expect((await ask(tunnel.server.url + tunnel.target("/x"), { headers })).body.toString()).toBe("come in");
}

/** Runs a visitor's command as it is written. */
async function asksFor(line: string): Promise<void> {
  const tunnel = await startTunnel((request, response) => response.end(`you asked for ${request.url}`));
  const output = await run(line, {
    replaced: {
      "https://tunnel.example.net": tunnel.server.url,
      "clientId=my-home": `clientId=${tunnel.clientId}`,
    },
    files: { "visitor-header": `Authorization: Bearer ${tunnel.clientToken}\n` },
  }).succeeded();
  expect(output).toContain(`you asked for /some/path?clientId=${tunnel.clientId}`);
}

describe("the commands of the documents", () => {
  const lines = [...new Set(allCommands().flatMap(({ line, notRun }) => (notRun === null ? [line] : [])))];

  test.each(lines)("%s", async (line) => {
    const check = COMMANDS[line];
    if (check === undefined) throw new Error("no test and no CI step runs this command");
    await check(line);
  });

  test("are all that are known here", () => {
    expect(new Set(lines)).toEqual(new Set(Object.keys(COMMANDS)));
  });

  test("of GitHub's CI are those of .ci/run", () => {
    const steps = [...readDocument(".github/workflows/ci.yml").matchAll(/^ +- run: (.+)$/gm)];
    expect(steps.map(([, step]) => step)).toEqual(["sudo --preserve-env=PATH .ci/run"]);
  });

  test("that no test runs have a reason for that, in words", () => {
    const reasons = allCommands().flatMap(({ notRun }) => (notRun === null ? [] : [notRun]));
    expect(reasons.filter((reason) => reason.split(" ").length < 4)).toEqual([]);
  });

  test("would be missed where a block has no test and no reason", () => {
    expect(commandsIn("```sh\nsome command # and why\n```\n")).toEqual([
      { line: "some command", notRun: null },
    ]);
    const marked = commandsIn("<!-- not run: it needs a machine -->\n```sh\nsome command\n```\n");
    expect(marked).toEqual([{ line: "some command", notRun: "it needs a machine" }]);
  });

  test.each(documents())("of %s show no secret on a command line", (file) => {
    const shown = commandsIn(readDocument(file)).filter(({ line }) => SHOWN_SECRET.test(line));
    expect(shown).toEqual([]);
  });

  test.each([
    'npm start -- --access-token "$(openssl rand -hex 32)"',
    "culvert serve --access-token=abc",
    "culvert agent --to 3000 --access basic:me:word",
    "TUNNEL_ACCESS_TOKEN=... npm run agent",
    'curl -H "Authorization: Bearer $CLIENT_TOKEN" https://x',
    "culvert serve --database mysql://culvert:word@db/culvert",
    "culvert agent --header 'X-Key: word'",
    "curl 'https://x/files/track?signature=abc'",
    "mysql -u culvert -pword",
  ])("would be told from one that shows a secret: %s", (line) => {
    expect(line).toMatch(SHOWN_SECRET);
  });
});
