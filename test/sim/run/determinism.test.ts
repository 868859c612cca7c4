/** Code that depends on more than its scenario is found out: in scratch copies of the core with a leak put in. */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const NONDETERMINISM = 4;

type Leak = { readonly file: string; readonly from: string; readonly to: string; readonly more?: string };

/** The jitter of an agent's backoff comes from the clock. */
const clockLeak: Leak = {
  file: "core/agent/state.ts",
  from: "createPrng(config.seed)",
  to: "createPrng(config.seed + Date.now())",
};

/** Exchanges of a lost tunnel are failed in the order of a map that each process fills in its own way. */
const mapOrderLeak: Leak = {
  file: "core/server/life/close.ts",
  from: "for (const { exchange } of lost)",
  to: "for (const exchange of inOrderOfProcess([...lost].map((each) => each.exchange)).values())",
  more: `
const OWN = Math.floor(Math.random() * 2 ** 30);
function inOrderOfProcess<Id extends number>(ids: Iterable<Id>): Map<number, Id> {
  const sorted = [...ids].sort((a, b) => Math.imul(a, 2 * OWN + 1) - Math.imul(b, 2 * OWN + 1));
  return new Map(sorted.map((id) => [id, id]));
}
`,
};

/** A copy of the machines and the simulator with that leak in it. */
function leaky({ file, from, to, more = "" }: Leak): string {
  const folder = mkdtempSync(join(tmpdir(), "culvert-leak-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ["core", "sim"]) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const path = join(folder, file);
  const source = readFileSync(path, "utf8");
  expect(source).toContain(from);
  writeFileSync(path, source.replace(from, to) + more);
  return folder;
}

function sim(folder: string, ...flags: readonly string[]): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(folder, "sim/main.ts"), ...flags], (error, stdout) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout });
    });
  });
}

describe("the determinism gate", () => {
  test("catches a core that reads the clock, and names the first event that differs", async () => {
    const { code, stdout } = await sim(leaky(clockLeak), "--seed", "1", "--seeds", "20", "--doublecheck");
    expect(code).toBe(NONDETERMINISM);
    expect(stdout).toMatch(/^FAIL determinism: two runs of seed \d+ part at step \d+:/m);
    expect(stdout).toMatch(/^ {2}once .*\n {2}again /m);
  });

  test("catches an order that is the same throughout a process and another in the next", async () => {
    const folder = leaky(mapOrderLeak);
    const { code, stdout } = await sim(folder, "--seed", "1", "--seeds", "80", "--doublecheck");
    expect(code).toBe(NONDETERMINISM);
    expect(stdout).toMatch(/^FAIL determinism: two runs of seed \d+ part at step \d+: .*#\d+ <- /m);
  }, 120_000);
});
