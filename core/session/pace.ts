/**
 * How much may be under way on a socket: given to it, and not known to have arrived. What is in the kernel's buffer, or in the
 * queue of somebody's router, cannot be overtaken any more, so no more goes there than the link needs to stay busy. The rest
 * waits in the session, where something small goes first.
 *
 * Pings between the pieces are the marks of a measuring tape: the pong of one says that all before it has arrived
 * (`../wire/native.md`, Flow control). From each come a round trip and a rate of delivery. The most of the rates and the least of the round
 * trips of late are the link's own; their product is what fills it. A little more is let go, so that the link never runs
 * dry and shows it when it has become faster. This is the model of BBR (draft-ietf-ccwg-bbr), with a window alone:
 *
 *   starting --> steady <--> draining
 *
 * - starting: twice and a half as much in each round, as TCP itself begins, until the rate does not follow any more.
 * - steady: the product and a fourth, or `SLACK_MS`, whichever is more.
 * - draining: a round every now and then with less than the product. Queues of our own are empty then, and the round trip
 *   is the link's. One that is much longer than that known says that the way has changed, or that others fill the queue:
 *   it counts at once, and all starts anew.
 *
 * A rate that was held down by what there was to send counts only where it raises the estimate.
 */
import { assert } from "../assert.ts";
import { clearQueue, createQueue, dequeue, enqueue, type Queue, queueItem, queueLength } from "../queue.ts";

export type Pace = {
  phase: "starting" | "steady" | "draining";
  /** What may be under way before no further piece goes out. */
  limitBytes: number;
  /** All that was given to the socket, of it what is known to have arrived, and what the newest mark stands behind. */
  givenBytes: number;
  arrivedBytes: number;
  markedBytes: number;
  givenMs: number;
  /** Where the next rate is measured from: all that was given by then is known to have arrived, or was never marked. */
  fromBytes: number;
  fromMs: number;
  /** Up to this of `givenBytes` there was too little to send for the rate to be the link's. */
  hungryBytes: number;
  /** Marks whose pong has not come, the oldest first. */
  readonly marks: Queue<Mark>;
  /** Bytes per millisecond: the most of these rounds and of those before them. */
  readonly rate: Extreme;
  /** Milliseconds: the least of this cycle and of the one before. */
  readonly trip: Extreme;
  /** A round ends when what is given from now on arrives: at this of `givenBytes`. */
  roundEndBytes: number;
  /** Rounds that the rates of now are from, and those since the last draining. */
  rateRounds: number;
  cycleRounds: number;
  cycleMs: number;
  /** While starting: the best rate, and for how many rounds it has not grown. */
  startRate: number;
  startRounds: number;
  /** When a round trip was last not far longer than what may be under way explains. */
  timelyMs: number;
  /** What is under way was lowered so many times; while draining the round trip after the last, and how many came late. */
  drainStep: number;
  drainedTripMs: number;
  drainedMarks: number;
  /** What the bare round trip was known to be when draining began. */
  bareMs: number;
};

type Mark = {
  readonly number: number;
  readonly givenBytes: number;
  readonly givenMs: number;
  /** What was known when it was made. */
  readonly arrivedBytes: number;
  readonly fromBytes: number;
  readonly fromMs: number;
  /** There was enough to send. */
  readonly isFull: boolean;
  /** Of the draining in which it stands behind no more than `limitBytes` and a piece; otherwise 0. */
  readonly drainStep: number;
};

type Extreme = { now: number; before: number };

export function createPace(): Pace {
  return {
    phase: "starting",
    limitBytes: FIRST_BYTES,
    givenBytes: 0,
    arrivedBytes: 0,
    markedBytes: 0,
    givenMs: 0,
    fromBytes: 0,
    fromMs: 0,
    hungryBytes: 0,
    marks: createQueue(),
    rate: { now: 0, before: 0 },
    trip: { now: UNKNOWN, before: UNKNOWN },
    roundEndBytes: 0,
    rateRounds: 0,
    cycleRounds: 0,
    cycleMs: 0,
    startRate: 0,
    startRounds: 0,
    timelyMs: 0,
    drainStep: 0,
    drainedTripMs: UNKNOWN,
    drainedMarks: 0,
    bareMs: UNKNOWN,
  };
}

