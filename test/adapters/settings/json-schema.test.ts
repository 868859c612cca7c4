/** The schemas that editors take, which are files of the repository. `vitest -u` writes them anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { configFileSchema, type JsonSchema } from "../../../adapters/settings/json-schema.ts";
import { readAgentConfigs, readServeConfig, settingsOf } from "../../../adapters/settings/settings.ts";
import { LIVE_AGENT_LIMITS, LIVE_SERVER_LIMITS } from "../../../core/limits.ts";
import { temporaryFolder } from "../../helpers/tunnel.ts";

const DOCS = join(import.meta.dirname, "../../../docs");
const COMMANDS = ["serve", "agent"] as const;
type Command = (typeof COMMANDS)[number];

/** As an editor judges a file, which takes YAML's own types. */
function isTaken(command: Command, text: string): boolean {
  return z.fromJSONSchema(withoutConditions(configFileSchema(command))).safeParse(parse(text)).success;
}

/** zod knows no `if`. */
function withoutConditions({ if: _if, then: _then, ...schema }: JsonSchema): JsonSchema {
  return schema;
}

describe.each(COMMANDS)("the schema of %s", (command) => {
  test("is the one that is published", async () => {
    const text = `${JSON.stringify(configFileSchema(command), null, 2)}\n`;
    await expect(text).toMatchFileSnapshot(join(DOCS, `schema/${command}.json`));
  });

  test("has every setting that a file may have, and what each is for", () => {
    const { properties } = z
      .object({ properties: z.record(z.string(), z.looseObject({})) })
      .parse(configFileSchema(command));
    const known = settingsOf(command).filter(({ flag }) => flag !== "config");
    const named = Object.entries(properties).map(([flag, { description }]) => ({ flag, help: description }));
    expect(named.filter(({ flag }) => flag !== "homes").toSorted(byFlag)).toEqual(
      known.map(({ flag, help }) => ({ flag, help })).toSorted(byFlag),
    );
  });
});

describe("a schema", () => {
  test.each([
    ["serve", "port: 8080"],
    ["serve", "port: '8080'"],
    ["serve", "path-routing: on"],
    ["serve", "path-routing: true"],
    ["serve", "trusted-proxy: 127.0.0.1"],
    ["serve", "trusted-proxy: [127.0.0.1, '::1']"],
    ["serve", "limit: {tunnelsMax: 7}"],
    ["serve", "limit: [tunnelsMax=7]"],
    ["agent", "to: 3000"],
    ["agent", "to: {/: 3000, /a: http://x}"],
    ["agent", "homes: {music: {to: 3000}}"],
  ] as const)("of %s takes %s", (command, text) => {
    expect(isTaken(command, text)).toBe(true);
  });

  test.each([
    ["serve", "prot: 8080"],
    ["serve", "port: eighty"],
    ["serve", "log-level: loud"],
    ["serve", "path-routing: perhaps"],
    ["serve", "limit: {tunnelsMx: 7}"],
    ["serve", "homes: {music: {to: 3000}}"],
    ["agent", "config: x.yaml"],
    ["agent", "homes: {music: {too: 3000}}"],
    ["agent", "homes: {music: {log-level: warn}}"],
  ] as const)("of %s does not take %s", (command, text) => {
    expect(isTaken(command, text)).toBe(false);
  });
});

describe("the examples of docs/configuration.md", () => {
  const text = readFileSync(join(DOCS, "configuration.md"), "utf8");
  const examples = [...text.matchAll(/<!-- example (serve|agent) -->\n```yaml\n([\s\S]*?)```/g)].map(
    ([, command, example = ""]) => [command === "serve" ? "serve" : "agent", example] as const,
  );

  test("are three", () => {
    expect(examples.map(([command]) => command)).toEqual(["serve", "agent", "agent"]);
  });

  test.each(examples)("of %s can be read, and their schema takes them", (command, example) => {
    const folder = temporaryFolder();
    const file = join(folder, "culvert.yaml");
    for (const secret of ["culvert-token", "photos-access"]) {
      writeFileSync(join(folder, secret), secret === "photos-access" ? "public" : "word", { mode: 0o600 });
    }
    writeFileSync(file, example, { mode: 0o600 });
    const read = command === "serve" ? readServeConfig : readAgentConfigs;
    expect(() => read(["--config", file], {})).not.toThrow();
    expect(isTaken(command, example)).toBe(true);
  });
});

function byFlag(a: { readonly flag: string }, b: { readonly flag: string }): number {
  return a.flag < b.flag ? -1 : 1;
}

test("docs/configuration.md names the limits that hold at once", () => {
  const text = readFileSync(join(DOCS, "configuration.md"), "utf8");
  for (const [program, live] of [
    ["server", LIVE_SERVER_LIMITS],
    ["agent", LIVE_AGENT_LIMITS],
  ] as const) {
    const [, list = ""] = new RegExp(`^\\| ${program} \\|.*of \`limit\`: (.*) \\|$`, "m").exec(text) ?? [];
    expect(list).toBe([...live].map((name) => `\`${name}\``).join(", "));
  }
});
