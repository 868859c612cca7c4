/**
 * The way of a home's answer to the visitor over the native protocol: pieces come in order, and each is passed on as it is.
 * What the visitor has taken gives the home credit for more, so that a slow visitor slows his own exchange alone.
 *
 * A home may answer before it has the whole request. Its answer is passed on while the request goes on; where the answer ends
 * first, the rest of the request is nobody's, and the visitor's connection ends with the response.
 */
import { assert } from "../assert.ts";
import type { ServerEffect } from "../effects.ts";
import { withoutCors } from "../http/cors.ts";
import {
  contentLength,
  endToEnd,
  type HeaderList,
  headerValues,
  validHeaders,
  withoutHeaders,
} from "../http/headers.ts";
import { passedTrailers } from "../http/trailers.ts";
import type { Outbox } from "../outbox.ts";
import { consume } from "../session/credit.ts";
import type { Received } from "../session/receive.ts";
import { sendEnd } from "../session/send.ts";
import { armDeadline, endExchange, enterPhase, failExchange } from "./exchange.ts";
import { leaveStream, readBody } from "./native-request.ts";
import { giveUpOverLimit } from "./overload.ts";
import { countWritten } from "./respond.ts";
import { breakProtocol, gather, respondAtOnce, sendHead, takeLength } from "./response.ts";
import { touch } from "./sessions.ts";
import type { Exchange, NativeExchange, ServerState } from "./state.ts";
import { openUpgrade, writeUpgraded } from "./upgrade.ts";

type Interim = Extract<Received, { readonly type: "interim" }>;
type Piece = Extract<Received, { readonly type: "piece" }>;

/** A 1xx response. `100 Continue` is answered by reading on; the adapter alone says it to the visitor. */
export function onInterim(
  state: ServerState,
  exchange: Exchange,
  { status, headers }: Interim,
  out: Outbox<ServerEffect>,
): void {
  if (status === 100) return readBody(state, exchange, out);
  if (exchange.phase !== "waiting" || !validHeaders(headers)) return;
  const passed = withoutHeaders(endToEnd(headers), (name) => name === "content-length");
  out.push({ type: "respond_interim", exchange: exchange.id, status, headers: passed });
}

export function onPiece(
  state: ServerState,
  exchange: Exchange,
  piece: Piece,
  out: Outbox<ServerEffect>,
): void {
  const { native } = exchange;
  assert(native !== null, "a piece came for an exchange without a stream");
  const { limits } = state.config;
  const { head, body, last } = piece;
  state.counters.bytesIn += body.length;
  exchange.lastProgressMs = state.nowMs;
  if (head !== null) {
    if (!takeHead(state, exchange, native, head, out)) return;
    armDeadline(state, exchange, limits.responseIdleMs);
  }
  if (exchange.head?.hasBody !== true) {
    consume(native.session.link, native.stream, body.length);
    return deliver(state, exchange, native, { ...piece, body: EMPTY }, out);
  }
  if (takeLength(state, exchange, body.length, last, out)) deliver(state, exchange, native, piece, out);
}

/** Checks the head and keeps it; false where the exchange failed by it. */
function takeHead(
  state: ServerState,
  exchange: Exchange,
  native: NativeExchange,
  head: NonNullable<Piece["head"]>,
  out: Outbox<ServerEffect>,
): boolean {
  const { request, route } = exchange;
  const { status } = head;
  const declared = contentLength(head.headers);
  const isUpgrade = status === 101 && request.upgrade;
  if (
    (!isUpgrade && (status < 200 || status > 599)) ||
    declared === "invalid" ||
    !validHeaders(head.headers)
  ) {
    breakProtocol(state, exchange, "The head of the answer is not a final response's.", out);
    return false;
  }
  if (isUpgrade) {
    openUpgrade(exchange, native, head.headers, out);
    return true;
  }
  // The handshake was refused: nothing more follows it.
  if (request.upgrade) sendEnd(native.session.link, native.stream, []);
  const hasBody = request.method !== "HEAD" && status !== 204 && status !== 304;
  const passed = withFraming(head.headers, status, declared);
  enterPhase(exchange, "responding");
  exchange.head = {
    status,
    // On its own name the home's service says itself who may read across sites.
    headers: route.forward.way === "query" ? withoutCors(passed) : passed,
    declaredBytes: declared,
    hasBody,
  };
  if (route.forward.blocking && hasBody && (declared ?? 0) > state.config.limits.responseBufferBytesMax) {
    failExchange(state, exchange, "limit_response_buffer", out);
    return false;
  }
  return true;
}

