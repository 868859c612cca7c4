/**
 * What of a connection was read before anybody wanted it. The reader has the first of it; what is more waits here, in pieces as
 * they came: putting them together would copy all of it again for each. Only a connection that is looked at has more than a
 * piece or two (`looks.ts`).
 */
import { waitingBytes } from "../http1/request-reader.ts";
import { clearQueue, dequeue, enqueue, queueLength } from "../queue.ts";
import { leaveHeld } from "./pace.ts";
import type { Edge, EdgeConnection } from "./state.ts";

/** What a piece takes beside its bytes, lest one that comes byte by byte takes more than is counted. */
export const PIECE_BYTES = 256;

export function keepAhead(connection: EdgeConnection, bytes: Uint8Array): void {
  enqueue(connection.ahead, bytes);
  connection.aheadBytes += bytes.length + PIECE_BYTES;
}

export function hasAhead({ ahead }: EdgeConnection): boolean {
  return queueLength(ahead) > 0;
}

/** The oldest piece. */
export function takeAhead(connection: EdgeConnection): Uint8Array | undefined {
  const bytes = dequeue(connection.ahead);
  if (bytes !== undefined) connection.aheadBytes -= bytes.length + PIECE_BYTES;
  return bytes;
}

/** Whether the next tick goes on with the connection: somebody wants what was read ahead. */
export function markWanted(edge: Edge, connection: EdgeConnection, isWanted: boolean): void {
  if (isWanted && hasAhead(connection)) edge.wanted.join(connection);
  else edge.wanted.leave(connection);
}

/** Nobody will want it any more. */
export function dropAhead(edge: Edge, connection: EdgeConnection): void {
  clearQueue(connection.ahead);
  connection.aheadBytes = 0;
  edge.wanted.leave(connection);
  edge.pipelined.leave(connection);
  leaveHeld(edge, connection);
  edge.looking.leave(connection);
  grant(edge, connection, 0);
}

/** Whether all was read that may be before somebody wants it. */
export function isAheadFull(edge: Edge, connection: EdgeConnection): boolean {
  return unwantedBytes(connection) >= edge.config.limits.readAheadBytes + connection.grantedBytes;
}

/** Whether a connection of which nothing is wanted for now was read as far as it is looked at. */
export function isGrantSpent(connection: EdgeConnection): boolean {
  return unwantedBytes(connection) >= connection.grantedBytes;
}

/**
 * Gives back what the connection was granted and does not use. One byte of room is left to one that has used some: so it is
 * read, and its end is seen.
 */
export function fitGrant(edge: Edge, connection: EdgeConnection): void {
  const { grantedBytes } = connection;
  if (grantedBytes === 0 || edge.looking.has(connection)) return;
  const beyond = unwantedBytes(connection) - edge.config.limits.readAheadBytes;
  grant(edge, connection, Math.min(grantedBytes, beyond < 0 ? 0 : beyond + 1));
}

export function grant(edge: Edge, connection: EdgeConnection, bytes: number): void {
  const more = bytes - connection.grantedBytes;
  if (more === 0) return;
  if (more < 0) edge.looksMayFit = true;
  edge.grantedBytes += more;
  connection.grantedBytes = bytes;
  const { address } = connection;
  if (address === null) return;
  const ofAddress = (edge.grantedByAddress.get(address) ?? 0) + more;
  if (ofAddress === 0) edge.grantedByAddress.delete(address);
  else edge.grantedByAddress.set(address, ofAddress);
}

/** All that was read before anybody wanted it. */
export function unwantedBytes({ reader, aheadBytes }: EdgeConnection): number {
  return waitingBytes(reader) + aheadBytes;
}
