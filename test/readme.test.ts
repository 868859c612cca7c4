/** The README says what is: its commands run, its tables are those of the code. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { REGISTRY_PROBLEMS } from "../adapters/registry/problem.ts";
import { readAgentConfig, settingsOf } from "../adapters/settings/settings.ts";
import { AGENT_PROBLEMS } from "../core/agent/problem.ts";
import { FAILURES } from "../core/failure.ts";
import { properties } from "../sim/checkers/index.ts";
import { startOrigin } from "./helpers/origin.ts";
import { ACCESS_TOKEN, startServer, startTunnel, temporaryFolder } from "./helpers/tunnel.ts";
import { ask } from "./helpers/visitor.ts";
import { Watch } from "./helpers/watch.ts";

const ROOT = join(import.meta.dirname, "..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const CI = readFileSync(join(ROOT, ".ci/run"), "utf8");
const PACKAGE: {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: object;
  readonly devDependencies: object;
} = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** The command lines of the README. */
function commandLines(): string[] {
  return commandsIn(README);
}

/** What is written for people, but for the change log, which says what was. */
function documents(): string[] {
  const docs = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", "sim/README.md", ".github/SECURITY.md", ...docs.map((name) => `docs/${name}`)];
}

/** What a process list or the history of a shell would keep of a secret. */
const SHOWN_SECRET =
  /--(?:access-token|access|header|invite|proxy)[ =]|(?:TOKEN|DATABASE_URL|CULVERT_ACCESS|CULVERT_HEADER)=|Bearer|:\/\/[^ /:]+:[^ /@]+@|(?:signature|magicToken)=| -p[^ ]|--password/;

/** The command lines of all `sh` blocks, without their comments. */
function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);
  const lines = blocks.join("").replaceAll("\\\n", " ").split("\n");
  return lines.map((line) => line.replace(/\s+#.*$/, "").trim()).filter((line) => line !== "");
}

/** What stands in for the machines of the README when a command is run here. */
type Place = Readonly<Record<string, string>>;

/** Runs a command line in a shell, from the top of the repository, with these texts of it replaced. */
function run(line: string, replacements: Place, environment: Place = {}) {
  let command = line;
  for (const [text, standIn] of Object.entries(replacements)) command = command.replaceAll(text, standIn);
  // In a group of its own, so that one signal ends npm and all that it started.
  const child = spawn("bash", ["-c", command], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", HOME: temporaryFolder(), ...environment },
    detached: true,
  });
  const watch = new Watch();
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      watch.changed();
    });
  }
  let code: number | null | undefined;
  const ended = once(child, "close").then(([exitCode]) => {
    code = exitCode;
    watch.changed();
    return code;
  });
  onTestFinished(async () => {
    endGroup(child);
    await ended;
  });
  return {
    /** Until its output matches: the first group. Rejects where it ends without. */
    printed: (pattern: RegExp) =>
      watch.until(() => {
        const match = pattern.exec(output);
        if (match === null && code !== undefined) throw new Error(`it ended with ${code}: ${output}`);
        return match?.[1] ?? match?.[0];
      }),
    async succeeded(): Promise<string> {
      if ((await ended) !== 0) throw new Error(`it ended with ${code}: ${output}`);
      return output;
    },
  };
}

function endGroup({ pid, exitCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null) return;
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // It ended by itself meanwhile.
  }
}

function fileWith(text: string): string {
  const file = join(temporaryFolder(), "secret");
  writeFileSync(file, text);
  return file;
}

