/** What is written for people, as text to look into. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { filesIn } from "../helpers/source-text.ts";

export const ROOT = join(import.meta.dirname, "../..");

/** Each by its path from the top of the repository. The change log is not among them: it says what was. */
export function documents(): string[] {
  const pages = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  return [
    "README.md",
    "CONTRIBUTING.md",
    "sim/README.md",
    "deploy/README.md",
    ".github/SECURITY.md",
    ...pages.map((name) => `docs/${name}`),
  ];
}

export function readDocument(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** A command line, and why no test runs it; null where one has to. */
export type Command = { readonly line: string; readonly notRun: string | null };

/** The command lines of all `sh` blocks, without their comments. A block that no test runs has `<!-- not run: WHY -->` before it. */
export function commandsIn(text: string): Command[] {
  const blocks = text.matchAll(/(?:^<!-- not run: (.*) -->\n+)?^```sh\n([\s\S]*?)^```$/gm);
  return [...blocks].flatMap(([, notRun = null, block = ""]) =>
    block
      .replaceAll("\\\n", " ")
      .split("\n")
      .map((line) => line.replace(/\s+#.*$/, "").trim())
      .filter((line) => line !== "")
      .map((line) => ({ line, notRun })),
  );
}

/** The texts of all blocks in that language. */
export function blocksIn(text: string, language: string): string[] {
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"));
  return [...blocks].map(([, block = ""]) => block);
}

/** The cells of each table, its heading first. */
export function tablesIn(text: string): string[][][] {
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

/** The cells of a table's rows, by its first line. Throws where there is none. */
export function tableUnder(text: string, heading: string): string[][] {
  const at = text.indexOf(heading);
  const [table] = at < 0 ? [] : tablesIn(text.slice(at));
  if (table === undefined) throw new Error(`there is no table under ${heading}`);
  return table.slice(1);
}

/** What the headings of a document are linked by, as GitHub makes it. */
export function headingsOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => slugOf(heading));
}

/** GitHub's name for a heading: its words in lower case, joined by hyphens. */
export function slugOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, "")
    .replaceAll(" ", "-");
}

/** Each by its path from the top of the repository, in order. */
export function testFiles(): string[] {
  return filesIn(join(ROOT, "test"))
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => relative(ROOT, file))
    .toSorted();
}

/** The ids that the titles of a file's tests begin with. */
export function testIdsIn(source: string): string[] {
  const titles = source.matchAll(/["`]((?:[A-Z]\d\d, )*[A-Z]\d\d): /g);
  return [...titles].flatMap(([, ids = ""]) => ids.split(", "));
}
