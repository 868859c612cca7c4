/** Which connection a request goes on, and which is kept after its response. `client.ts` has the policy in words. */
import { type HeaderList, headerValue } from "../http/headers.ts";
import { arm, disarm } from "../timers.ts";
import { closeConnection, isFlushed, openConnection } from "./connection.ts";
import type { Client, Connection, ConnectionOutbox, Exchange, Origin } from "./state.ts";

/** One that no request is on; it may still be about to connect. */
export function takeConnection(
  client: Client,
  nowMs: number,
  origin: Origin,
  isRepeatable: boolean,
  out: ConnectionOutbox,
): Connection {
  const latest = origin.idle.at(-1);
  if (latest === undefined) return openConnection(client, nowMs, origin, out);
  const { idleUnrepeatableMs, lateMs } = client.limits;
  // A node that leaves says so on the connection itself.
  const isSafe = isRepeatable || client.toPeers;
  const idleMs = isSafe ? latest.idleMs : Math.min(latest.idleMs, idleUnrepeatableMs);
  // All others have been idle for longer.
  if (nowMs - latest.idleSinceMs >= idleMs) return openConnection(client, nowMs, origin, out);
  if (nowMs - latest.resumedMs < lateMs) return openConnection(client, nowMs, origin, out);
  origin.idle.pop();
  disarm(client.timers, latest.timer);
  return latest;
}

/** The exchange's response is complete: keeps the connection, or closes it. */
export function releaseConnection(
  client: Client,
  nowMs: number,
  exchange: Exchange,
  out: ConnectionOutbox,
): void {
  const { connection } = exchange;
  const { origin } = connection;
  if (
    !isReusable(exchange) ||
    nowMs < origin.distrustedUntilMs ||
    connection.idleMs === 0 ||
    origin.idle.length >= client.limits.idleConnectionsMax
  ) {
    closeConnection(client, connection, out);
    return;
  }
  // What was read just after it was held back may be all that the origin had to say, since long ago.
  const isLate = nowMs - connection.resumedMs < client.limits.lateMs;
  connection.idleSinceMs = isLate ? connection.heldSinceMs : nowMs;
  origin.idle.push(connection);
  keepOrClose(client, nowMs, connection, out);
}

/** A request went on another connection: the idle ones of its origin may be in its way. */
export function reconsiderIdle(client: Client, nowMs: number, origin: Origin, out: ConnectionOutbox): void {
  if (origin.parallel || origin.idle.length === 0) return;
  for (const connection of [...origin.idle]) keepOrClose(client, nowMs, connection, out);
}

/** An idle connection stays until its time is over, or somebody may be waiting for its end. */
export function keepOrClose(
  client: Client,
  nowMs: number,
  connection: Connection,
  out: ConnectionOutbox,
): void {
  const { origin, idleSinceMs, idleMs, timer } = connection;
  const { aloneMs, aloneIdleMs } = client.limits;
  const waitingSinceMs = origin.parallel ? Number.POSITIVE_INFINITY : longestWait(client, origin);
  const awaitedMs = Math.max(waitingSinceMs + aloneMs, idleSinceMs + aloneIdleMs);
  const untilMs = Math.min(idleSinceMs + idleMs, awaitedMs);
  if (untilMs <= nowMs) closeConnection(client, connection, out);
  else arm(client.timers, timer, untilMs);
}

/** A response begins: an origin that serves one connection at a time would have had to end the older ones before. */
export function noteAnswer(client: Client, { origin, id }: Connection): void {
  if (origin.parallel) return;
  client.connections.forEach((other) => {
    if (other.origin === origin && other.id < id && other.connected && !other.ended) origin.parallel = true;
  });
}

/** Since when the oldest request waits of which nothing was heard; Infinity where none does. */
function longestWait({ connections }: Client, origin: Origin): number {
  let sinceMs = Number.POSITIVE_INFINITY;
  connections.forEach((each) => {
    if (each.origin === origin && each.exchange !== null && !each.heard)
      sinceMs = Math.min(sinceMs, each.askedMs);
  });
  return sinceMs;
}

/** The origin sent what nobody asked for: it may do so again on any of its connections. */
export function distrust(client: Client, nowMs: number, origin: Origin, out: ConnectionOutbox): void {
  // What another node says unasked is that it takes nothing more.
  if (!client.toPeers) origin.distrustedUntilMs = nowMs + client.limits.distrustMs;
  for (const connection of origin.idle.splice(0)) closeConnection(client, connection, out);
}

/** No request will be for these any more. Those that run go on, and their connections are kept no longer. */
export function retire(client: Client, origins: readonly Origin[], out: ConnectionOutbox): void {
  for (const origin of origins) {
    origin.distrustedUntilMs = Number.POSITIVE_INFINITY;
    for (const connection of origin.idle.splice(0)) closeConnection(client, connection, out);
  }
}

/** How long the origin says that it keeps the connection, less a margin. */
export function idleMsAfter(headers: HeaderList, idleMs: number): number {
  const seconds = ANNOUNCED_TIMEOUT.exec(headerValue(headers, "keep-alive") ?? "")?.[1];
  if (seconds === undefined) return idleMs;
  return Math.min(idleMs, Math.max(0, Number(seconds) * 1_000 - ANNOUNCED_MARGIN_MS));
}

function isReusable({ connection, streaming }: Exchange): boolean {
  const { reader, ended, closed, loginBound } = connection;
  const isWritten = !streaming && isFlushed(connection);
  return reader.persistent && isWritten && !ended && !closed && !loginBound;
}

const ANNOUNCED_TIMEOUT = /^timeout=(\d+)/;

/** So much of the time that an origin announces is left to what is on its way. */
const ANNOUNCED_MARGIN_MS = 1_000;
