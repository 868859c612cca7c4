/**
 * Whether the registry takes writes. A probe of the database writes something and takes it back, since one that can only be read,
 * whose disk is full or whose file was deleted still answers questions.
 */
import type { Registry } from "./port.ts";
import { type RegistryProblem, type RegistryProblemReason, registryProblem } from "./problem.ts";

/** Longer than any database here takes to give up by itself. */
const ANSWER_MS = 2_000;

/**
 * Probes when it is called, and once for all who ask meanwhile. An answer comes in `ANSWER_MS`. `onChange` hears of a problem
 * that was not there at the last answer, and of its end.
 */
export function createProbe(
  registry: Registry,
  onChange: (problem: RegistryProblem | null) => void,
): () => Promise<RegistryProblem | null> {
  let running: Promise<RegistryProblem | null> | null = null;
  let lastReason: RegistryProblemReason | null = null;

  async function probe(): Promise<RegistryProblem | null> {
    const problem = await within(ANSWER_MS, registry.probe());
    const reason = problem?.reason ?? null;
    if (reason !== lastReason) onChange(problem);
    lastReason = reason;
    running = null;
    return problem;
  }

  return () => {
    running ??= probe();
    return running;
  };
}

function within(ms: number, answer: Promise<RegistryProblem | null>): Promise<RegistryProblem | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, registryProblem("registry_down", "no answer in time"));
    void answer.then((problem) => {
      clearTimeout(timer);
      resolve(problem);
    });
  });
}