function deliver(
  state: ServerState,
  exchange: Exchange,
  native: NativeExchange,
  { head, body, last, trailers }: Piece,
  out: Outbox<ServerEffect>,
): void {
  const ending = passedTrailers(trailers);
  // Before the response that ends the exchange, for then the stream is nobody's any more.
  if (last) finishRequest(state, exchange, native, out);
  if (native.frames === null) {
    if (exchange.route.forward.blocking) {
      consume(native.session.link, native.stream, body.length);
      return gather(state, exchange, body, last, out);
    }
    if (head !== null && last && ending.length === 0) return respondAtOnce(state, exchange, body, out);
    if (head !== null) sendHead(state, exchange, announced(exchange, head.headers), null, out);
  }
  if (body.length > 0) {
    if (native.frames === null) passOn(state, exchange, body, out);
    else writeUpgraded(state, exchange, native.frames, body, out);
    giveUpOverLimit(state, exchange, out);
  }
  // The check above may have ended it.
  if (!last || exchange.phase !== "responding") return;
  out.push({ type: "respond_end", exchange: exchange.id, trailers: ending });
  endExchange(state, exchange, "completed", out);
}

/** A piece is a frame's last use: its head and trailers were read, and the body is nobody's but the visitor's. */
function passOn(state: ServerState, exchange: Exchange, bytes: Uint8Array, out: Outbox<ServerEffect>): void {
  countWritten(state, exchange, bytes.length);
  out.push({ type: "respond_body", exchange: exchange.id, bytes, lastUse: true });
}

/** The visitor took some of the body, so the home may send more. */
export function onNativeFlushed(state: ServerState, native: NativeExchange, bytes: number): void {
  consume(native.session.link, native.stream, bytes);
  touch(state, native.session);
}

/** The answer is complete: what is left of the request will not be needed. */
function finishRequest(
  state: ServerState,
  exchange: Exchange,
  native: NativeExchange,
  out: Outbox<ServerEffect>,
): void {
  const { send } = native.stream;
  if (!send.ended || send.queuedBytes > 0) leaveStream(state, exchange, native, "response_complete", out);
}

/**
 * What may be passed on, with one way at most to tell where the body ends: its length, or else the chunks of the next hop.
 * RFC 9110 section 8.6: a 204 has no content-length; one value remains of a repeated one.
 */
function withFraming(headers: HeaderList, status: number, declared: number | null): HeaderList {
  const passed: string[] = [];
  const list = endToEnd(headers);
  let isFramed = status === 204;
  for (let index = 0; index + 1 < list.length; index += 2) {
    const name = list[index] ?? "";
    const isLength = name.toLowerCase() === "content-length";
    if (isLength && isFramed) continue;
    if (isLength) isFramed = true;
    passed.push(name, isLength ? String(declared) : (list[index + 1] ?? ""));
  }
  return passed;
}

/** The head of a streamed response: only what goes out in chunks has trailers to announce (RFC 9110 section 6.6.2). */
function announced({ head }: Exchange, headers: HeaderList): HeaderList {
  assert(head !== null, "a response is streamed before its head");
  if (head.declaredBytes !== null || !head.hasBody) return head.headers;
  const names = headerValues(headers, "trailer");
  return names.length === 0 ? head.headers : [...head.headers, "Trailer", names.join(", ")];
}

const EMPTY = new Uint8Array(0);
