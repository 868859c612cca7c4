/** An exchange's request: sent, streamed, repeated, given up. */
import { assert } from "../assert.ts";
import type { HeaderList } from "../http/headers.ts";
import { chunkSize, lastChunk, type Request, requestHead } from "../http1/request-writer.ts";
import type { ExchangeId } from "../ids.ts";
import { enqueue } from "../queue.ts";
import { beginRequest, closeConnection, cutConnection, markReady, regulate, write } from "./connection.ts";
import { showsBoundLogin } from "./login.ts";
import { reconsiderIdle, takeConnection } from "./pool.ts";
import type { Client, Connection, ConnectionOutbox, Exchange, ExchangeFault } from "./state.ts";

/** Sends a request to an origin, counted from 0. One that HTTP cannot carry fails as `malformed`. */
export function request(
  client: Client,
  nowMs: number,
  id: ExchangeId,
  order: Request & { readonly origin: number },
  out: ConnectionOutbox,
): void {
  const { method, headers, body, bodyBytes, upgrade } = order;
  const origin = client.origins[order.origin];
  assert(origin !== undefined, "a request goes to an origin that is not configured");
  assert(!upgrade || body === null, "a request for an upgrade has a body");
  assert(!client.exchanges.has(id), "an exchange has two requests");
  const head = requestHead(order, origin.basePath, client.limits.idleMs > 0);
  if (head === null) {
    enqueue(client.facts, { type: "failed", exchange: id, fault: "malformed" });
    return;
  }
  const repeatable = !client.toPeers && body === null && REPEATABLE_METHODS.has(method);
  const connection = takeConnection(client, nowMs, origin, repeatable, out);
  const exchange: Exchange = {
    id,
    method,
    upgrade,
    connection,
    repeatableHead: repeatable ? head : null,
    streaming: body === "streamed",
    bodyBytesLeft: body === "streamed" ? bodyBytes : null,
    loginBound: showsBoundLogin(headers),
    upgraded: false,
    paused: false,
  };
  client.exchanges.set(id, exchange);
  beginRequest(client, nowMs, exchange);
  reconsiderIdle(client, nowMs, origin, out);
  writeRequest(connection, head, body === "streamed" ? null : body, out);
}

/** More of a streamed body; after an upgrade, raw bytes. What is not wanted any more goes nowhere. */
export function send(client: Client, id: ExchangeId, bytes: Uint8Array, out: ConnectionOutbox): void {
  const { length } = bytes;
  const exchange = client.exchanges.get(id);
  // An empty chunk would be the last one.
  if (!exchange?.streaming || length === 0) return;
  const { connection } = exchange;
  if (exchange.upgraded) {
    write(connection, { parts: [bytes], bodyBytes: length }, out);
  } else if (exchange.bodyBytesLeft === null) {
    write(connection, { parts: [chunkSize(length), bytes, "\r\n"], bodyBytes: length }, out);
  } else {
    exchange.bodyBytesLeft -= length;
    // On a connection that is kept, the origin would take the rest for another request.
    if (exchange.bodyBytesLeft < 0) giveUp(client, exchange, "malformed", out);
    else write(connection, { parts: [bytes], bodyBytes: length }, out);
  }
}

/** The streamed body is complete; after an upgrade, no more bytes go this way. */
export function endBody(client: Client, id: ExchangeId, trailers: HeaderList, out: ConnectionOutbox): void {
  const exchange = client.exchanges.get(id);
  if (!exchange?.streaming) return;
  exchange.streaming = false;
  if (exchange.upgraded) {
    endSide(exchange.connection, out);
  } else if (exchange.bodyBytesLeft !== null) {
    // Trailers need chunks to follow (RFC 9112 section 7.1.2); a declared length leaves no place for them.
    if (exchange.bodyBytesLeft > 0) giveUp(client, exchange, "malformed", out);
  } else {
    const last = lastChunk(trailers);
    if (last === null) giveUp(client, exchange, "malformed", out);
    else write(exchange.connection, { parts: [last], bodyBytes: 0 }, out);
  }
}

/** Holds the response's body back. No more is read of it meanwhile than had been read already. */
export function pause(
  client: Client,
  nowMs: number,
  id: ExchangeId,
  paused: boolean,
  out: ConnectionOutbox,
): void {
  const exchange = client.exchanges.get(id);
  if (exchange === undefined) return;
  exchange.paused = paused;
  regulate(client, exchange.connection, nowMs, out);
  if (!paused) markReady(client, exchange.connection);
}

/** Its connection is closed, and nothing more is told of it. */
export function abort(client: Client, id: ExchangeId, out: ConnectionOutbox): void {
  const exchange = client.exchanges.get(id);
  if (exchange === undefined) return;
  finish(client, exchange);
  cutConnection(client, exchange, out);
}

/**
 * The exchange's connection turned out to be unfit before its response began. If it had been kept after another request,
 * that need not be the request's fault, and one that may be repeated goes on another connection. Repeating ends by itself:
 * each attempt uses up one kept connection, and a fresh one is nobody's but this request's.
 */
export function repeatOrFail(
  client: Client,
  nowMs: number,
  exchange: Exchange,
  fault: ExchangeFault,
  out: ConnectionOutbox,
): void {
  const { connection, repeatableHead } = exchange;
  if (connection.requests === 1 || repeatableHead === null) {
    giveUp(client, exchange, fault, out);
    return;
  }
  connection.exchange = null;
  closeConnection(client, connection, out);
  exchange.connection = takeConnection(client, nowMs, connection.origin, true, out);
  beginRequest(client, nowMs, exchange);
  write(exchange.connection, { parts: [repeatableHead], bodyBytes: 0 }, out);
}

export function giveUp(
  client: Client,
  exchange: Exchange,
  fault: ExchangeFault,
  out: ConnectionOutbox,
): void {
  finish(client, exchange);
  cutConnection(client, exchange, out);
  enqueue(client.facts, { type: "failed", exchange: exchange.id, fault });
}

/** Nothing more is told of the exchange, and its connection has none from then on. */
export function finish(client: Client, exchange: Exchange): void {
  client.exchanges.delete(exchange.id);
  exchange.connection.exchange = null;
}

/** Ends our side of an upgraded connection. */
export function endSide(connection: Connection, out: ConnectionOutbox): void {
  if (connection.closed) return;
  out.push({ type: "connection_end", connection: connection.id });
}

/** With the whole body, where there is one. */
function writeRequest(
  connection: Connection,
  head: string,
  body: Uint8Array | null,
  out: ConnectionOutbox,
): void {
  const bodyBytes = body?.length ?? 0;
  if (body === null || bodyBytes === 0) {
    write(connection, { parts: [head], bodyBytes }, out);
  } else if (bodyBytes <= BODY_WITH_HEAD_BYTES_MAX) {
    write(connection, { parts: [head, body], bodyBytes }, out);
  } else {
    // The kernel may not take a large one at once, and then nothing would tell that the head has left.
    write(connection, { parts: [head], bodyBytes: 0 }, out);
    write(connection, { parts: [body], bodyBytes }, out);
  }
}

/** Safe methods: sent twice, they still do nothing (RFC 9110 section 9.2.1). With a body, they may well. */
const REPEATABLE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** So much fits the buffer that a kernel has for a connection whose last request has left. */
const BODY_WITH_HEAD_BYTES_MAX = 16 * 1024;
