import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Registry } from "../../../adapters/registry/port.ts";
import { createProbe } from "../../../adapters/registry/probe.ts";
import { type RegistryProblem, registryProblem } from "../../../adapters/registry/problem.ts";

let answers: ((problem: RegistryProblem | null) => void)[];
let changes: (string | null)[];
let probe: () => Promise<RegistryProblem | null>;

beforeEach(() => {
  answers = [];
  changes = [];
  const registry: Registry = {
    call: () => expect.fail("the probe is no call of the core"),
    probe: () => new Promise((resolve) => answers.push(resolve)),
    close: () => {},
  };
  probe = createProbe(registry, (problem) => changes.push(problem?.reason ?? null));
});

describe("a probe of the registry", () => {
  test("is shared by all who ask while it runs, and made anew for the next one", async () => {
    const asked = [probe(), probe(), probe()];
    expect(answers).toHaveLength(1);
    answers[0]?.(null);
    expect(await Promise.all(asked)).toEqual([null, null, null]);
    void probe();
    expect(answers).toHaveLength(2);
  });

  test("tells each change once: that there is a problem, another one, and none", async () => {
    const full = registryProblem("registry_full");
    for (const problem of [null, full, full, registryProblem("registry_down"), null, null]) {
      const asked = probe();
      answers.at(-1)?.(problem);
      expect(await asked).toEqual(problem);
    }
    expect(changes).toEqual(["registry_full", "registry_down", null]);
  });

  test("does not wait for a database that says nothing", async () => {
    vi.useFakeTimers();
    try {
      const asked = probe();
      await vi.runAllTimersAsync();
      expect(await asked).toMatchObject({ reason: "registry_down" });
    } finally {
      vi.useRealTimers();
    }
  });
});
