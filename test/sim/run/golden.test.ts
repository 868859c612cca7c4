/** Seeds whose ends are known: a change of what they do is either meant, and written down, or a mistake. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { mixtureOf, scenarioOf } from "../../../sim/drawing/swarm.ts";
import { GOLDEN_FILE, type Golden, readGolden, refreshGolden, tryGolden } from "../../../sim/run/golden.ts";

const golden = readGolden();
const first = (): Golden => golden[0] ?? expect.fail("there are no golden seeds");

function copyOfFile(): URL {
  const folder = mkdtempSync(join(tmpdir(), "culvert-golden-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = pathToFileURL(join(folder, "golden.json"));
  copyFileSync(GOLDEN_FILE, file);
  return file;
}

describe("a golden seed", () => {
  test.each(golden)("$seed ($mixture) ends as it did", (entry) => {
    const { message, hash } = tryGolden(entry);
    expect({ message, hash }).toEqual({ message: "", hash: entry.hash });
  });

  test("that ends in another way fails, and says how to confirm it", () => {
    const trial = tryGolden({ ...first(), hash: "0000000000000000" });
    expect(trial).toMatchObject({ verdict: "nondeterminism", what: "golden" });
    expect(trial.message).toContain("npm run sim -- --golden");
  });
});

test("golden seeds are of every mixture", () => {
  expect(new Set(golden.map(({ mixture }) => mixture))).toEqual(
    new Set(["none", "one", "everything", "swarm", "restarts"]),
  );
  for (const { seed, mixture } of golden) {
    const low = Number(seed);
    expect([mixtureOf({ high: 0, low }), scenarioOf({ high: 0, low }).calm]).toEqual([
      mixture,
      mixture === "none",
    ]);
  }
});

test("a refresh writes the file that is there where nothing has changed", () => {
  const file = copyOfFile();
  expect(refreshGolden(file)).toEqual([]);
  expect(readGolden(file)).toEqual(golden);
});
