/**
 * What all windows of a tunnel and direction may come to together (`../wire/native.md`, Flow control).
 *
 *   newcomer --> reader
 *      ^           ^          each flows, or stands still
 *      v           v
 *    still       still
 *
 * What is promised is not what is held. A body flows while something of it came or was passed on a moment ago. It counts what
 * it makes use of: its window when it begins and when it grows, later what came in a period, or is held. One that stands still
 * counts what is held for its owner: nothing for an idle event stream, the window for a download that nobody reads. A promise
 * cannot be taken back. One that is used again counts again, and where that is more than there is, nothing grows and what has
 * grown shrinks until it fits.
 *
 * Somebody who reads nothing looks like a reader until the buffers on the way to him are full. So all newcomers together have
 * a pool that is small beside the whole, in equal shares for those that make use of it: what a crowd leaves standing when it
 * stops is about that pool, and makes it smaller only where much stands already. Who has taken more than such buffers hold is
 * a reader, and shares the whole with what stands; a part of it is for readers alone. Each leaves something for the next, and
 * the least window counts nothing: everybody has it.
 */
import { countedBytes, type ReceiveHalf, type Session } from "./state.ts";

/** A body begins to be received. */
export function joinBudget(session: Session, receive: ReceiveHalf): void {
  flow(session, receive, receive.windowBytes);
}

/** The body is over: nothing more comes, and what is held is passed on or dropped by its owner. */
export function leaveBudget(session: Session, receive: ReceiveHalf): void {
  if (receive.flowAt !== STILL) stand(session, receive);
  session.counted[receive.countedAs] -= receive.countedBytes;
  receive.countedBytes = 0;
  setBusy(session, receive, false);
}

/** Some of the body came or was passed on. */
export function move(session: Session, receive: ReceiveHalf): void {
  if (receive.flowAt === STILL) return flow(session, receive, receive.receivedBytes - receive.consumedBytes);
  receive.movedIn = session.period;
  if (receive.countedAs === "newcomers" && isReader(session, receive)) count(session, receive);
}

/** To be called where time may have passed: what did not move for a whole period stands still. */
export function passTime(session: Session, nowMs: number): void {
  if (nowMs < session.periodEndMs) return;
  // Where nobody looked for longer, what moved in the last period did so long ago.
  const kept = nowMs < session.periodEndMs + PERIOD_MS ? session.period : session.period + 1;
  const { flowing } = session;
  for (let at = flowing.length - 1; at >= 0; at--) {
    const receive = flowing[at];
    if (receive === undefined) continue;
    if (receive.movedIn < kept) stand(session, receive);
    else if (receive.flowsFrom < session.period) measureUse(receive);
    count(session, receive);
  }
  session.period++;
  session.periodEndMs = nowMs + PERIOD_MS;
}

/** What a new body may come up to at first. */
export function firstWindow(session: Session): number {
  const { windowBytes, windowBytesMin } = session.limits;
  const left = poolOfNewcomers(session) - session.counted.newcomers;
  if (left <= 0) return windowBytesMin;
  return Math.min(windowBytes, windowBytesMin + Math.floor(left / FIRST_SHARE));
}

/** By how much a window may grow now. */
export function roomToGrow(session: Session, receive: ReceiveHalf): number {
  const { windowBytesMax } = session.limits;
  const { windowBytes } = receive;
  const room = isReader(session, receive) ? roomOfReader(session, receive) : roomOfNewcomer(session, receive);
  return Math.max(0, Math.min(Math.floor(room), windowBytesMax - windowBytes, windowBytes));
}

/** Makes the window larger, or smaller. */
export function resizeWindow(session: Session, receive: ReceiveHalf, bytes: number): void {
  receive.windowBytes = bytes;
  receive.usedBytes = bytes;
  count(session, receive);
}

