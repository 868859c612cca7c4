/**
 * The agent's HTTP/1.1 client (RFC 9112) towards its origins. It is told what happens to connections and orders what is to
 * be done with them; sockets, TLS and names are the adapter's.
 *
 * Its owner gives orders for exchanges (`request`, `send`, `endBody`, `pause`, `abort`) and passes on what happens
 * (`onConnectionEvent`, `onConnectionDeadline`). After each of these it takes facts with `nextFact` until there are none, and
 * may give orders between two of them.
 *
 * **The policy.** One request at a time is on a connection, and what comes on it answers that request.
 *
 * Which connection. The one of that origin that was the last to fall idle, so that the surplus of a burst grows old and is
 * closed; a new one where none is idle. A request that cannot be repeated goes only on a connection that was idle for less
 * than 1.5 seconds, or on a new one, whatever `idleMs` is set to: the origin may be closing an older one at this moment, and
 * such a request would be lost. Where the end of a response is read just after it was held back, the connection is idle since
 * that began: the origin may have ended it then. None goes on a connection that has been read again for less than 5 milliseconds after it was held back: what the
 * origin sent behind its response may not have been read yet.
 *
 * Idle. A connection is kept for 1.5 seconds, or a second less than the origin announces (`Keep-Alive: timeout`), and at most
 * 256 of an origin. It is not kept
 * - where `idleMs` is 0, which requests tell the origin by `Connection: close`;
 * - where the response says so, or only the end of the connection ends it (RFC 9112 sections 6.3 and 9.3);
 * - where the response was over before the request had left: the origin may not have read the rest, and would read it as
 *   another request;
 * - where somebody's login is bound to it (`login.ts`): nobody else may speak in that name;
 * - where the origin ended its side, or is distrusted;
 * - where another request has waited for 100 milliseconds and the origin was never seen to serve two connections at a time: it
 *   may be waiting for the end of this one, which comes 20 milliseconds later. It was seen to when it answers on one while an older
 *   one is open.
 *
 * Unasked bytes. What comes where nothing was asked is no answer and must not become the next one's: on an idle connection,
 * behind the end of a response, on a kept connection before the first byte of the next request has left, or there in place
 * of a response. The connection is closed, and as what comes too late cannot be told from an answer once a request is out,
 * no connection to that origin is kept for five minutes. Behind a response without a body, and where another response
 * follows, the response itself is good; otherwise its length was a lie, and it is malformed.
 *
 * Repeating. A request is sent again, on another connection, only if it is GET, HEAD or OPTIONS without a body, its
 * connection had been kept after another request, and that one was closed by the origin before a byte of the response, or
 * gave unasked bytes. All else that goes wrong fails the exchange. Nothing is repeated on the word of a status.
 *
 * Ends. An upgrade (101, only where one was asked for) leaves raw bytes both ways. The owner's end of it becomes ours, and
 * the origin may go on; the origin's end is the exchange's, and ours follows behind what was sent. Any other connection
 * whose origin ended its side is read to its last byte, and closed.
 *
 * Other nodes (`toPeers`) say more than HTTP does, as `core/edge/connections.ts` has it. A connection begins with an interim
 * response: until then only the other kernel has it, which loses it with its process's listener, so nothing is sent before. A node
 * that takes nothing more on a connection says so, unasked, by a response like that to a request which is not its home's: who asked
 * at the same moment reads it as his answer. So nothing is lost with a node that leaves, and connections are used for as long as
 * they are kept. Nothing is repeated here.
 */
import { unreachable } from "../assert.ts";
import type { ConnectionEvent, ConnectionFault } from "../http1/events.ts";
import {
  endBytes,
  nextPart,
  putBytes,
  type ResponseFault,
  type ResponsePart,
} from "../http1/response-reader.ts";
import type { ConnectionId } from "../ids.ts";
import { dequeue, enqueue, queueItem } from "../queue.ts";
import {
  closeConnection,
  countFlushed,
  forgetConnection,
  isHeldBack,
  markConnected,
  markReady,
  regulate,
} from "./connection.ts";
import { endSide, finish, giveUp, repeatOrFail } from "./exchange.ts";
import { asksForBoundLogin } from "./login.ts";
import { distrust, idleMsAfter, keepOrClose, noteAnswer, releaseConnection } from "./pool.ts";
import type { Client, Connection, ConnectionOutbox, Exchange, ExchangeFact } from "./state.ts";

