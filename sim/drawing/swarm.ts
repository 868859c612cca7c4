/**
 * From a seed to a scenario. Each seed draws its own mixture: which kinds of fault exist at all and how common each is,
 * every limit and deadline, who is there and what they do. Mixtures with much of little find what an even mixture of
 * everything never does (Groce et al., Swarm Testing, 2012).
 */
import type { ServerLimits } from "../../core/limits.ts";
import { type FaultKind, faultKinds } from "../faults/index.ts";
import { PROXIES } from "../scenario/forwarding.ts";
import { PLAYER_ORIGIN } from "../scenario/quirks.ts";
import type {
  Fault,
  HomeSpec,
  Operation,
  PathSettings,
  Scenario,
  VisitOperation,
} from "../scenario/scenario.ts";
import { formatSeed, Random, type Seed } from "../tools/random.ts";
import { drawEdgeLimits } from "./connections.ts";
import { drawAgentLimits, drawServerLimits } from "./limits.ts";
import { drawLine, drawPath } from "./lines.ts";
import { drawOperations } from "./operations.ts";
import { drawRestarts, withMover } from "./restarts.ts";

/** How a seed mixes faults. */
export type Mixture = "none" | "one" | "everything" | "swarm" | "restarts";

/** How many nodes there are, and how often. */
const NODES = [
  [14, 1],
  [5, 2],
  [1, 3],
] as const;

/** Most that happens while nodes are restarted happens between nodes. */
const NODES_RESTARTED = [
  [4, 1],
  [4, 2],
  [2, 3],
] as const;

/** The world that is left has this long to settle: above any deadline that is drawn. */
const SETTLE_MS = 110_000;

/** `kinds` are those that may act; all of them unless told. */
export function scenarioOf(seed: Seed, kinds: readonly FaultKind[] = faultKinds): Scenario {
  const random = new Random(seed);
  const mixture = mixtureOf(seed);
  const faultyMs = drawFaultyMs(random.stream("duration"));
  const calm = mixture === "none";
  // Nobody but the restarts is in anybody's way, so that all that is seen is theirs.
  const easy = calm || mixture === "restarts";
  const shape = random.stream("shape");
  const nodes = shape.weighted(mixture === "restarts" ? NODES_RESTARTED : NODES);
  const drawn = drawHomes(random.stream("homes"), nodes, easy);
  const homes = mixture === "restarts" ? withMover(drawn) : drawn;
  const pathRouting = !random.stream("path routing").chance(1, 8);
  const ordinary = drawOperations(random.stream("operations"), { homes, faultyMs, calm: easy, pathRouting });
  const { operations, faults } =
    mixture === "restarts"
      ? addRestarts(random.stream("restarts"), ordinary, { homes, faultyMs })
      : {
          operations: ordinary,
          faults: drawFaults(random.stream("faults"), mixture, kinds, {
            homes,
            operations: ordinary,
            nodes,
            faultyMs,
          }),
        };
  const cluster = drawCluster(random.stream("cluster"), nodes, homes, operations);
  return {
    name: `seed ${formatSeed(seed)}`,
    seed,
    calm,
    faultyMs,
    settleMs: SETTLE_MS,
    nodes,
    serverLimits: {
      ...drawServerLimits(random.stream("server limits"), easy),
      ...(mixture === "restarts" ? drawPatience(random.stream("patience")) : {}),
    },
    agentLimits: drawAgentLimits(random.stream("agent limits"), easy),
    edgeLimits: drawEdgeLimits(random.stream("edge limits"), operations),
    registryLatencyUs: shape.skewed(200, 60_000),
    visitorPath: drawPath(random.stream("visitor path"), 0),
    ...(cluster === null ? {} : { peerPath: cluster.peerPath }),
    ...(random.stream("origins").chance(1, 4) ? { corsOrigins: [PLAYER_ORIGIN] } : {}),
    ...(random.stream("proxies").chance(1, 2) ? { trustedProxies: PROXIES } : {}),
    ...(pathRouting ? {} : { pathRouting }),
    homes: cluster?.homes ?? homes,
    operations: cluster?.operations ?? operations,
    faults,
    ...drawRegisterAgain(random.stream("register again"), homes, faults),
  };
}

/** Whether the nodes know each other; then a balancer leads visitors to any of them, and agents that keep several links. */
function drawCluster(
  random: Random,
  nodes: number,
  homes: readonly HomeSpec[],
  operations: readonly Operation[],
): (Pick<Scenario, "homes" | "operations"> & { readonly peerPath: PathSettings }) | null {
  if (nodes === 1 || !random.chance(2, 3)) return null;
  const latencyUs = random.skewed(50, 20_000);
  return {
    peerPath: {
      latencyUs,
      jitterUs: random.chance(1, 2) ? 0 : random.below(latencyUs),
      bytesPerMs: random.pick([20_000, 100_000]),
      windowBytes: random.pick([16_384, 65_536, 262_144]),
    },
    homes: homes.map((home, index) => {
      const own = random.stream(`links ${index}`);
      const mayHave = home.protocol === "native" || home.protocol === "auto";
      return mayHave && own.chance(2, 3) ? { ...home, links: own.pick([2, 2, 3]) } : home;
    }),
    operations: operations.map((operation) =>
      operation.kind === "visit" ? { ...operation, node: random.below(nodes) } : operation,
    ),
  };
}

