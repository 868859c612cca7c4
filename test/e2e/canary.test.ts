/**
 * Secrets are shown nowhere (A14): each is given in every way that there is, used rightly and wrongly, and then searched for in
 * all that a process says and all that others can see of it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createInvite } from "../../adapters/registry/invite.ts";
import { hashPassword } from "../../adapters/server/passwords.ts";
import { LOG_LEVELS } from "../../adapters/settings/settings.ts";
import { startOrigin } from "../helpers/origin.ts";
import {
  type Program,
  type ProgramOptions,
  startAgentProgram,
  startProgram,
  startServerProgram,
  untilTrue,
} from "../helpers/program.ts";
import { ACCESS_TOKEN, temporaryFolder } from "../helpers/tunnel.ts";
import { ask } from "../helpers/visitor.ts";

const HEADER = "canary-header-5d1f";
const PASSWORD = "canary-password-5d1f";
const DATABASE_PASSWORD = "canary-database-5d1f";

type Given = { readonly flags: string[]; readonly environment: Record<string, string | undefined> };

/** The ways to give a setting: by its flag, its variable, and a file that either of them names. */
const WAYS: Readonly<Record<string, (flag: string, variable: string, text: string) => Partial<Given>>> = {
  "a flag": (flag, _variable, text) => ({ flags: [`--${flag}=${text}`] }),
  "a variable": (_flag, variable, text) => ({ environment: { [variable]: text } }),
  "a file that a flag names": (flag, _variable, text) => ({ flags: [`--${flag}-file=${fileWith(text)}`] }),
  "a file that a variable names": (_flag, variable, text) => ({
    environment: { [`${variable}_FILE`]: fileWith(text) },
  }),
};

function fileWith(text: string): string {
  const file = join(temporaryFolder(), "secret");
  writeFileSync(file, `${text}\n`, { mode: 0o400 });
  return file;
}

/** What these settings come to, without those that every program of the tests gets. */
function given(way: string, settings: readonly (readonly [string, string, string])[]): Given {
  const all: Given = { flags: [], environment: { TUNNEL_ACCESS_TOKEN: undefined } };
  for (const [flag, variable, text] of settings) {
    const { flags = [], environment = {} } = WAYS[way]?.(flag, variable, text) ?? {};
    all.flags.push(...flags);
    Object.assign(all.environment, environment);
  }
  return all;
}

/** The command line as every user of the machine can read it. */
function commandLine({ pid }: Program): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8");
}

/** A level leaves out lines of the level below, and changes none: one way at all levels is enough. */
const CASES = Object.keys(WAYS).flatMap((way) =>
  LOG_LEVELS.filter((level) => way === "a flag" || level === "debug").map((level) => ({ way, level })),
);