export type { ConnectionEffect, ConnectionEvent, ConnectionFault } from "../http1/events.ts";
export type { Request } from "../http1/request-writer.ts";
export { abort, endBody, pause, request, send } from "./exchange.ts";
export {
  type Client,
  type ClientLimits,
  type ClientOptions,
  type ConnectionTimerOwner,
  clientLimits,
  clientLimitsOf,
  createClient,
  type ExchangeFact,
  type ExchangeFault,
} from "./state.ts";

/** A connection that is not known was closed by us, and its last events are on their way. */
export function onConnectionEvent(
  client: Client,
  nowMs: number,
  event: ConnectionEvent,
  out: ConnectionOutbox,
): void {
  const connection = client.connections.get(event.connection);
  if (connection === undefined) return;
  switch (event.type) {
    case "connection_opened":
      // Until another node has greeted, nobody but its kernel has the connection.
      if (!client.toPeers) markConnected(client, connection, out);
      break;
    case "connection_bytes":
      onBytes(client, nowMs, connection, event, out);
      break;
    case "connection_flushed":
      onFlushed(client, connection, event.bytes);
      break;
    case "connection_ended":
      onEnded(client, connection, out);
      break;
    case "connection_closed":
      onClosed(client, connection, event.cause);
      break;
    default:
      unreachable(event);
  }
}

/** Its timer is due: it was idle for too long, others may wait for its end, or it was not connected in time. */
export function onConnectionDeadline(
  client: Client,
  nowMs: number,
  id: ConnectionId,
  out: ConnectionOutbox,
): void {
  const connection = client.connections.get(id);
  if (connection === undefined) return;
  if (connection.exchange === null) keepOrClose(client, nowMs, connection, out);
  else giveUp(client, connection.exchange, "connect_timeout", out);
}

/** The next fact of any exchange; null until something more happens or is ordered. */
export function nextFact(client: Client, nowMs: number, out: ConnectionOutbox): ExchangeFact | null {
  for (;;) {
    const told = dequeue(client.facts);
    if (told !== undefined) return told;
    const connection = queueItem(client.ready, 0);
    if (connection === undefined) return null;
    const read = readOn(client, nowMs, connection, out);
    if (read !== null) return read;
    dequeue(client.ready);
    connection.queued = false;
  }
}

/** Closes every connection; the requests that still run fail. */
export function closeClient(client: Client, out: ConnectionOutbox): void {
  for (const exchange of [...client.exchanges.values()]) giveUp(client, exchange, "broken", out);
  for (const connection of [...client.connections.values()]) closeConnection(client, connection, out);
}

function onBytes(
  client: Client,
  nowMs: number,
  connection: Connection,
  { bytes, only }: Extract<ConnectionEvent, { readonly type: "connection_bytes" }>,
  out: ConnectionOutbox,
): void {
  const { exchange, origin } = connection;
  if (exchange === null) {
    distrust(client, nowMs, origin, out);
  } else if (!client.toPeers && connection.requests > 1 && connection.flushedBytes === 0) {
    distrust(client, nowMs, origin, out);
    repeatOrFail(client, nowMs, exchange, "broken", out);
  } else {
    connection.heard = true;
    putBytes(connection.reader, bytes, only);
    markReady(client, connection);
  }
}

function onFlushed(client: Client, connection: Connection, flushedBytes: number): void {
  const bytes = countFlushed(connection, flushedBytes);
  if (connection.exchange === null || bytes === 0) return;
  enqueue(client.facts, { type: "flushed", exchange: connection.exchange.id, bytes });
}