/** How each command of the README is known to work. One that is not here fails the test. */
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
    expect(await run(line, {}).succeeded()).toMatch(/^hash [0-9a-f]{16} /m);
  },
  "npm run sim -- --seeds 2000": async (line) => {
    expect(await run(line, { "2000": "4" }).succeeded()).toContain("4 seeds in ");
  },
  "npm run sim -- --seed 42 --html seed.html": async (line) => {
    const file = join(temporaryFolder(), "seed.html");
    await run(line, { "seed.html": file }).succeeded();
    expect(readFileSync(file, "utf8")).toMatch(/^<!doctype html>/i);
  },
  "npm run sim -- --seed 42 --shrink": async (line) => {
    // There is nothing to shrink in a seed that passes, and it says so.
    await run(line, {}).succeeded();
  },
  "npm run sim -- --mutants": () => {
    // Minutes: its table is kept in the repository, and test/sim/mutants.test.ts hunts one of them.
    expect(readFileSync(join(ROOT, "sim/mutants/RESULTS.md"), "utf8")).toContain("PB15");
  },
  "npm run sim -- --ci": (line) => {
    expect(CI).toContain(line);
  },
  "npm run build": async (line) => {
    await run(line, {}).succeeded();
  },
  "npm run bench": async (line) => {
    // The shortest of its parts: the whole takes minutes.
    const output = await run(line, { bench: "bench -- --quick --only idle" }).succeeded();
    expect(output).toContain("one tunnel:");
  },
  "npm run --silent hash-password -- --user me > culvert-access": async (line) => {
    const file = join(temporaryFolder(), "access");
    await run(`printf word | ${line}`, { "culvert-access": file }).succeeded();
    const config = readAgentConfig(["--server=http://x", "--to=http://y", "--access-file", file], {});
    expect(config.access).toMatch(/^basic me:scrypt\./);
  },
  "npm run revoke -- --client-id my-home --database sqlite:./culvert.db": async (line) => {
    const database = `sqlite:${temporaryFolder()}/culvert.db`;
    const server = await startServer({ database });
    await server.register("my-home");
    const output = await run(line, { "sqlite:./culvert.db": database }).succeeded();
    expect(output).toContain("revoked 1 token: ");
  },
  "(umask 077 && openssl rand -hex 32 > culvert-token)": async (line) => {
    const file = join(temporaryFolder(), "token");
    await run(line, { "culvert-token": file }).succeeded();
    expect(readFileSync(file, "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  },
  "npm start -- --port 8000 --access-token-file culvert-token --database sqlite:./culvert.db": async (
    line,
  ) => {
    const server = run(line, {
      "culvert-token": fileWith(ACCESS_TOKEN),
      "--port 8000": "--port 0 --bind 127.0.0.1 --admin-port 0",
      "sqlite:./culvert.db": `sqlite:${temporaryFolder()}/culvert.db`,
    });
    const url = await server.printed(/^listening on (.*)$/m);
    expect((await ask(`${url}/health`)).status).toBe(200);
  },
  "npm run agent -- --server https://tunnel.example.net --to http://127.0.0.1:3000 --access-token-file culvert-token":
    async (line) => {
      const origin = await startOrigin((_request, response) => response.end());
      const server = await startServer();
      const agent = run(line, {
        "culvert-token": fileWith(ACCESS_TOKEN),
        "https://tunnel.example.net": server.url,
        "http://127.0.0.1:3000": origin.url,
      });
      await agent.printed(/^connected as home-/m);
      await agent.printed(/^visitors reach it at /m);
    },
  "npm run --silent culvert -- token create --name phone": async (line) => {
    const stateFile = join(temporaryFolder(), "agent.json");
    const tunnel = await startTunnel((_request, response) => response.end("come in"), {
      agent: { stateFile },
    });
    const output = await run(line, {}, { CULVERT_STATE: stateFile }).succeeded();
    const headers = { authorization: `Bearer ${output.trim()}` };
    expect((await ask(tunnel.server.url + tunnel.target("/x"), { headers })).body.toString()).toBe("come in");
  },
  'curl -H @visitor-header "https://tunnel.example.net/some/path?clientId=$CLIENT_ID"': async (line) => {
    const tunnel = await startTunnel((request, response) => response.end(`you asked for ${request.url}`));
    const place = {
      "https://tunnel.example.net": tunnel.server.url,
      "visitor-header": fileWith(`Authorization: Bearer ${tunnel.clientToken}\n`),
    };
    const variables = { CLIENT_ID: tunnel.clientId };
    const output = await run(line, place, variables).succeeded();
    expect(output).toContain("you asked for /some/path?clientId=home");
  },
};

describe("the commands of the README", () => {
  test.each(commandLines())("%s", async (line) => {
    const check = COMMANDS[line];
    if (check === undefined) throw new Error("no test and no CI step runs this command");
    await check(line);
  });

  test.each(documents())("of %s show no secret on a command line", (file) => {
    const shown = commandsIn(readFileSync(join(ROOT, file), "utf8")).filter((line) =>
      SHOWN_SECRET.test(line),
    );
    expect(shown).toEqual([]);
  });

  test.each([
    'npm start -- --access-token "$(openssl rand -hex 32)"',
    "culvert serve --access-token=abc",
    "TUNNEL_ACCESS_TOKEN=... npm run agent",
    'curl -H "Authorization: Bearer $CLIENT_TOKEN" https://x',
    "culvert serve --database mysql://culvert:word@db/culvert",
    "culvert agent --header 'X-Key: word'",
    "curl 'https://x/files/track?signature=abc'",
    "mysql -u culvert -pword",
  ])("would be told from one that shows a secret: %s", (line) => {
    expect(line).toMatch(SHOWN_SECRET);
  });

  test("are all that are known here", () => {
    expect(new Set(commandLines())).toEqual(new Set(Object.keys(COMMANDS)));
  });
});

describe("docs/security.md", () => {
  const text = readFileSync(join(ROOT, "docs/security.md"), "utf8");

  test("has a test behind each promise, which is there", () => {
    const rows = tablesIn(text).find(([heading]) => heading?.at(-1) === "held by") ?? [];
    expect(rows.length).toBeGreaterThan(10);
    for (const [threat, , tests = ""] of rows.slice(1)) {
      const files = [...tests.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, file = ""]) => file);
      expect(files.length, threat).toBeGreaterThan(0);
      for (const file of files) expect(existsSync(join(ROOT, file)), `${threat}: ${file}`).toBe(true);
    }
  });

  test("names checkers of the simulator that there are", () => {
    const [, list = ""] = /`sim\/checkers\/`: ([^)]+)\)/.exec(text) ?? [];
    const names = [...list.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(3);
    const known = new Set<string | undefined>(properties.map(({ name }) => name));
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe("the tables of the README", () => {
  test("have every failure with its status, close code and title", () => {
    const expected = Object.entries(FAILURES).map(
      ([code, { status, closeCode, title }]) => `| \`${code}\` | ${status} | ${closeCode} | ${title} |`,
    );
    expect(between("failures")).toEqual(expected);
  });

  test("have every problem of the agent with its status and title", () => {
    const expected = Object.entries(AGENT_PROBLEMS).map(
      ([code, { status, title }]) => `| \`${code}\` | ${status} | ${title} |`,
    );
    expect(between("agent problems")).toEqual(expected);
  });

  test("have every reason that /ready gives", () => {
    const [draining, ...rows] = tableUnder("| reason | what it says |");
    expect(draining?.[0]).toBe("`draining`");
    expect(rows).toEqual(
      Object.entries(REGISTRY_PROBLEMS).map(([reason, detail]) => [`\`${reason}\``, detail]),
    );
  });

  test("name no limit that is not a failure's", () => {
    const known = { ...FAILURES, ...AGENT_PROBLEMS };
    for (const [, code = ""] of README.matchAll(/`(limit_\w+)`/g)) expect(known).toHaveProperty(code);
  });

  test.each([
    ["serve", "npm start --"],
    ["agent", "npm run agent --"],
  ] as const)("have every setting of %s, and no other", (command, heading) => {
    const rows = tableUnder(`| \`${heading}\` | environment | default |`);
    const shown = rows.map(([flag = "", variable = ""]) => ({
      flag: /^`--([\w-]+)/.exec(flag)?.[1],
      variable: /^`(\w+)`$/.exec(variable)?.[1],
    }));
    const known = settingsOf(command).map(({ flag, variable }) => ({ flag, variable }));
    expect(shown).toEqual(expect.arrayContaining(known));
    expect(shown).toHaveLength(known.length);
  });

  test.each(["HTTP", "when something goes wrong"])(
    "have a test of that id behind every row of: %s",
    (heading) => {
      const rows = tableUnder(`| ${heading} | MoosicBox protocol | native protocol | tests |`);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) {
        const [feature, , , tests = ""] = row;
        const links = linksOf(tests);
        expect(links.length, feature).toBeGreaterThan(0);
        for (const { id, file } of links) expect(testIds(file), `${feature}: ${id} in ${file}`).toContain(id);
      }
    },
  );

  test("have the tests of what the native protocol is for", () => {
    const ids = new Set(linksOf(README.slice(README.indexOf("## What passes through"))).map(({ id }) => id));
    const faults = [6, 12, 13, 14, 15, 16, 17, 18, 19, 20, 24, 25, 27].map((number) => fault("H", number));
    const ends = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 16, 21, 22, 23, 24].map((number) => fault("T", number));
    expect([...faults, ...ends].filter((id) => !ids.has(id))).toEqual([]);
  });

  test("have every dependency, and no other", () => {
    const rows = tableUnder("| package | why we do not write it ourselves |");
    const shown = rows.flatMap(([names = ""]) => [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
    const known = [...Object.keys(PACKAGE.dependencies), ...Object.keys(PACKAGE.devDependencies)];
    expect(shown.toSorted()).toEqual(known.toSorted());
  });
});

/** As the fault catalogue counts: `H06`. */
function fault(letter: string, number: number): string {
  return `${letter}${String(number).padStart(2, "0")}`;
}

/** What a text names as `H17 [M](FILE) [N](FILE)`. */
function linksOf(text: string): { readonly id: string; readonly file: string }[] {
  const links: { id: string; file: string }[] = [];
  for (const [, id = "", list = ""] of text.matchAll(/([A-Z]\d\d)((?: \[[MN]\]\([^)]+\))+)/g)) {
    for (const [, file = ""] of list.matchAll(/\(([^)]+)\)/g)) links.push({ id, file });
  }
  return links;
}

/** The ids that the titles of a file's tests begin with. */
function testIds(file: string): string[] {
  const titles = readFileSync(join(ROOT, file), "utf8").matchAll(/["`]((?:[A-Z]\d\d, )*[A-Z]\d\d): /g);
  return [...titles].flatMap(([, ids = ""]) => ids.split(", "));
}

/** The lines between a pair of markers. */
function between(name: string): string[] {
  const [, lines] = new RegExp(`<!-- ${name} -->\n([\\s\\S]*?)<!-- /${name} -->`).exec(README) ?? [];
  return (lines ?? "").trim().split("\n");
}

/** The cells of a table's rows, by its first line. */
function tableUnder(heading: string): string[][] {
  const [table = []] = tablesIn(README.slice(README.indexOf(heading)));
  return table.slice(1);
}

/** The cells of each table, its heading first. */
function tablesIn(text: string): string[][][] {
  return [...text.matchAll(/^\|.*\n\|[-|]+\|\n(?:\|.*\n)*/gm)].map(([table]) => {
    const [heading = "", , ...rows] = table.trim().split("\n");
    return [heading, ...rows].map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  });
}
