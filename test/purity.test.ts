/**
 * The core imports nothing outside itself and knows no clock, no chance and no platform: that is what makes a bug report a
 * seed. The compiler keeps the platform out already, since `core/tsconfig.json` has no types of one; this test keeps out
 * what the language itself brings, and what an import would.
 */
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { filesIn, specifiersOf, withoutTextAndComments } from "./helpers/source-text.ts";

const core = fileURLToPath(new URL("../core", import.meta.url));

/** Names that a pure module has no use for, as a whole word and not as the name of somebody's property. */
const FORBIDDEN = [
  ...["Date", "Temporal", "performance", "crypto"],
  ...["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "queueMicrotask"],
  ...["async", "await", "Promise", "Atomics", "WeakRef", "FinalizationRegistry"],
  ...["process", "Buffer", "console", "require", "globalThis", "global", "window", "self", "fetch", "Worker"],
  ...["URL", "URLSearchParams", "TextEncoder", "TextDecoder", "AbortController", "structuredClone"],
  ...["atob", "btoa", "eval", "Intl"],
];

/** What the source text does that a pure module must not; empty where it is pure. */
function impurities(source: string, file: string): string[] {
  const found: string[] = [];
  for (const specifier of specifiersOf(source)) {
    const target = resolve(dirname(file), specifier);
    const isInside = specifier.startsWith(".") && (target + sep).startsWith(core + sep);
    if (!isInside) found.push(`imports ${specifier}`);
  }
  const code = withoutTextAndComments(source);
  for (const name of FORBIDDEN) {
    // `?.name` and `.name` belong to an object of ours; `name:` and `"name"` are keys.
    if (new RegExp(`(?<![\\w$.])${name}(?![\\w$]|\\??:)`).test(code)) found.push(`uses ${name}`);
  }
  if (/\bMath\s*\??\.\s*random\b|\bMath\s*\[/.test(code)) found.push("uses Math.random");
  if (/\bimport\s*[.(]/.test(code)) found.push("imports at run time");
  if (/\.\s*toLocale\w*|\.\s*localeCompare\b/.test(code)) found.push("depends on the locale");
  return found;
}

describe("the core is pure", () => {
  const files = filesIn(core);

  it("has files to look at, those of the machines among them", () => {
    const names = files.map((file) => relative(core, file));
    expect(names).toEqual(expect.arrayContaining(["server.ts", "agent.ts", join("wire", "packet.ts")]));
  });

  it.each(files.map((file) => relative(core, file)))("%s", (name) => {
    const file = join(core, name);
    expect(impurities(readFileSync(file, "utf8"), file)).toEqual([]);
  });

  it("is compiled without the types of any platform", () => {
    const config = JSON.parse(readFileSync(join(core, "tsconfig.json"), "utf8"));
    expect(config.compilerOptions).toMatchObject({ types: [], lib: ["es2024"] });
  });
});

describe("the rule bites", () => {
  const file = join(core, "server", "example.ts");

  it.each([
    ['import { createHash } from "node:crypto";', "imports node:crypto"],
    ['import ws from "ws";', "imports ws"],
    ['import type { Driver } from "../../adapters/driver.ts";', "imports ../../adapters/driver.ts"],
    ['export { x } from "../../core-else/x.ts";', "imports ../../core-else/x.ts"],
    ['import "../../adapters/driver.ts";', "imports ../../adapters/driver.ts"],
    ['const fs = await import("node:fs");', "imports node:fs"],
    ["const later = import(name);", "imports at run time"],
    ["const here = import.meta.url;", "imports at run time"],
    ["const now = Date.now();", "uses Date"],
    ["const now = new Date();", "uses Date"],
    ["const clock = Date;", "uses Date"],
    ["const chance = Math.random();", "uses Math.random"],
    ["const chance = Math . random();", "uses Math.random"],
    ['const chance = Math["random"]();', "uses Math.random"],
    ["setTimeout(step, 5);", "uses setTimeout"],
    ["async function step() {}", "uses async"],
    ["export const step = async () => {};", "uses async"],
    ["await done;", "uses await"],
    ["type Later = Promise<void>;", "uses Promise"],
    ["const node = process.env;", "uses process"],
    ["const bytes = Buffer.alloc(1);", "uses Buffer"],
    ["console.log(state);", "uses console"],
    ["const ms = performance.now();", "uses performance"],
    ["const uuid = crypto.randomUUID();", "uses crypto"],
    ["const target = new URL(text);", "uses URL"],
    ["const bytes = new TextEncoder().encode(text);", "uses TextEncoder"],
    ["const all = globalThis;", "uses globalThis"],
    [`const text = \`at \${Date.now()}\`;`, "uses Date"],
    ["const order = a.localeCompare(b);", "depends on the locale"],
  ])("on %s", (source, impurity) => {
    expect(impurities(source, file)).toContain(impurity);
  });

  it.each([
    "// Date and Promise are only talked about.",
    "/** A `setTimeout` of the process, in a comment. */",
    'const name = "Date";',
    `const text = \`process and \${count} things\`;`,
    "const pattern = /Date|Promise/;",
    "const at = header.Date;",
    "const update = { process: 1 };",
    "type Updated = { readonly Date?: string };",
    "const myDate = 1; const updateURL = 2;",
    'import { assert } from "../assert.ts";',
    'import type { Tunnel } from "./state.ts";',
    "const half = a / b / c; const text = 1;",
  ])("and not on %s", (source) => {
    expect(impurities(source, file)).toEqual([]);
  });
});
