/** What the command line prints: a failure with the command that repeats it, and the numbers of a run. */
import { faultKinds } from "../faults/index.ts";
import type { Trial, Verdict } from "../record/outcome.ts";
import type { Scenario } from "../scenario/scenario.ts";
import type { Tally } from "./tally.ts";
import { redact } from "./trace.ts";

/** The exit code tells what kind of failure it was. */
export const EXIT_CODES: Readonly<Record<Verdict, number>> = {
  passed: 0,
  safety: 2,
  liveness: 3,
  nondeterminism: 4,
  crash: 5,
};

const LINES_MAX = 40;
const MESSAGE_LINES_MAX = 20;

export type Repeat = {
  /** The flag that names what failed: `--seed 42` or `--replay FILE`. */
  readonly flag: string;
  /** Empty where there is no repository. */
  readonly commit: string;
  /** A small scenario is shown whole. */
  readonly shrunk?: { readonly scenario: Scenario; readonly runs: number };
};

/** At most 40 lines: what broke, the command that repeats it, and where it happened. */
export function formatFailure(trial: Trial, { flag, commit, shrunk }: Repeat): string {
  const message = redact(trial.message).split("\n").slice(0, MESSAGE_LINES_MAX);
  const faults = JSON.stringify(Object.fromEntries(trial.faultCounts));
  const where = [trial.name.replace("seed ", "seed="), `step=${trial.step}`, `now=${trial.atMs}ms`];
  const lines = [
    `FAIL ${trial.what}: ${message.join("\n")}`,
    `replay: npm run sim -- ${flag}${lookCloser(trial)}`,
    [...where, ...(commit === "" ? [] : [`commit=${commit}`]), `faults=${faults}`].join(" "),
    ...(shrunk === undefined ? [] : formatShrunk(shrunk)),
  ];
  return lines.join("\n").split("\n").slice(0, LINES_MAX).join("\n");
}

function lookCloser({ verdict, step }: Trial): string {
  if (verdict === "nondeterminism") return " --doublecheck";
  return step === 0 ? "" : ` --until ${step} --trace`;
}

function formatShrunk({ scenario, runs }: { readonly scenario: Scenario; readonly runs: number }): string[] {
  const { homes, operations, faults } = scenario;
  return [
    `shrunk    ${homes.length} homes, ${operations.length} operations, ${faults.length} faults, after ${runs} runs`,
    ...faults.map(formatFault),
    ...operations.map((operation) => `operation ${JSON.stringify(operation)}`),
    ...homes.map((home) => `home      ${JSON.stringify(home)}`),
    `server    ${JSON.stringify(scenario.serverLimits)}`,
    `edge      ${JSON.stringify(scenario.edgeLimits ?? {})}`,
    `agents    ${JSON.stringify(scenario.agentLimits)}`,
  ];
}

function formatFault({ kind, fromMs, toMs, target, parameters }: Scenario["faults"][number]): string {
  return `fault     ${kind} at ${fromMs}-${toMs} ms on ${target} ${JSON.stringify(parameters)}`;
}

/** Every option that the seed drew, one per line. */
export function formatScenario(scenario: Scenario): string {
  const { nodes, homes, operations, faults, faultyMs, settleMs } = scenario;
  return [
    `${scenario.name}: ${nodes} nodes, ${homes.length} homes, ${operations.length} operations, ${faults.length} faults`,
    `time      ${faultyMs} ms of faults, ${settleMs} ms to settle`,
    ...homes.map((home) => `home      ${JSON.stringify(home)}`),
    `visitors  ${JSON.stringify(scenario.visitorPath)}`,
    `server    ${JSON.stringify(scenario.serverLimits)}`,
    `edge      ${JSON.stringify(scenario.edgeLimits ?? {})}`,
    `agents    ${JSON.stringify(scenario.agentLimits)}`,
    ...faults.map(formatFault),
  ].join("\n");
}

export function formatTrial(trial: Trial): string {
  const { hash, steps, virtualMs, visits, visitsAsExpected } = trial;
  return `hash ${hash}  ${steps} core events, ${seconds(virtualMs)} virtual seconds, ${visitsAsExpected} of ${visits} visits as without faults`;
}

export function formatTally(tally: Tally, elapsedMs: number): string {
  const perSecond = (amount: number) => Math.round((amount * 1000) / Math.max(1, tally.cpuMs));
  const share = Math.floor((tally.visitsAsExpected * 100) / Math.max(1, tally.visits));
  const silent = faultKinds.filter((kind) => !tally.faultCounts.has(kind.name)).map((kind) => kind.name);
  return [
    `${tally.seeds} seeds in ${seconds(elapsedMs)} s, ${tally.failures.length} failed, ${tally.faultFreeSeeds} without faults`,
    `${tally.steps} core events, ${perSecond(tally.steps)} per second and core`,
    `${seconds(tally.virtualMs)} virtual seconds, ${Math.round(perSecond(tally.virtualMs) / 1000)} per second and core`,
    `${tally.visits} visits, ${share} % as without faults`,
    `${tally.faultCounts.size} of ${faultKinds.length} kinds of fault fired${silent.length > 0 ? `; never: ${silent.join(", ")}` : ""}`,
    `${tally.sometimes.size} marks reached`,
  ].join("\n");
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
