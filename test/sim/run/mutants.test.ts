/** The planted bugs: all of them fit the present core, and the hunt for one finds it. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { properties } from "../../../sim/checkers/index.ts";
import { MUTANTS } from "../../../sim/run/mutants.ts";
import { PatchError, Scratch } from "../../../sim/run/scratch.ts";

const folder = fileURLToPath(new URL("../../../sim/mutants/", import.meta.url));
const main = fileURLToPath(new URL("../../../sim/main.ts", import.meta.url));

describe("a planted bug", () => {
  test("has a patch, and every patch is one", () => {
    const patches = readdirSync(folder).filter((name) => name.endsWith(".patch"));
    expect(patches.sort()).toEqual(MUTANTS.map(({ id }) => `${id}.patch`));
  });

  test.each(MUTANTS)("$id is for checkers that there are", ({ shownBy }) => {
    const names = properties.map(({ name }) => name);
    for (const name of shownBy) expect(names).toContain(name);
  });

  test.each(MUTANTS)("$id fits the present core", ({ id }) => {
    new Scratch(join(folder, `${id}.patch`)).remove();
  });

  test("that does not fit fails with a message of its own, and leaves nothing behind", async () => {
    const place = await mkdtemp(join(tmpdir(), "culvert-test-"));
    onTestFinished(() => rm(place, { recursive: true }));
    const patch = join(place, "PB99.patch");
    writeFileSync(
      patch,
      "--- a/core/server.ts\n+++ b/core/server.ts\n@@ -1,1 +1,1 @@\n-what was never there\n+anything\n",
    );
    expect(() => new Scratch(patch)).toThrow(PatchError);
    expect(() => new Scratch(patch)).toThrow(/PB99\.patch does not apply to the present core/);
  });

  test("is found by a checker of its kind, and shown by a small scenario", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      main,
      "--mutant",
      "PB08",
      "--seeds",
      "20",
    ]);
    expect(stdout).toMatch(/^found {2}PB08: /m);
    expect(stdout).toMatch(/from 1 on: timers_owned: /);
    expect(stdout).toMatch(/shrunk to \d faults and \d operations/);
  });
});

test("a scratch copy is gone when it was removed", () => {
  const scratch = new Scratch(join(folder, "PB01.patch"));
  const file = fileURLToPath(scratch.address("core/resequencer.ts"));
  expect(existsSync(file)).toBe(true);
  scratch.remove();
  expect(existsSync(file)).toBe(false);
});
