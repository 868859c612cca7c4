/** Every link inside of the repository leads somewhere. */
import { existsSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { documents, headingsOf, ROOT, readDocument } from "./documents.ts";

/** Documents that have links, though no commands. */
const FILES = [...documents(), "CHANGELOG.md"];

describe("the links of", () => {
  test.each(FILES)("%s lead to files and headings that there are", (file) => {
    expect(brokenIn(file, readDocument(file))).toEqual([]);
  });

  test("a document that lead nowhere are seen", () => {
    const text =
      "[a](nothing.md) [b](README.md#nothing) [c](#nothing) [d](https://example.org) ![e](nothing.png)\n## There\n[f](#there)";
    expect(brokenIn("README.md", text)).toEqual([
      "nothing.md",
      "README.md#nothing",
      "#nothing",
      "nothing.png",
    ]);
  });
});

function brokenIn(file: string, text: string): string[] {
  return targetsIn(text).filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path = "", anchor] = target.split("#");
    const named = path === "" ? file : relative(ROOT, join(ROOT, dirname(file), path));
    if (named.startsWith("..") || !existsSync(join(ROOT, named))) return true;
    if (anchor === undefined) return false;
    if (!named.endsWith(".md") || !statSync(join(ROOT, named)).isFile()) return true;
    return !headingsOf(named === file ? text : readDocument(named)).includes(anchor);
  });
}

/** Of links and pictures, in Markdown and in HTML, outside of code. */
function targetsIn(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "").replace(/`[^`\n]*`/g, "`code`");
  const links = prose.matchAll(/\]\(([^)\s]+)\)|\b(?:src|srcset|href)="([^"]+)"/g);
  return [...links].map(([, markdown, html]) => markdown ?? html ?? "");
}
