/** Every scenario that broke something once is run on every test. */
import { expect, test } from "vitest";
import { readCorpus } from "../../../sim/run/corpus.ts";
import { tryScenario } from "../../../sim/run/trial.ts";

const corpus = readCorpus();

test("the corpus is small scenarios, each with a note", () => {
  expect(corpus.length).toBeGreaterThanOrEqual(10);
  for (const { name, file } of corpus) {
    const { operations, faults } = file.scenario;
    expect({ name, operations: operations.length <= 6, faults: faults.length <= 4 }).toEqual({
      name,
      operations: true,
      faults: true,
    });
    expect(file.note).not.toBe("");
  }
});

test.each(corpus.map(({ name, file }) => [name, file] as const))("%s is as expected", (_, file) => {
  const { verdict, what, message } = tryScenario(file.scenario, true);
  const came = verdict === "passed" ? "clean" : what;
  expect({ came, message }).toEqual({ came: file.expected, message: "" });
});