/** Bytes that were given to the socket and are not known to have arrived. */
export function underWayBytes({ givenBytes, arrivedBytes }: Pace): number {
  return givenBytes - arrivedBytes;
}

/** Whether a further piece may go out. */
export function mayGive(pace: Pace): boolean {
  return underWayBytes(pace) < pace.limitBytes;
}

/** So much body a piece may have: what the link carries in some milliseconds, since nothing overtakes what is inside of one. */
export function paceBytes({ limitBytes }: Pace): number {
  return Math.max(PIECE_BYTES_MIN, Math.floor(limitBytes / PARTS));
}

/** Whether a mark is due behind what was given. */
export function wantsMark({ givenBytes, markedBytes, limitBytes }: Pace): boolean {
  return givenBytes - markedBytes >= Math.min(MARK_BYTES_MAX, limitBytes / PARTS);
}

/** Whether something is under way and no pong will tell of it. */
export function isUnmarked({ marks, givenBytes, arrivedBytes }: Pace): boolean {
  return queueLength(marks) === 0 && givenBytes > arrivedBytes;
}

export function give(pace: Pace, bytes: number, nowMs: number): void {
  const sinceMs = nowMs - pace.givenMs;
  if (queueLength(pace.marks) === 0) {
    if (sinceMs >= IDLE_MS && pace.givenBytes > 0) forget(pace);
    // Time without anything to wait for is not the link's, nor what went out in it.
    pace.fromBytes = pace.givenBytes;
    pace.fromMs = nowMs;
    pace.timelyMs = nowMs;
  }
  pace.givenBytes += bytes;
  pace.givenMs = nowMs;
}

/** A mark of that number stands behind all that was given. Numbers grow. */
export function mark(pace: Pace, number: number, nowMs: number): void {
  const last = queueItem(pace.marks, queueLength(pace.marks) - 1);
  assert(last === undefined || last.number < number, "a mark has the number of an older one");
  const { phase, givenBytes, hungryBytes, arrivedBytes, fromBytes, fromMs } = pace;
  const isFull = arrivedBytes > hungryBytes;
  const isDrained = phase === "draining" && pace.markedBytes - arrivedBytes < pace.limitBytes;
  const drainStep = isDrained ? pace.drainStep : 0;
  const known = { arrivedBytes, fromBytes, fromMs };
  enqueue(pace.marks, { number, givenBytes, givenMs: nowMs, ...known, isFull, drainStep });
  pace.markedBytes = givenBytes;
}

export function starve(pace: Pace): void {
  pace.hungryBytes = pace.givenBytes;
}

/** The pong of that mark came, which answers those before it as well; one that came already does nothing. */
export function arrive(pace: Pace, number: number, nowMs: number): void {
  let reached: Mark | undefined;
  for (let next = queueItem(pace.marks, 0); next !== undefined; next = queueItem(pace.marks, 0)) {
    if (next.number > number) break;
    reached = dequeue(pace.marks);
  }
  if (reached === undefined) return;
  pace.arrivedBytes = reached.givenBytes;
  const tripMs = Math.max(1, nowMs - reached.givenMs);
  pace.trip.now = Math.min(pace.trip.now, tripMs);
  const rate = (reached.givenBytes - reached.fromBytes) / Math.max(1, nowMs - reached.fromMs);
  pace.fromBytes = reached.givenBytes;
  pace.fromMs = nowMs;
  // Where a queue stands before much of what may go, it is the link's, whether there was more to send or not.
  const isMuch = (reached.givenBytes - reached.fromBytes) * 2 >= pace.limitBytes;
  const isFull = reached.isFull || (isMuch && tripMs > bareTripMs(pace) + slackMs(pace));
  if (isFull || rate > linkRate(pace)) pace.rate.now = Math.max(pace.rate.now, rate);
  if (reached.arrivedBytes >= pace.roundEndBytes) endRound(pace, isFull);
  if (isFast(pace, tripMs, rate, nowMs)) {
    pace.phase = "steady";
    pace.limitBytes = Number.POSITIVE_INFINITY;
    return;
  }
  if (pace.phase === "draining" && isFull && reached.drainStep === pace.drainStep)
    proceedDraining(pace, tripMs, rate, nowMs);
  proceed(pace, tripMs, rate, nowMs);
  if (pace.phase !== "draining") pace.limitBytes = limitOf(pace);
}

