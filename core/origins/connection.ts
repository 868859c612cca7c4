/** One connection: how it is opened, written to, paused and closed. Which one, and for how long, is `pool.ts`'s to say. */
import { assert } from "../assert.ts";
import { createReader, expectResponse, isInBody } from "../http1/response-reader.ts";
import type { ConnectionId } from "../ids.ts";
import { createQueue, dequeue, enqueue, queueItem } from "../queue.ts";
import { arm, createTimer, disarm } from "../timers.ts";
import type { Client, Connection, ConnectionOutbox, Exchange, Origin } from "./state.ts";

export function openConnection(
  client: Client,
  nowMs: number,
  origin: Origin,
  out: ConnectionOutbox,
): Connection {
  const id = ++client.connectionsMade as ConnectionId;
  const connection: Connection = {
    id,
    origin,
    reader: createReader(client.limits.headBytesMax),
    timer: createTimer({ kind: "connection", connection: id }),
    exchange: null,
    requests: 0,
    askedMs: nowMs,
    connected: false,
    unsent: client.toPeers ? [] : null,
    writtenBytes: 0,
    flushedBytes: 0,
    writes: createQueue(),
    heard: false,
    paused: false,
    resumedMs: Number.NEGATIVE_INFINITY,
    heldSinceMs: Number.NEGATIVE_INFINITY,
    loginBound: false,
    ended: false,
    closed: false,
    cause: null,
    queued: false,
    idleMs: client.limits.idleMs,
    idleSinceMs: 0,
  };
  client.connections.set(id, connection);
  arm(client.timers, connection.timer, nowMs + client.limits.connectMs);
  out.push({ type: "connection_open", connection: id, origin: origin.index });
  return connection;
}

/** The exchange's request may be written on its connection from then on. */
export function beginRequest(client: Client, nowMs: number, exchange: Exchange): void {
  const { connection } = exchange;
  assert(connection.exchange === null, "a request is sent on a connection that has one");
  assert(connection.writtenBytes === connection.flushedBytes, "a request follows one that has not left");
  connection.exchange = exchange;
  connection.requests++;
  connection.askedMs = nowMs;
  connection.writtenBytes = 0;
  connection.flushedBytes = 0;
  connection.heard = false;
  connection.loginBound ||= exchange.loginBound;
  connection.idleMs = client.limits.idleMs;
  expectResponse(connection.reader, exchange.method, exchange.upgrade);
}

export type Write = {
  readonly parts: readonly (string | Uint8Array)[];
  /** How many bytes of the request's body are among them. */
  readonly bodyBytes: number;
};

export function write(connection: Connection, { parts, bodyBytes }: Write, out: ConnectionOutbox): void {
  if (connection.closed) return;
  for (const part of parts) connection.writtenBytes += part.length;
  enqueue(connection.writes, { endsAt: connection.writtenBytes, bodyBytes });
  if (connection.unsent !== null) connection.unsent.push(parts);
  else out.push({ type: "connection_write", connection: connection.id, parts });
}

/** Somebody has it at the other end: what waits for that goes out. */
export function markConnected(client: Client, connection: Connection, out: ConnectionOutbox): void {
  connection.connected = true;
  if (connection.exchange !== null) disarm(client.timers, connection.timer);
  const unsent = connection.unsent ?? [];
  connection.unsent = null;
  for (const parts of unsent) out.push({ type: "connection_write", connection: connection.id, parts });
}

/** Bytes have left for the kernel; returns how many of a body went with them. A write counts when all of it has left. */
export function countFlushed(connection: Connection, bytes: number): number {
  connection.flushedBytes += bytes;
  assert(connection.flushedBytes <= connection.writtenBytes, "more bytes have left than were to be written");
  let bodyBytes = 0;
  for (;;) {
    const first = queueItem(connection.writes, 0);
    if (first === undefined || first.endsAt > connection.flushedBytes) return bodyBytes;
    bodyBytes += first.bodyBytes;
    dequeue(connection.writes);
  }
}

/** Whether all that was ordered to be written has left for the kernel. */
export function isFlushed({ flushedBytes, writtenBytes }: Connection): boolean {
  return flushedBytes === writtenBytes;
}

/** The head is never held back: only a body is more than its reader may have room for. */
export function isHeldBack({ exchange, reader }: Connection): boolean {
  return exchange?.paused === true && isInBody(reader);
}

/** Has the adapter read, or not, as the exchange wants it. */
export function regulate(
  { limits }: Client,
  connection: Connection,
  nowMs: number,
  out: ConnectionOutbox,
): void {
  const paused = isHeldBack(connection);
  if (connection.closed || connection.paused === paused) return;
  connection.paused = paused;
  if (!paused) connection.resumedMs = nowMs;
  else if (nowMs - connection.resumedMs >= limits.lateMs) connection.heldSinceMs = nowMs;
  out.push({ type: "connection_pause", connection: connection.id, paused });
}

/** Has it looked at by `nextFact`. */
export function markReady(client: Client, connection: Connection): void {
  if (connection.queued) return;
  connection.queued = true;
  enqueue(client.ready, connection);
}

/** Destroys it, unless it is gone already. Nothing of it is known any more, and what is still reported is ignored. */
export function closeConnection(client: Client, connection: Connection, out: ConnectionOutbox): void {
  forgetConnection(client, connection);
  if (connection.closed) return;
  connection.closed = true;
  out.push({ type: "connection_close", connection: connection.id });
}

/**
 * Destroys it in the middle of an exchange. Of an upgrade the end of the connection is all that ends what the origin gets,
 * and it may have switched already when its 101 is still on the way. Of a body that is not complete, what the origin has not
 * read is of no use to it: a reset frees it at both ends, and an end would stand behind megabytes.
 */
export function cutConnection(
  client: Client,
  { connection, upgrade, streaming }: Exchange,
  out: ConnectionOutbox,
): void {
  if (!(upgrade || streaming) || connection.closed) return closeConnection(client, connection, out);
  forgetConnection(client, connection);
  connection.closed = true;
  out.push({ type: "connection_reset", connection: connection.id });
}

/** It is gone, or about to be. An exchange that is on it may still read what came. */
export function forgetConnection(client: Client, connection: Connection): void {
  const { origin, timer } = connection;
  client.connections.delete(connection.id);
  disarm(client.timers, timer);
  if (connection.exchange !== null) return;
  const at = origin.idle.indexOf(connection);
  if (at !== -1) origin.idle.splice(at, 1);
}