/** What a body counts that goes on. */
export function partOf({ limits }: Session, receive: ReceiveHalf): number {
  const { flowAt, windowBytes, usedBytes, consumedBytes, receivedBytes } = receive;
  const bytes = flowAt === STILL ? receivedBytes - consumedBytes : Math.min(windowBytes, usedBytes);
  return Math.max(0, bytes - limits.windowBytesMin);
}

/** Whether more is used at once than there is, because promises of before were taken up. */
export function isOverdrawn(session: Session): boolean {
  return countedBytes(session) > session.limits.tunnelWindowBytes * (1 + NEWCOMERS_PART);
}

/** Longer than most round trips, and than the turns of some hundred bodies on a tunnel take. */
const PERIOD_MS = 500;

/** Of `tunnelWindowBytes`: what newcomers have together, and what may stand still before they have nothing. */
const NEWCOMERS_PART = 0.125;
const STILL_PART = 0.75;

/** What readers have together however much stands still. */
const READERS_PART = 0.25;

/** Of what may still come to stand: when some of a crowd have stopped, the others take the pool again, wave after wave. */
const WAVE_PART = 0.25;

/** A first window is so small a part of what is left that the parts of a page all begin alike. */
const FIRST_SHARE = 8;

/** In place of a place among those that flow. */
export const STILL = -1;

function poolOfNewcomers({ limits, counted }: Session): number {
  const whole = limits.tunnelWindowBytes;
  return Math.min(whole * NEWCOMERS_PART, (whole * STILL_PART - counted.still) * WAVE_PART);
}

/** Up to an equal share of the pool, and half of what is left. */
function roomOfNewcomer(session: Session, { windowBytes, countedBytes }: ReceiveHalf): number {
  const pool = poolOfNewcomers(session);
  const left = pool - session.counted.newcomers + countedBytes;
  return Math.min(left / 2, pool / Math.max(1, session.busy)) - windowBytes;
}

/** Up to two thirds of what the others leave. */
function roomOfReader({ limits, counted }: Session, { windowBytes, countedBytes }: ReceiveHalf): number {
  const whole = limits.tunnelWindowBytes;
  const left = Math.max(whole - counted.still, whole * READERS_PART) - counted.readers + countedBytes;
  return (left * 2) / 3 - windowBytes;
}

function isReader({ limits }: Session, receive: ReceiveHalf): boolean {
  return receive.consumedBytes >= limits.readerBytes;
}

function count(session: Session, receive: ReceiveHalf): void {
  session.counted[receive.countedAs] -= receive.countedBytes;
  const isStill = receive.flowAt === STILL;
  receive.countedAs = isStill ? "still" : isReader(session, receive) ? "readers" : "newcomers";
  receive.countedBytes = partOf(session, receive);
  session.counted[receive.countedAs] += receive.countedBytes;
  const isNewcomer = receive.countedAs === "newcomers";
  setBusy(session, receive, isNewcomer && receive.usedBytes >= session.limits.windowBytesMin);
}

function setBusy(session: Session, receive: ReceiveHalf, isBusy: boolean): void {
  if (receive.isBusy === isBusy) return;
  receive.isBusy = isBusy;
  session.busy += isBusy ? 1 : -1;
}

function flow(session: Session, receive: ReceiveHalf, usedBytes: number): void {
  receive.movedIn = session.period;
  receive.flowsFrom = session.period;
  receive.usedBytes = usedBytes;
  receive.measuredBytes = receive.receivedBytes;
  receive.flowAt = session.flowing.length;
  session.flowing.push(receive);
  count(session, receive);
}

function measureUse(receive: ReceiveHalf): void {
  const { receivedBytes, consumedBytes, measuredBytes } = receive;
  receive.usedBytes = Math.max(receivedBytes - measuredBytes, receivedBytes - consumedBytes);
  receive.measuredBytes = receivedBytes;
}

function stand({ flowing }: Session, receive: ReceiveHalf): void {
  const last = flowing.pop();
  if (last !== undefined && last !== receive) {
    flowing[receive.flowAt] = last;
    last.flowAt = receive.flowAt;
  }
  receive.flowAt = STILL;
}