/** Before anything is known: some windows of a TCP connection that begins, and a moment of a slow link. */
const FIRST_BYTES = 64 * 1024;
/** Less would stand still between two pongs. */
const LIMIT_BYTES_MIN = 4 * 1024;
const PIECE_BYTES_MIN = 1024;
/** Pieces and marks of a window. */
const PARTS = 8;
/** On a fast link they need not be close, and each costs both ends a frame. */
const MARK_BYTES_MAX = 1024 * 1024;

/**
 * 400 Mbit/s: the kernel's buffer for a connection, some megabytes, is empty again in some tens of milliseconds, and what is late
 * there is more often a busy machine than a queue. Such a link is measured, and not held back.
 */
const FAST_BYTES_PER_MS = 50_000;
/** Beyond this, and for as long again, it is not. */
const FAST_LATE_MS = 100;

/** Above the product: whatever is late by less than this on a busy machine does not leave the link idle. */
const SLACK_MS = 15;
const SLACK_PART = 0.25;
const START_GAIN = 2.5;
const DRAIN_GAIN = 0.8;
/** A rate that grew by less than this in so many rounds is the link's. */
const START_GROWTH = 1.25;
const START_ROUNDS = 3;
/** A rate is remembered for as many rounds to twice that. */
const RATE_ROUNDS = 4;
const CYCLE_ROUNDS = 12;
const CYCLE_MS = 2_000;
/** Later than what may be under way explains, for as long as a round trip: something has changed. */
const LATE_GAIN = 1.5;
/** Up to this above the bare round trip no queue was before a mark. */
const DRAINED_GAIN = 1.25;
const DRAINED_MS = 5;
/** A queue of our own makes the round trip shorter than this where half of it is gone. */
const SHORTER_GAIN = 0.85;
/** Who was silent for so long may be elsewhere. */
const IDLE_MS = 10_000;
const UNKNOWN = Number.POSITIVE_INFINITY;

const linkRate = ({ rate }: Pace): number => Math.max(rate.now, rate.before);
const bareTripMs = ({ trip }: Pace): number => Math.min(trip.now, trip.before);

function slackMs(pace: Pace): number {
  return Math.max(SLACK_MS, bareTripMs(pace) * SLACK_PART);
}

function limitOf(pace: Pace): number {
  const product = linkRate(pace) * bareTripMs(pace);
  const bytes = product + linkRate(pace) * slackMs(pace);
  if (pace.phase === "starting") return Math.max(pace.limitBytes, bytes, product * START_GAIN);
  return Math.max(LIMIT_BYTES_MIN, bytes);
}

function endRound(pace: Pace, isFull: boolean): void {
  pace.roundEndBytes = pace.givenBytes;
  if (!isFull) return;
  pace.cycleRounds++;
  if (pace.phase === "starting") {
    if (linkRate(pace) >= pace.startRate * START_GROWTH) {
      pace.startRate = linkRate(pace);
      pace.startRounds = 0;
    } else pace.startRounds++;
  }
  if (++pace.rateRounds < RATE_ROUNDS) return;
  pace.rateRounds = 0;
  pace.rate.before = pace.rate.now;
  pace.rate.now = 0;
}

