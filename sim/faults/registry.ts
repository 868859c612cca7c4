/** What databases do: be gone, be slow, say nothing, fail before or after the commit, forget, read old rows. */
import type { RegistryOperation } from "../../core/registry.ts";
import type { Interference } from "../actors/registry.ts";
import type { Random } from "../tools/random.ts";
import type { FaultContext, FaultKind } from "./fault.ts";
import { drawPermille } from "./network.ts";

type Draw = (random: Random) => Readonly<Record<string, number>>;

const share: Draw = (random) => ({ permille: drawPermille(random) });
const always: Draw = () => ({ permille: 1000 });

export const registryFaults: readonly FaultKind[] = [
  registryFault("registry_down", always, () => ({ failBefore: "unavailable" })),
  registryFault("registry_flaky", share, () => ({ failBefore: "unavailable" })),
  registryFault("registry_slow", share, (random) => ({
    delayUs: random.below(4_000_000),
    answerDelayUs: random.below(500_000),
  })),
  registryFault("registry_hangs", share, () => ({ hangs: true })),
  // The answer comes when the node has given the call up, or has made it anew.
  registryFault("registry_answers_late", share, (random) => ({
    answerDelayUs: 2_000_000 + random.below(15_000_000),
  })),
  // The change itself is made late, long after the node gave the call up.
  registryFault("registry_commits_late", share, (random) => ({
    delayUs: 2_000_000 + random.below(15_000_000),
  })),
  registryFault("registry_error_before_commit", share, () => ({ failBefore: "unknown" })),
  registryFault("registry_commit_then_error", share, () => ({ failAfter: "unknown" })),
  registryFault("registry_loses_write", share, () => ({ losesWrite: true })),
  registryFault("registry_reads_stale", share, () => ({ readsStale: true })),
  registryFault("registry_deadlock", share, () => ({ failBefore: "unavailable", delayUs: 50_000 })),
  registryFault("registry_swaps_answers", share, () => ({ swaps: true })),
  registryFault("registry_read_only", always, () => ({ failBefore: "refused" }), isWrite),
];

function registryFault(
  name: string,
  draw: Draw,
  interfere: (random: Random) => Omit<Interference, "kind">,
  concerns: (operation: string) => boolean = () => true,
): FaultKind {
  return {
    name,
    target: "world",
    lastsMs: [100, 15_000],
    draw,
    begin: (context) => {
      const { interferers } = context.scene.registry;
      const permille = context.parameter("permille");
      // One stream for each sort of call: nobody else's calls change what it meets.
      const streams = new Map<string, Random>();
      const interferer = (operation: RegistryOperation, node: string): Interference | null => {
        if (!concerns(operation.type)) return null;
        const sort = `${node}:${operation.type}:${"clientId" in operation ? operation.clientId : ""}`;
        const random = streams.get(sort) ?? context.random.stream(sort);
        streams.set(sort, random);
        if (!random.chance(permille, 1000)) return null;
        const drawn = { kind: name, ...interfere(random) };
        // No change is made late in the world that has healed.
        return { ...drawn, delayUs: Math.min(drawn.delayUs ?? 0, untilHealedUs(context)) };
      };
      interferers.add(interferer);
      return () => {
        interferers.delete(interferer);
      };
    },
  };
}

function untilHealedUs({ world, scene }: FaultContext): number {
  return Math.max(0, scene.scenario.faultyMs * 1000 - world.nowUs);
}

function isWrite(operation: string): boolean {
  return !READS.has(operation);
}

const READS: ReadonlySet<string> = new Set([
  "check_token",
  "check_tokens",
  "check_visitor",
  "find_magic_token",
  "list_visitor_tokens",
  "recall_home",
]);
