/** `culvert revoke` as an operator uses it, beside a server that runs. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { MoosicBoxAgent } from "../helpers/moosicbox-agent.ts";
import { visitorToken } from "../helpers/revocation.ts";
import { startServer, temporaryFolder, visitorsOf } from "../helpers/tunnel.ts";
import { problemCode } from "../helpers/visitor.ts";

const MAIN = join(import.meta.dirname, "../../dist/program.cjs");
const LIMITS = { leaseMs: 4_000, leaseRenewMs: 300, registryCallMs: 300 };

/** What it printed, or the line that it complains with. */
async function revoke(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, "revoke", ...args], {
      cwd: temporaryFolder(),
      env: environment,
    });
    return stdout;
  } catch (error) {
    return error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
  }
}

async function startHome() {
  const database = `sqlite:${join(temporaryFolder(), "culvert.db")}`;
  const server = await startServer({ database, limits: LIMITS });
  const agent = await MoosicBoxAgent.connect(server);
  const guest = await server.register("home");
  return { database, server, agent, guest };
}

function fileWith(text: string): string {
  const path = join(temporaryFolder(), "token");
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

describe("culvert revoke", () => {
  test("shuts a home out, and leaves the others alone", async () => {
    const { database, server, agent } = await startHome();
    const other = await MoosicBoxAgent.connect(server, "other");
    // Two client tokens, and the signature that opened the tunnel.
    expect(await revoke(["--client-id", "home"], { DATABASE_URL: database })).toBe(
      "revoked 3 tokens: what they had opened ends within 20 seconds\n",
    );
    expect(await agent.closed).toEqual({ code: 1008, reason: "revoked" });
    const found = visitorsOf(server, "other", other.clientToken).ask("/song");
    other.reply(await other.request(), { body: "at home" });
    expect((await found).body.toString()).toBe("at home");
  });

  test("finds the database in the configuration file of the server", async () => {
    const { database } = await startHome();
    const file = fileWith(`database: ${database}\ndomain: tunnel.example.org\n`);
    expect(await revoke(["--client-id=home", "--config", file])).toMatch(/^revoked 3 tokens: /);
  });

  test("ends what one token had opened, whichever kind it is", async () => {
    const { database, server, agent, guest } = await startHome();
    const signature = await server.sign("home", agent.clientToken);
    const place = ["--client-id=home", `--database=${database}`];
    expect(await revoke([...place, `--token-file=${fileWith(`${signature}\n`)}`])).toMatch(
      /^revoked 1 token: /,
    );
    await expect(agent.heard()).resolves.toBeUndefined();
    const asked = visitorsOf(server, "home", guest).ask("/song");
    await agent.request();
    const visitor = await visitorToken(server, agent.clientToken);
    const waiting = visitorsOf(server, "home", visitor).ask("/song");
    await agent.request();
    expect(await revoke([...place, `--token-file=${fileWith(visitor)}`])).toMatch(/^revoked 1 token: /);
    expect(problemCode(await waiting)).toBe("revoked");
    expect((await visitorsOf(server, "home", visitor).ask("/song")).status).toBe(401);
    // With it goes the signature that opened the tunnel: nobody knows who made it.
    expect(await revoke([...place, `--token-file=${fileWith(guest)}`])).toMatch(/^revoked 2 tokens: /);
    expect((await asked).status).toBeGreaterThanOrEqual(401);
    expect(await agent.closed).toEqual({ code: 1008, reason: "revoked" });
    expect((await visitorsOf(server, "home", agent.clientToken).ask("/song")).status).toBe(424);
  });

  test("says in one line what is wrong, and shows no secret", async () => {
    const { database, guest } = await startHome();
    const place = ["--client-id=home", `--database=${database}`];
    const complaints: readonly (readonly [readonly string[], string])[] = [
      [[], "--client-id is required: whose tokens are to be revoked"],
      [
        ["--client-id=home"],
        "there is no such database: name the server's own with --database or DATABASE_URL, or its file with --config",
      ],
      [["--client-id=nobody", `--database=${database}`], "the client id has no tokens"],
      [[...place, `--token-file=${fileWith("another")}`], "the client id has no such token"],
      [
        ["--client-id=other", `--database=${database}`, `--token-file=${fileWith(guest)}`],
        "the client id has no such token",
      ],
      [[...place, "--token-file=/nowhere"], "--token-file"],
    ];
    for (const [args, line] of complaints) {
      const said = await revoke(args);
      expect(said.startsWith(`culvert: ${line}`), said).toBe(true);
      expect(said.trimEnd()).not.toContain("\n");
      expect(said).not.toContain(guest);
    }
  });
});