/** What comes late on a link that was fast says how fast it is now. */
function isFast(pace: Pace, tripMs: number, rate: number, nowMs: number): boolean {
  if (linkRate(pace) < FAST_BYTES_PER_MS) return false;
  const expectedMs = bareTripMs(pace) + slackMs(pace) + FAST_LATE_MS;
  if (tripMs <= expectedMs) pace.timelyMs = nowMs;
  if (nowMs > pace.timelyMs + expectedMs) {
    pace.rate.before = 0;
    pace.rate.now = rate;
    pace.timelyMs = nowMs;
  }
  return linkRate(pace) >= FAST_BYTES_PER_MS;
}

function proceed(pace: Pace, tripMs: number, rate: number, nowMs: number): void {
  if (pace.phase === "draining") return;
  const expectedMs = bareTripMs(pace) + slackMs(pace);
  if (tripMs <= expectedMs * LATE_GAIN) pace.timelyMs = nowMs;
  const isLate = nowMs > pace.timelyMs + expectedMs;
  const isDue = pace.phase === "starting" ? pace.startRounds >= START_ROUNDS : isCycleOver(pace, nowMs);
  if (isDue || isLate) drain(pace, rate);
}

function isCycleOver({ cycleRounds, cycleMs }: Pace, nowMs: number): boolean {
  return cycleRounds >= CYCLE_ROUNDS && nowMs >= cycleMs + CYCLE_MS;
}

/** `rate`: the newest. The most of late may be from a moment in which what had waited came at once. */
function drain(pace: Pace, rate: number): void {
  const most = linkRate(pace);
  pace.bareMs = bareTripMs(pace);
  const product = Math.min(most, Math.max(rate, most / 2)) * pace.bareMs;
  pace.phase = "draining";
  pace.drainStep++;
  pace.drainedTripMs = UNKNOWN;
  pace.drainedMarks = 0;
  pace.limitBytes = Math.max(LIMIT_BYTES_MIN, Math.min(pace.limitBytes, product * DRAIN_GAIN));
}

/**
 * A round trip behind so little that no queue should have been before it. Where it is longer than was known, the link has become
 * slower, and the queue is ours, or the way has become longer, or the queue is that of others; where it is shorter, what was
 * known had a queue in it. Half as much makes it shorter again, or all of it is the way's.
 */
function proceedDraining(pace: Pace, tripMs: number, rate: number, nowMs: number): void {
  const isLonger = tripMs > pace.bareMs * DRAINED_GAIN + DRAINED_MS;
  // One may be late by chance. Where a window's worth is, it is the link.
  if (isLonger && ++pace.drainedMarks < PARTS) return;
  pace.drainedMarks = 0;
  const isFirst = pace.drainedTripMs === UNKNOWN;
  const isShorter = tripMs < (isFirst ? pace.bareMs : pace.drainedTripMs) * SHORTER_GAIN;
  if (isFirst && isLonger) {
    // The way's own, until there is a better one.
    pace.rate.before = 0;
    pace.rate.now = rate;
  }
  if (pace.limitBytes > LIMIT_BYTES_MIN && (isFirst ? isLonger || isShorter : isShorter)) {
    pace.drainedTripMs = tripMs;
    pace.drainStep++;
    pace.limitBytes = Math.max(LIMIT_BYTES_MIN, pace.limitBytes / 2);
    return;
  }
  endDraining(pace, tripMs, nowMs);
  if (!isLonger) return;
  pace.trip.before = tripMs;
  start(pace);
}

function endDraining(pace: Pace, tripMs: number, nowMs: number): void {
  pace.trip.before = pace.trip.now;
  pace.trip.now = tripMs;
  Object.assign(pace, { phase: "steady", cycleRounds: 0, cycleMs: nowMs, timelyMs: nowMs });
}

function start(pace: Pace): void {
  Object.assign(pace, { phase: "starting", startRate: 0, startRounds: 0 });
}

function forget(pace: Pace): void {
  start(pace);
  Object.assign(pace.rate, { now: 0, before: 0 });
  Object.assign(pace.trip, { now: UNKNOWN, before: UNKNOWN });
  pace.limitBytes = FIRST_BYTES;
}

export function resetPace(pace: Pace): void {
  clearQueue(pace.marks);
  Object.assign(pace, { ...createPace(), marks: pace.marks });
}
