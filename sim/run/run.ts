/** Runs a scenario: faults first, then the chosen core of the world heals and has to settle. */
import { edgeLimits } from "../../core/edge/limits.ts";
import { agentLimits, serverLimits } from "../../core/limits.ts";
import { Scene, type Site } from "../actors/scene.ts";
import { isAsExpected } from "../checkers/expectation.ts";
import { properties } from "../checkers/index.ts";
import { Faults, targetOf } from "../faults/index.ts";
import type { Property } from "../record/checker.ts";
import type { RunResult } from "../record/outcome.ts";
import type { Recorder } from "../record/recorder.ts";
import { type Fault, PROBES_FROM, type Scenario, type VisitOperation } from "../scenario/scenario.ts";
import { World } from "../world/world.ts";

export type RunOptions = {
  readonly trace?: Recorder | null;
  /** Stops after this many machine steps. */
  readonly stepsMax?: number;
  /** Keeps a word per step, to find where two runs part. */
  readonly checkpoints?: boolean;
  /** The properties to check; all of them where left out. */
  readonly properties?: readonly Property[];
};

/** An agent is connected again this long after the healing. A deployed one notices a lost connection later than ours. */
const RECONNECT_MS = { culvert: 35_000, moosicbox: 45_000 };
const PROBE_GAP_MS = 1_000;
/** The registry's rows are true again this long after the healing. */
const SETTLED_MS = 60_000;

export function run(scenario: Scenario, options: RunOptions = {}): RunResult {
  const { properties: wanted = properties, ...worldOptions } = options;
  const world = new World({ seed: scenario.seed, ...worldOptions }, wanted);
  world.watch.begun({
    scenario,
    serverLimits: { ...serverLimits, ...scenario.serverLimits },
    edgeLimits: { ...edgeLimits, ...scenario.edgeLimits },
    agentLimits: { ...agentLimits, ...scenario.agentLimits },
    targetOf,
  });
  const scene = new Scene(world, scenario);
  const faults = new Faults(scene);
  world.runUntil(scenario.faultyMs * 1000);
  if (!world.stopped) heal(scene, faults);
  world.runUntil((scenario.faultyMs + scenario.settleMs) * 1000);
  if (!world.stopped) world.end();
  if (!world.stopped) world.watch.finished(scene.finish());
  return resultOf(world, scene);
}

/** Faults on the core of the world end and what is dead there starts; the rest is cut off for good. */
function heal(scene: Scene, faults: Faults): void {
  const { world } = scene;
  world.trace?.line(world.nowUs, "HEAL", "the core of the world is healthy from here on");
  faults.heal((fault) => hitsCore(scene, fault));
  for (const node of scene.nodes) node.boot();
  scene.sites.forEach((site, index) => {
    if (site.spec.heals) {
      site.agent.boot();
      // One after the other: a run may have drawn a limit that all of them at once would reach.
      world.after((RECONNECT_MS[site.spec.agent] + index * PROBE_GAP_MS) * 1000, () =>
        scene.begin(probe(index)),
      );
    } else {
      cutOff(site);
    }
  });
  world.watch.healed();
  world.after(SETTLED_MS * 1000, () => world.watch.settled(scene.finish()));
}

function hitsCore(scene: Scene, fault: Fault): boolean {
  switch (targetOf(fault.kind)) {
    case "home":
      return scene.site(fault.target).spec.heals;
    case "visit": {
      const visit = scene.scenario.operations.find((operation) => operation.id === fault.target);
      return visit === undefined || scene.site(visit.home).spec.heals;
    }
    default:
      return true;
  }
}

function cutOff(site: Site): void {
  site.path.silences++;
  for (const connection of site.path.connections) {
    connection.lose("up");
    connection.lose("down");
  }
}

function probe(home: number): VisitOperation {
  return {
    kind: "visit",
    id: PROBES_FROM + home,
    atMs: 0,
    home,
    request: {
      endpoint: "tunnel",
      method: "GET",
      credential: "client",
      bodyBytes: 0,
      uploadPieceBytes: 0,
      range: null,
      blocking: false,
      acceptEncoding: "",
    },
    answer: {
      status: 200,
      contentType: "text/plain",
      bodyBytes: 100,
      declaresLength: true,
      chunkBytes: 100,
      headAfterUs: 0,
      chunkEveryUs: 0,
    },
    readBytesPerMs: 0,
    leaves: null,
  };
}

function resultOf(world: World, scene: Scene): RunResult {
  return {
    outcome: world.violations[0]?.kind ?? "passed",
    violations: world.violations,
    hash: world.hash.digest(),
    steps: world.steps,
    virtualMs: world.nowMs,
    faultCounts: world.faultCounts,
    sometimes: world.sometimesCounts,
    judgements: world.judgements,
    checkpoints: world.checkpoints,
    visits: scene.visits.length,
    visitsAsExpected: scene.visits.filter(isAsExpected).length,
  };
}