/** In place of all other faults. */
function addRestarts(
  random: Random,
  ordinary: readonly Operation[],
  setting: Pick<Targets, "homes" | "faultyMs">,
): Pick<Scenario, "operations" | "faults"> {
  const lastId = ordinary.reduce((last, { id }) => Math.max(last, id), 0);
  const { faults, operations } = drawRestarts(random, setting, 2 * (Math.floor(lastId / 2) + 1));
  return { faults, operations: [...ordinary, ...operations] };
}

/** Who is asked to stop may take longer than a home is waited for. */
function drawPatience(random: Random): Partial<ServerLimits> {
  return { waitMs: 4_000, drainMs: random.between(4_000, 10_000) };
}

/** Where an agent has to register a client id that another agent may have come with, the operator has to let it. */
function drawRegisterAgain(
  random: Random,
  homes: readonly HomeSpec[],
  faults: readonly Fault[],
): Pick<Scenario, "registerAgain"> {
  const mustRegister = homes.some(({ registers, misfit }) => registers || misfit === "expired_client");
  const hasTwins = faults.some(({ kind }) => kind.endsWith("twin"));
  if (mustRegister) return hasTwins ? { registerAgain: "always" } : {};
  const drawn = random.weighted([
    [4, null],
    [1, "never"],
    [1, "always"],
  ] as const);
  return drawn === null ? {} : { registerAgain: drawn };
}

export function mixtureOf(seed: Seed): Mixture {
  return new Random(seed).stream("mixture").weighted([
    [5, "none"],
    [5, "one"],
    [5, "everything"],
    [80, "swarm"],
    [5, "restarts"],
  ]);
}

/** Most runs are short and dense; a few are long enough for sleeps, sweeps and leases. */
function drawFaultyMs(random: Random): number {
  return random.chance(1, 12) ? random.between(60_000, 300_000) : random.between(10_000, 40_000);
}

function drawHomes(random: Random, nodes: number, calm: boolean): HomeSpec[] {
  const count = random.weighted([
    [4, 1],
    [4, 2],
    [2, 3],
    [1, 5],
  ]);
  return Array.from({ length: count }, (_, index) => {
    const own = random.stream(`home ${index}`);
    const agent = own.chance(1, 2) ? "culvert" : "moosicbox";
    // The deployed queue; ours sends in order, and must survive the other as well.
    const protocol = drawProtocol(own.stream("protocol"), agent);
    // The native protocol needs its frames in the order in which they were sent, as any connection keeps them.
    const isFirst = protocol === null && (agent === "moosicbox" || own.chance(1, 2));
    const queue = isFirst ? "smaller_first" : "fifo";
    const packetBytes = own.pick([1_024, 2_048, 4_096, 16_384, 65_536]);
    return {
      clientId: `home${index}`,
      agent,
      queue,
      packetBytes,
      ...(protocol === null ? {} : { protocol }),
      ...(own.stream("name").chance(1, 3) ? { isNamed: true as const } : {}),
      ...(agent === "culvert" ? drawAccess(own.stream("access")) : {}),
      registers: agent === "culvert" && own.chance(1, 2),
      node: own.below(nodes),
      path: drawLine(own.stream("line"), drawPath(own, packetBytes), protocol !== null),
      ...(agent === "culvert" ? drawService(own.stream("service")) : {}),
      ...drawFate(own, agent, calm || index === 0),
    };
  });
}

/** Null for MoosicBox's. */
function drawProtocol(random: Random, agent: HomeSpec["agent"]): "native" | "auto" | null {
  return agent === "culvert" && random.chance(2, 3) ? random.pick(["native", "auto"] as const) : null;
}

function drawAccess(random: Random): Pick<HomeSpec, "access" | "hostHeader"> {
  return {
    ...(random.chance(1, 2) ? {} : { access: random.pick(["public", "basic"] as const) }),
    ...(random.chance(1, 2) ? {} : { hostHeader: random.pick(["visitor", "fixed"] as const) }),
  };
}

/** How near the home's service is, and how patient: idle connections are kept for longer than unsafe requests trust in. */
function drawService(random: Random): Pick<HomeSpec, "lan" | "idleMs"> {
  const latencyUs = random.skewed(20, 4_000);
  return {
    lan: {
      latencyUs,
      jitterUs: random.chance(1, 2) ? 0 : random.below(latencyUs),
      bytesPerMs: random.pick([20_000, 100_000]),
      windowBytes: random.pick([4_096, 65_536, 262_144]),
    },
    idleMs: random.pick([2_000, 3_000, 5_000, 75_000]),
  };
}

