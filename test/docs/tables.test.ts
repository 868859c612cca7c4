/** The tables of the documents are those of the code, and what they promise has a test. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AGENT_PROBLEMS } from "../../core/agent/problem.ts";
import { FAILURES } from "../../core/failure.ts";
import { properties } from "../../sim/checkers/index.ts";
import { documents, ROOT, readDocument, tablesIn, tableUnder, testFiles, testIdsIn } from "./documents.ts";
import { commandsWithSettings, PARTS, partsIn, renewed } from "./generated.ts";
import { TEST_IDS } from "./test-ids.ts";

const PACKAGE: {
  readonly version: string;
  readonly dependencies: object;
  readonly optionalDependencies: object;
  readonly devDependencies: object;
} = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

describe("what follows from the code", () => {
  test.each(documents())("is fresh in %s: npm run docs:tables", (file) => {
    expect(readDocument(file)).toBe(renewed(readDocument(file)));
  });

  test("is all in the documents", () => {
    const parts = documents().flatMap((file) => partsIn(readDocument(file)));
    expect(parts.toSorted()).toEqual([...PARTS.keys()].toSorted());
  });

  test("has the settings of every command", () => {
    for (const command of commandsWithSettings())
      expect([...PARTS.keys()]).toContain(`settings of ${command}`);
  });

  test("is not taken for fresh where a line is missing", () => {
    const text = readDocument("docs/settings.md");
    const shorter = text.replace(/^\| `--port PORT`.*\n/m, "");
    expect(shorter).not.toBe(text);
    expect(renewed(shorter)).toBe(text);
  });
});

describe("docs/errors.md", () => {
  const text = readDocument("docs/errors.md");
  const codes = Object.keys({ ...FAILURES, ...AGENT_PROBLEMS });

  test("names no limit that is not a failure's, nor does any other document", () => {
    for (const file of documents()) {
      for (const [, code = ""] of readDocument(file).matchAll(/`(limit_\w+)`/g))
        expect(codes, file).toContain(code);
    }
  });

  test.each(codes)("has the cause of %s, and what to do", (code) => {
    const [, section = ""] = text.split(`\n### \`${code}\`\n`);
    const [own = ""] = section.split(/^#/m);
    expect(own).toMatch(/^\*\*Cause\.\*\* \S/m);
    expect(own).toMatch(/^\*\*What to do\.\*\* \S/m);
  });

  test("has a section for no other code", () => {
    const shown = [...text.matchAll(/^### `(.+)`$/gm)].map(([, code]) => code);
    expect(shown.toSorted()).toEqual(codes.toSorted());
  });
});

describe("docs/security.md", () => {
  const text = readDocument("docs/security.md");

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

describe("docs/what-passes-through.md", () => {
  const text = readDocument("docs/what-passes-through.md");

  test.each(["HTTP", "when something goes wrong"])(
    "has a test of that id behind every row of: %s",
    (heading) => {
      const rows = tableUnder(text, `| ${heading} | MoosicBox protocol | native protocol | tests |`);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) {
        const [feature, , , tests = ""] = row;
        const links = linksOf(tests);
        expect(links.length, feature).toBeGreaterThan(0);
        for (const { id, file } of links)
          expect(testIdsIn(readDocument(file)), `${feature}: ${id} in ${file}`).toContain(id);
      }
    },
  );

  test("has the tests of what the native protocol is for", () => {
    const ids = new Set(linksOf(text).map(({ id }) => id));
    const faults = [6, 12, 13, 14, 15, 16, 17, 18, 19, 20, 24, 25, 27].map((number) => fault("H", number));
    const ends = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 16, 21, 22, 23, 24].map((number) => fault("T", number));
    expect([...faults, ...ends].filter((id) => !ids.has(id))).toEqual([]);
  });
});

describe("docs/test-ids.md", () => {
  const used = new Set(testFiles().flatMap((file) => testIdsIn(readDocument(file))));

  test("has every id that a title begins with, and no other", () => {
    expect(Object.keys(TEST_IDS), "subjects are in test/docs/test-ids.ts").toEqual([...used].toSorted());
  });

  test("has every letter of them", () => {
    const rows = tableUnder(readDocument("docs/test-ids.md"), "| letter | what the tests are about |");
    const letters = new Set([...used].map((id) => `\`${id.slice(0, 1)}\``));
    expect(rows.map(([letter]) => letter)).toEqual([...letters].toSorted());
  });
});

describe("docs/contributing.md", () => {
  test("has every dependency, and no other", () => {
    const rows = tableUnder(
      readDocument("docs/contributing.md"),
      "| package | why we do not write it ourselves |",
    );
    const shown = rows.flatMap(([names = ""]) => [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
    const { dependencies, optionalDependencies, devDependencies } = PACKAGE;
    const known = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
    expect(shown.toSorted()).toEqual(known.toSorted());
  });
});

describe("CHANGELOG.md", () => {
  test("begins with the version of the package", () => {
    const [, newest] = /^## (\S+)$/m.exec(readDocument("CHANGELOG.md")) ?? [];
    expect(newest).toBe(PACKAGE.version);
  });
});

describe("README.md", () => {
  test("has at most 150 lines", () => {
    expect(readDocument("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(150);
  });
});

/** As the fault catalogue counts: `H06`. */
function fault(letter: string, number: number): string {
  return `${letter}${String(number).padStart(2, "0")}`;
}

/** What a text names as `H17 [M](../FILE) [N](../FILE)`. */
function linksOf(text: string): { readonly id: string; readonly file: string }[] {
  const links: { id: string; file: string }[] = [];
  for (const [, id = "", list = ""] of text.matchAll(/([A-Z]\d\d)((?: \[[MN]\]\([^)]+\))+)/g)) {
    for (const [, file = ""] of list.matchAll(/\(\.\.\/([^)]+)\)/g)) links.push({ id, file });
  }
  return links;
}
