/**
 * Whether the visitor is still there of a connection that is not read: a system tells the end of a connection only to who
 * reads it. Every `lookMs` such a connection is looked at, in three ways.
 *
 * One that was reset takes no write any more, not even an empty one, whatever is unread of it: that costs a call to the system.
 * Linux lists states in `/proc/net/tcp` too, but an end (FIN) stands behind all that was sent, and most of that waits in the
 * kernel of the visitor who has closed: measured, three of four that had left were listed as established.
 *
 * That kernel answers whatever is written to him with a reset. So the answer is begun before it is known, as long as there is
 * something to write that commits nobody to anything (`answer-start.ts`), and a step later he is asked again.
 *
 * Else only reading on finds that end. So a connection is read up to `lookBytes` further, and what comes is kept. All looks share
 * `looksBytesTotal`; who finds no room waits for the next that ends. Those of one address share `addressLooksBytes`, and are
 * passed over while that is spent. A look is granted whole, one after the other: shared evenly among many, nobody's would reach
 * his end. A visitor with more on its way than that is noticed by the deadlines of his exchange.
 */
import type { Lineup } from "../lineup.ts";
import type { Outbox } from "../outbox.ts";
import { grant } from "./ahead.ts";
import { startAnswer } from "./answer-start.ts";
import { awaitLook, forgetLook, settle } from "./connections.ts";
import type { EdgeEffect } from "./events.ts";
import type { Edge, EdgeConnection } from "./state.ts";

/** When the next look begins or ends; Infinity where none does. */
export function lookDeadlineMs({ unread, looking }: Edge): number {
  return Math.min(firstMs(unread), firstMs(looking));
}

/** Begins and ends the looks that are due. */
export function lookOn(edge: Edge, out: Outbox<EdgeEffect>): void {
  forEachDue(edge, edge.looking, (connection) => endLook(edge, connection, out));
  forEachDue(edge, edge.unread, (connection) => look(edge, connection, out));
}

/** As many looks as there is room for. */
export function grantLooks(edge: Edge, out: Outbox<EdgeEffect>): void {
  const { lookBytes, looksBytesTotal } = edge.config.limits;
  edge.looksMayFit = false;
  for (const connection of edge.unseen) {
    if (!connection.paused) {
      edge.unseen.leave(connection);
      continue;
    }
    if (edge.grantedBytes + lookBytes - connection.grantedBytes > looksBytesTotal) return;
    if (!hasShare(edge, connection)) continue;
    grant(edge, connection, lookBytes);
    forgetLook(edge, connection);
    goOnLooking(edge, connection);
    settle(edge, connection, out);
  }
}

/** Whether its address may have one more look. */
function hasShare({ config, grantedByAddress }: Edge, { address, grantedBytes }: EdgeConnection): boolean {
  if (address === null) return true;
  const { lookBytes, addressLooksBytes } = config.limits;
  return (grantedByAddress.get(address) ?? 0) + lookBytes - grantedBytes <= addressLooksBytes;
}

function look(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  // It is read by now: its end will be seen when it is reached. Or it was seen, and has a time of its own.
  if (!connection.paused || connection.ended) return forgetLook(edge, connection);
  // One that is read again and again comes to the end by itself, if it moves as fast as looks would.
  const isFast = connection.readBytes >= edge.config.limits.lookBytes;
  awaitLook(edge, connection);
  if (isFast) return;
  out.push({ type: "connection_probe", connection: connection.id });
  // What those send who ask too fast is not worth the room; an end that stands behind it is found when their turn comes.
  if (connection.places.held.stands) return;
  if (startAnswer(edge, connection, out)) {
    forgetLook(edge, connection);
    return goOnLooking(edge, connection);
  }
  if (connection.grantedBytes >= edge.config.limits.lookBytes) return;
  edge.unseen.join(connection);
  edge.looksMayFit = true;
}

function goOnLooking(edge: Edge, connection: EdgeConnection): void {
  edge.looking.leave(connection);
  edge.looking.join(connection);
  connection.readBytes = 0;
  connection.lookMs = edge.nowMs + edge.config.limits.lookStepMs;
}

/** As long as much comes the end may be behind it. Else the connection keeps of its grant what it used. */
function endLook(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const { lookBytes, lookStepsMax } = edge.config.limits;
  if (connection.readBytes >= lookBytes / lookStepsMax) return goOnLooking(edge, connection);
  edge.looking.leave(connection);
  settle(edge, connection, out);
  if (!connection.paused) return;
  if (!edge.unread.has(connection)) awaitLook(edge, connection);
  out.push({ type: "connection_probe", connection: connection.id });
}

/** `visit` has the connection leave the line, or join it with a time to come. */
function forEachDue(
  { nowMs }: Edge,
  line: Lineup<EdgeConnection>,
  visit: (connection: EdgeConnection) => void,
): void {
  for (let next = line.first; next !== null && next.lookMs <= nowMs; next = line.first) visit(next);
}

function firstMs({ first }: Lineup<EdgeConnection>): number {
  return first === null ? Number.POSITIVE_INFINITY : first.lookMs;
}
