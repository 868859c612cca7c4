/** How visits share connections, and how each speaks on its own: visits that come on others' follow soon after those. */
import { type EdgeLimits, edgeLimits } from "../../core/edge/limits.ts";
import type { ConnectionSpec, Operation, VisitOperation } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";

const KIB = 1024;
/** A visit follows one of so many that were drawn last for the same home. */
const HOSTS = 8;
/** What is long comes in no more than about so many pieces, or they are most of a run. */
const PIECES = 64;

/** The same operations, some of them at other times and on others' connections. */
export function drawConnections(
  random: Random,
  operations: readonly Operation[],
  faultyMs: number,
): Operation[] {
  /** By home, the latest last. */
  const hosts = new Map<number, VisitOperation[]>();
  const drawn = new Map<number, Operation>();
  for (const operation of operations) {
    drawn.set(operation.id, operation);
    if (operation.kind !== "visit") continue;
    const own = random.stream(`connection ${operation.id}`);
    const some = (hosts.get(operation.home) ?? []).slice(-HOSTS);
    const isFollower = own.chance(1, 2) && some.length > 0 && !isOfPair(operation);
    const visit = drawSpeech(own, isFollower ? follow(own, operation, own.pick(some), faultyMs) : operation);
    const { onto } = visit.connection ?? {};
    const host = onto === undefined ? undefined : drawn.get(onto);
    if (host?.kind === "visit") drawn.set(host.id, staying(own, host));
    drawn.set(visit.id, visit);
    hosts.set(visit.home, [...some, visit]);
  }
  return [...drawn.values()];
}

/** A magic token is stored some time before it is used. */
function isOfPair({ request }: VisitOperation): boolean {
  return request.endpoint.startsWith("magic_token");
}

function follow(
  random: Random,
  visit: VisitOperation,
  host: VisitOperation,
  faultyMs: number,
): VisitOperation {
  const isPipelined = random.chance(1, 2);
  const atMs = host.atMs + (isPipelined ? random.skewed(0, 500) : random.skewed(20, 4_000));
  if (atMs > faultyMs) return visit;
  const { id: onto } = host;
  return { ...visit, atMs, connection: isPipelined ? { onto, pipelined: true } : { onto } };
}

function staying(random: Random, host: VisitOperation): VisitOperation {
  const { closes, old: _, surplusBytes: __, ...kept } = host.connection ?? {};
  // Now and then somebody asks on although he said that he would not.
  const forgets = closes === true && random.chance(1, 3) ? { closes } : {};
  return {
    ...host,
    connection: { ...kept, ...forgets, staysMs: kept.staysMs ?? random.skewed(500, 30_000) },
  };
}

function drawSpeech(random: Random, visit: VisitOperation): VisitOperation {
  const { request } = visit;
  const sentBytes = request.bodyBytes + (hasLongHeader(visit) ? 12 * KIB : 0);
  const pieceBytesLeast = Math.ceil(sentBytes / PIECES);
  const isPlain = request.upgrade !== true && request.expects !== true && request.trailers !== true;
  const drawn: ConnectionSpec = {
    ...(random.chance(1, 6) ? { staysMs: random.skewed(500, 30_000) } : {}),
    ...(random.chance(1, 4) && request.upgrade !== true
      ? { pieceBytesMax: Math.max(pieceBytesLeast, random.skewed(2, 4 * KIB)) }
      : {}),
    ...(random.chance(1, 12) && isPlain ? { old: true } : {}),
    ...(random.chance(1, 12) ? { closes: true } : {}),
    ...(random.chance(1, 2) ? {} : leavingBy(visit, random.pick(["reset", "half"] as const))),
  };
  const surplus = random.stream("surplus");
  const isLast = drawn.closes === true && request.upgrade !== true;
  const more = isLast && surplus.chance(1, 4) ? { surplusBytes: surplus.skewed(1, 64 * KIB) } : {};
  const isInChunks = drawn.old !== true && isPlain && request.bodyBytes > 0 && random.chance(1, 3);
  const chunks = isInChunks ? { chunkBytesMax: Math.max(pieceBytesLeast, random.skewed(1, 64 * KIB)) } : {};
  const connection = { ...visit.connection, ...drawn, ...more, ...chunks };
  return Object.keys(connection).length === 0 ? visit : { ...visit, connection };
}

/** Who ends his side alone is still there: at a home that takes next to nothing he would be for long. */
function leavingBy({ answer }: VisitOperation, leavesBy: "reset" | "half"): ConnectionSpec {
  return leavesBy === "half" && answer.takesBytesPerMs === 1 ? {} : { leavesBy };
}

function hasLongHeader({ request }: VisitOperation): boolean {
  return request.quirks?.includes("long_header") === true;
}

/** Mostly met by strangers only; now and then by visitors whose home is not known yet. A few in a second go on at the least. */
function drawPace(random: Random): Pick<EdgeLimits, "addressUnservedMax" | "addressUnservedMs"> {
  const addressUnservedMax = random.chance(1, 4) ? random.skewed(5, 40) : random.between(40, 1_000);
  return { addressUnservedMax, addressUnservedMs: random.skewed(1, 150) };
}

/** Drawn short and small, so that a minute of virtual time and a few requests meet them all. */
export function drawEdgeLimits(random: Random, operations: readonly Operation[]): EdgeLimits {
  const isLong = operations.some((operation) => operation.kind === "visit" && hasLongHeader(operation));
  // Nothing else finds a visitor who has left an upload that stands still.
  const mayStand = operations.some((each) => each.kind === "visit" && each.answer.takesBytesPerMs === 1);
  const startsNone = random.stream("start").chance(1, 3) && !mayStand;
  const headBytesMax = isLong ? edgeLimits.headBytesMax : random.pick([2 * KIB, 4 * KIB, 16 * KIB]);
  return {
    ...edgeLimits,
    headBytesMax,
    headMs: random.between(2_000, 15_000),
    idleMs: random.between(3_000, 20_000),
    turnsMax: random.skewed(1, 16),
    // A whole head has to fit.
    readAheadBytes: headBytesMax + random.skewed(1, 48 * KIB),
    lookMs: random.between(200, 2_000),
    lookStepMs: random.between(50, 500),
    // With room for several looks at a time, mostly.
    lookBytes: random.between(128 * KIB, 512 * KIB),
    looksBytesTotal: random.between(1024 * KIB, 2048 * KIB),
    addressLooksBytes: 1024 * KIB,
    answerStartBytes: startsNone ? 0 : edgeLimits.answerStartBytes,
    ...drawPace(random.stream("pace")),
    restMs: random.between(1_000, 5_000),
    // Beyond what a simulated home takes to answer: who has ended his side of a WebSocket still gets its last words.
    lingerMs: random.between(10_000, 15_000),
  };
}