function onEnded(client: Client, connection: Connection, out: ConnectionOutbox): void {
  connection.ended = true;
  endBytes(connection.reader);
  if (connection.exchange === null) closeConnection(client, connection, out);
  else markReady(client, connection);
}

function onClosed(client: Client, connection: Connection, cause: ConnectionFault | null): void {
  connection.closed = true;
  connection.cause = cause;
  forgetConnection(client, connection);
  if (connection.exchange !== null) markReady(client, connection);
}

/** What comes next of the response on a connection, as far as it is there and wanted. */
function readOn(
  client: Client,
  nowMs: number,
  connection: Connection,
  out: ConnectionOutbox,
): ExchangeFact | null {
  const { exchange } = connection;
  if (exchange === null || isHeldBack(connection)) return null;
  const part = nextPart(connection.reader);
  if (part !== null) return onPart(client, nowMs, exchange, connection, part, out);
  if (connection.ended || connection.closed) onLost(client, nowMs, exchange, connection, out);
  return dequeue(client.facts) ?? null;
}

function onPart(
  client: Client,
  nowMs: number,
  exchange: Exchange,
  connection: Connection,
  part: ResponsePart,
  out: ConnectionOutbox,
): ExchangeFact | null {
  switch (part.type) {
    case "interim":
      if (connection.unsent !== null) {
        markConnected(client, connection, out);
        return readOn(client, nowMs, connection, out);
      }
      return { type: "interim", exchange: exchange.id, status: part.status, headers: part.headers };
    case "head":
      exchange.repeatableHead = null;
      noteAnswer(client, connection);
      if (part.status === 101) {
        exchange.upgraded = true;
        exchange.streaming = true;
      }
      connection.idleMs = idleMsAfter(part.headers, client.limits.idleMs);
      connection.loginBound ||= asksForBoundLogin(part.headers);
      regulate(client, connection, nowMs, out);
      return { type: "head", exchange: exchange.id, status: part.status, headers: part.headers };
    case "body":
      return { type: "body", exchange: exchange.id, bytes: part.bytes, only: part.only };
    case "end":
      onResponseEnd(client, nowMs, exchange, connection, out);
      return { type: "ended", exchange: exchange.id, trailers: part.trailers };
    case "malformed":
      onMalformed(client, nowMs, exchange, connection, part.fault, out);
      return dequeue(client.facts) ?? null;
  }
}

function onResponseEnd(
  client: Client,
  nowMs: number,
  exchange: Exchange,
  connection: Connection,
  out: ConnectionOutbox,
): void {
  if (connection.reader.surplus) distrust(client, nowMs, connection.origin, out);
  finish(client, exchange);
  if (!exchange.upgraded) releaseConnection(client, nowMs, exchange, out);
  // There is nobody left to hear what could still be sent; what was ordered before goes out.
  else if (exchange.streaming) endSide(connection, out);
}

function onMalformed(
  client: Client,
  nowMs: number,
  exchange: Exchange,
  connection: Connection,
  fault: ResponseFault,
  out: ConnectionOutbox,
): void {
  const { reader, requests } = connection;
  const isInPlaceOfResponse = !reader.begun && requests > 1;
  if (reader.surplus || isInPlaceOfResponse) distrust(client, nowMs, connection.origin, out);
  if (isInPlaceOfResponse) repeatOrFail(client, nowMs, exchange, fault, out);
  else giveUp(client, exchange, fault, out);
}

/** The connection is gone, and the response is not over. */
function onLost(
  client: Client,
  nowMs: number,
  exchange: Exchange,
  connection: Connection,
  out: ConnectionOutbox,
): void {
  const { cause, heard } = connection;
  // Nothing of the request has left.
  if (connection.unsent !== null) return giveUp(client, exchange, "refused", out);
  const fault = cause === null || cause === "reset" ? "broken" : cause;
  // Without a word it may be closed at any time while it is idle (RFC 9112 section 9.3.1).
  const isClosedByOrigin = cause === null || cause === "reset";
  if (isClosedByOrigin && !heard) repeatOrFail(client, nowMs, exchange, fault, out);
  else giveUp(client, exchange, fault, out);
}
