/**
 * How fast one address is given answers that no home gave: refusals, pages and problems of the server's own. Whoever has no
 * credential gets nothing else, and asks as fast as answers come. Such answers are a leaky bucket of `addressUnservedMax`, one
 * of which leaks away every `addressUnservedMs`. While it is full, the connections of the address are held: not read, and then
 * read on one by one, each for one more request. What homes answer is not counted, so who is served is never held for it.
 */
import { Lineup } from "../lineup.ts";
import { arm, createTimer, disarm, isArmed } from "../timers.ts";
import type { Edge, EdgeConnection, Pace } from "./state.ts";

/** Fewer are not looked through for what has leaked away. */
const PACES_MIN = 64;

/** A request, or the connection that it is still to come on. */
type Counted = { prepaid: boolean };

/** Whether another request of the connection has to wait. */
export function isTooFast(edge: Edge, { address, prepaid }: EdgeConnection): boolean {
  if (address === null || prepaid || edge.paces.size === 0) return false;
  const pace = edge.paces.get(address);
  return pace !== undefined && (pace.held.size > 0 || isFull(edge, pace));
}

/** Nothing of the connection is read until its turn comes. */
export function holdBack(edge: Edge, connection: EdgeConnection): void {
  const { address } = connection;
  const pace = address === null ? undefined : edge.paces.get(address);
  if (pace === undefined || pace.held.has(connection)) return;
  pace.held.join(connection);
  if (!isArmed(pace.timer)) awaitRoom(edge, pace);
}

/** It is over, or nothing more is wanted of it. */
export function leaveHeld(edge: Edge, connection: EdgeConnection): void {
  if (!connection.places.held.stands || connection.address === null) return;
  const pace = edge.paces.get(connection.address);
  pace?.held.leave(connection);
  if (pace?.held.size === 0) disarm(edge.paceTimers, pace.timer);
}

/** There is an answer that no home gave, to a request or to what was to be one. */
export function countUnserved(edge: Edge, address: string | null, asked: Counted): void {
  const { prepaid } = asked;
  asked.prepaid = false;
  if (address === null || prepaid) return;
  const pace = edge.paces.get(address) ?? createPace(edge, address);
  pace.level = levelOf(edge, pace) + 1;
  pace.atMs = edge.nowMs;
}

/** A home has answered: what was counted before that was known is given back. */
export function countServed(edge: Edge, address: string | null, asked: Counted): void {
  if (!asked.prepaid) return;
  asked.prepaid = false;
  const pace = edge.paces.get(address ?? "");
  if (pace !== undefined) pace.level = Math.max(0, pace.level - 1);
}

/**
 * The connections of an address that may go on by now, each counted for beforehand. `visit` reads on: a connection may be held
 * anew by it.
 */
export function letOn(edge: Edge, address: string, visit: (connection: EdgeConnection) => void): void {
  const pace = edge.paces.get(address);
  if (pace === undefined) return;
  const { held } = pace;
  for (let next = held.first; next !== null && !isFull(edge, pace); next = held.first) {
    held.leave(next);
    pace.level = levelOf(edge, pace) + 1;
    pace.atMs = edge.nowMs;
    next.prepaid = true;
    visit(next);
  }
  // One that was held anew meanwhile may have gone on as well.
  if (held.size > 0) awaitRoom(edge, pace);
  else disarm(edge.paceTimers, pace.timer);
}

function createPace(edge: Edge, address: string): Pace {
  const { paces } = edge;
  if (paces.size >= Math.max(PACES_MIN, 2 * edge.pacesKept)) forgetLeaked(edge);
  const held = new Lineup<EdgeConnection>(({ places }) => places.held);
  const pace = { address, level: 0, atMs: edge.nowMs, held, timer: createTimer(address) };
  edge.paces.set(address, pace);
  return pace;
}

/** A new map takes the place of the old one, for what a map leaves behind whose entries are deleted (`id-table.ts`). */
function forgetLeaked(edge: Edge): void {
  const kept = new Map<string, Pace>();
  for (const [address, pace] of edge.paces) {
    if (pace.held.size > 0 || levelOf(edge, pace) > 0) kept.set(address, pace);
  }
  edge.paces = kept;
  edge.pacesKept = kept.size;
}

function isFull(edge: Edge, pace: Pace): boolean {
  return levelOf(edge, pace) + 1 > edge.config.limits.addressUnservedMax;
}

function levelOf({ nowMs, config }: Edge, { level, atMs }: Pace): number {
  return Math.max(0, level - (nowMs - atMs) / config.limits.addressUnservedMs);
}

function awaitRoom(edge: Edge, pace: Pace): void {
  const { addressUnservedMax, addressUnservedMs } = edge.config.limits;
  const beyond = levelOf(edge, pace) + 1 - addressUnservedMax;
  arm(edge.paceTimers, pace.timer, edge.nowMs + Math.max(1, Math.ceil(beyond * addressUnservedMs)));
}