describe("a server and an agent show no secret that came by", () => {
  test.each(CASES)("$way, with the log at $level", async ({ way, level }) => {
    const hash = await hashPassword(PASSWORD);
    const secrets = [ACCESS_TOKEN, HEADER, PASSWORD, hash];
    const origin = await startOrigin((request, response) => {
      response.statusCode = request.headers.authorization === `Bearer ${HEADER}` ? 200 : 500;
      response.end("at home");
    });
    const token = given(way, [["access-token", "TUNNEL_ACCESS_TOKEN", ACCESS_TOKEN]]);
    const server = await startServerProgram({
      flags: ["--domain=tunnel.test", `--log-level=${level}`, ...token.flags],
      environment: token.environment,
    });
    const own = given(way, [
      ["access-token", "TUNNEL_ACCESS_TOKEN", ACCESS_TOKEN],
      ["access", "CULVERT_ACCESS", `basic:me:${hash}`],
      ["header", "CULVERT_HEADER", `Authorization: Bearer ${HEADER}`],
    ]);
    const agentFlags = [`--log-level=${level}`, ...own.flags];
    const options: ProgramOptions & { flags: string[] } = {
      flags: agentFlags,
      environment: own.environment,
    };
    const agent = await startAgentProgram(server, origin.url, options);

    const seen: string[] = [];
    const look = async (url: string, headers: Record<string, string> = {}) => {
      const { status, rawHeaders, body } = await ask(url, { headers });
      seen.push(JSON.stringify(rawHeaders), body.toString());
      return status;
    };
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
    const home = { host: "home.tunnel.test" };
    expect(await look(`${server.url}/x`, { ...home, authorization: basic(`me:${PASSWORD}`) })).toBe(200);
    expect(await look(`${server.url}/x`, { ...home, authorization: basic(`you:${PASSWORD}`) })).toBe(401);
    expect(await look(`${server.url}/x?q=${PASSWORD}`, { authorization: ACCESS_TOKEN })).toBe(400);
    expect(await look(`${server.url}/x?clientId=home&signature=${ACCESS_TOKEN}`)).toBe(401);
    const register = `${server.url}/auth/register-client?clientId=other`;
    expect(await look(register, { authorization: `Bearer ${ACCESS_TOKEN}x` })).toBe(405);
    for (const path of ["/", "/status.json", "/metrics", "/ready", "/health"]) {
      expect(await look(`${server.adminUrl}${path}`)).toBe(200);
    }
    const lines = [server, agent].map(commandLine);
    for (const program of [agent, server]) {
      program.signal("SIGTERM");
      expect(await program.ended).toBe(0);
    }

    const said = [server.output(), agent.output(), ...seen].join("\n");
    for (const secret of secrets) expect(said).not.toContain(secret);
    expect(said).not.toContain(hash.slice(-20));
    const isFlag = way === "a flag";
    expect(lines.map((line) => line.includes(ACCESS_TOKEN))).toEqual([isFlag, isFlag]);
    for (const secret of [HEADER, hash]) expect(lines[1]?.includes(secret)).toBe(isFlag);
    const warnings = [server, agent].map(
      (program) => program.output().split("shows its secret in the process list").length - 1,
    );
    const isTold = isFlag && level !== "error";
    expect(warnings).toEqual(isTold ? [1, 3] : [0, 0]);
    for (const program of [server, agent]) {
      const warned = program
        .output()
        .split("\n")
        .filter((line) => line.includes("process list"));
      expect(warned.length).toBe(isTold ? 1 : 0);
      if (isTold) expect(warned[0]).toContain("use --access-token-file or TUNNEL_ACCESS_TOKEN_FILE");
    }
  });
});

describe("an agent that registers with an invite, and with one that is used up, shows none", () => {
  test.each(Object.keys(WAYS))("%s", async (way) => {
    const file = join(temporaryFolder(), "culvert.db");
    const server = await startServerProgram({ database: `sqlite:${file}`, flags: ["--log-level=debug"] });
    const origin = await startOrigin((_request, response) => response.end("at home"));
    const database = { type: "sqlite", path: file } as const;
    const invite = await createInvite({ clientId: "guest", lifetimeSeconds: 60, database });
    const { flags, environment } = given(way, [["invite", "CULVERT_INVITE", invite]]);
    const start = () =>
      startProgram(
        [
          ...["agent", "--server", server.url, "--to", origin.url, "--client-id", "guest"],
          ...["--state", join(temporaryFolder(), "agent.json"), "--log-level=debug", ...flags],
        ],
        { environment },
      );
    const agent = start();
    await untilTrue(() => agent.output().includes("connected as guest"), agent);
    const line = commandLine(agent);
    const again = start();
    await untilTrue(() => again.output().includes("the server refused the invite"), again);
    const { body } = await ask(`${server.url}/x?clientId=guest`, {
      headers: { authorization: `Bearer ${invite}` },
    });
    for (const program of [again, agent, server]) {
      program.signal("SIGTERM");
      await program.ended;
    }
    const said = [server.output(), agent.output(), again.output(), body.toString()].join("\n");
    expect(said).not.toContain(invite);
    expect(line.includes(invite)).toBe(way === "a flag");
  });
});

describe("a server that cannot start shows no password of its database that came by", () => {
  test.each(Object.keys(WAYS))("%s", async (way) => {
    const urls = [
      `mysql://culvert:${DATABASE_PASSWORD}@127.0.0.1:1/culvert?startMs=1`,
      `mysql://culvert:${DATABASE_PASSWORD}@/culvert`,
      `mysql://culvert:${DATABASE_PASSWORD}@db/culvert?sll=${DATABASE_PASSWORD}`,
      `postgres://culvert:${DATABASE_PASSWORD}@db/culvert`,
    ];
    for (const url of urls) {
      const { flags, environment } = given(way, [["database", "DATABASE_URL", url]]);
      const server = startProgram(["serve", "--log-level=debug", ...flags], { environment });
      expect(await server.ended).toBe(1);
      expect(server.output()).toMatch(/^culvert: /m);
      expect(server.output()).not.toContain(DATABASE_PASSWORD);
    }
  });
});