/** Whether the home is in the core of the world that heals; one whose agent was set up wrongly for good is not. */
function drawFate(
  random: Random,
  agent: HomeSpec["agent"],
  mustHeal: boolean,
): Pick<HomeSpec, "heals" | "misfit"> {
  const heals = mustHeal || random.chance(3, 4);
  if (agent === "moosicbox" || !random.chance(1, 8)) return { heals };
  if (heals) return { heals, misfit: "expired_client" };
  return { heals, misfit: random.pick(["no_access", "wrong_access", "expired_client_no_access"] as const) };
}

/** A fault that should meet a response begins up to so long after the request. */
const BEGINNING_MS = 1_000;

type Targets = {
  readonly homes: readonly HomeSpec[];
  readonly operations: readonly Operation[];
  readonly nodes: number;
  readonly faultyMs: number;
};

function drawFaults(
  random: Random,
  mixture: Mixture,
  kindsThatMay: readonly FaultKind[],
  targets: Targets,
): Fault[] {
  const choices: (readonly [number, FaultKind])[] = [];
  const kindsOfHere = kindsThatMay.filter(({ suits }) => suits === undefined || targets.homes.some(suits));
  for (const kind of kindsOfHere) {
    const own = random.stream(kind.name);
    if (mixture === "everything" || own.chance(1, 2)) choices.push([own.skewed(1, 16), kind]);
  }
  if (mixture === "none" || choices.length === 0) return [];
  const kinds =
    mixture === "everything"
      ? random.shuffled(kindsOfHere)
      : Array.from({ length: random.between(1, 30) }, () => random.weighted(choices));
  const only = random.pick(kindsOfHere);
  const drawn = kinds.map((kind, id) => drawFault(random, mixture === "one" ? only : kind, id, targets));
  return drawn.filter((fault) => fault !== null);
}

/** One fault of that kind; null where nothing in the scenario could be its target. */
function drawFault(
  random: Random,
  kind: FaultKind,
  id: number,
  { homes, operations, nodes, faultyMs }: Targets,
): Fault | null {
  const own = random.stream(`${kind.name} ${id}`);
  const parameters = kind.draw(own);
  const lasts = drawLasts(own, kind);
  let fromMs = own.below(faultyMs);
  let target = 0;
  if (kind.target === "home") {
    const { suits = () => true } = kind;
    target = own.pick([...homes.entries()].filter(([, home]) => suits(home)))[0];
    const there = operations.filter(({ home }) => home === target);
    // Mostly there when something begins, or it would meet nothing.
    if (there.length > 0 && own.chance(3, 4)) {
      const { atMs } = drawToMeet(own, there, bytesOf);
      fromMs = Math.max(0, atMs + own.skewed(0, BEGINNING_MS) - own.below(lasts + 1));
    }
  }
  if (kind.target === "node") target = own.below(nodes);
  if (kind.target === "visit") {
    const visit = drawVisitToMeet(own, kind, operations);
    if (visit === null) return null;
    target = visit.id;
    // Soon after the visit began, or with it, or a visitor's fault would meet nobody.
    fromMs = kind.ofUploads ? visit.atMs - 1 : visit.atMs + own.skewed(0, 3_000);
  }
  return { id, kind: kind.name, fromMs, toMs: fromMs + lasts, target, parameters };
}

function drawVisitToMeet(
  random: Random,
  { ofUploads }: FaultKind,
  operations: readonly Operation[],
): VisitOperation | null {
  const visits = operations.filter((operation) => operation.kind === "visit");
  const toMeet = ({ request, answer }: VisitOperation) => (ofUploads ? request.bodyBytes : answer.bodyBytes);
  const some = ofUploads ? visits.filter((visit) => toMeet(visit) > 0) : visits;
  return some.length === 0 ? null : drawToMeet(random, some, toMeet);
}

function bytesOf(operation: Operation): number {
  return operation.kind === "visit" ? operation.request.bodyBytes + operation.answer.bodyBytes : 0;
}

/** Half of the time one with a long body: there is more of it to be disturbed. */
function drawToMeet<Met extends Operation>(
  random: Random,
  some: readonly Met[],
  bytes: (operation: Met) => number,
): Met {
  const met = Array.from({ length: random.pick([1, 4]) }, () => random.pick(some));
  return met.reduce((a, b) => (bytes(a) >= bytes(b) ? a : b));
}

/** Half of them short, so that what they break is mended soon; half long enough to meet a lot. */
function drawLasts(random: Random, { lastsMs }: FaultKind): number {
  if (lastsMs === null) return 0;
  return random.chance(1, 2) ? random.skewed(...lastsMs) : random.between(...lastsMs);
}
