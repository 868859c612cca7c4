/**
 * The way of the home's answer to the visitor, whatever carries it: pieces come in their order, the first with the head. The
 * body is streamed on as it comes, or gathered and sent whole for a blocking request. What the visitor has taken is told the
 * carrier, so that a slow visitor slows his own exchange alone, as far as the carrier can.
 *
 * A home may answer before it has the whole request. Its answer is passed on while the request goes on; where the answer ends
 * first, the rest of the request is nobody's, and the visitor's connection ends with the response.
 */
import { assert } from "../../assert.ts";
import { withoutSetCookies } from "../../browser/cookies.ts";
import { retain } from "../../bytes.ts";
import type { ServerEffect } from "../../effects.ts";
import { type ContentCoding, chooseCoding, compressedHeaders } from "../../http/compression.ts";
import { withoutCors } from "../../http/cors.ts";
import { visitorSite } from "../../http/forwarded.ts";
import {
  endToEnd,
  type HeaderList,
  validHeaders,
  withoutHeader,
  withoutHeaders,
} from "../../http/headers.ts";
import { outOfHome } from "../../http/home-path.ts";
import { withoutOriginWide } from "../../http/shared-origin.ts";
import { passedTrailers } from "../../http/trailers.ts";
import type { Outbox } from "../../outbox.ts";
import type { CarriedHead, PieceFact } from "../carrier.ts";
import { nextPiece, obey } from "../carriers.ts";
import { markFields, withoutMark } from "../peer/mark.ts";
import { isSessionCookie } from "../routing/session-cookie.ts";
import type { Exchange, ResponseHead } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { endExchange, enterPhase, failExchange, resumeRequest } from "./exchange.ts";
import { hold, release } from "./held.ts";
import { giveUpOverLimit } from "./overload.ts";
import { readBody } from "./request.ts";
import { corsOf, respondWhole, write } from "./respond.ts";
import { openUpgrade, writeUpgraded } from "./upgrade.ts";

/** A 1xx response. `100 Continue` is answered by reading on; the adapter alone says it to the visitor. */
export function onInterim(
  state: ServerState,
  exchange: Exchange,
  status: number,
  headers: HeaderList,
  out: Outbox<ServerEffect>,
): void {
  exchange.lastProgressMs = state.nowMs;
  if (status === 100) return readBody(state, exchange, out);
  if (exchange.phase !== "waiting" || !validHeaders(headers)) return;
  const passed = withoutHeaders(endToEnd(headers), (name) => name === "content-length");
  const told = headersFor(state, exchange, passed);
  out.push({ type: "respond_interim", exchange: exchange.id, status, headers: told });
}

/** A piece waits in the carrier for those before it. */
export function onParked(
  state: ServerState,
  exchange: Exchange,
  bytes: number,
  out: Outbox<ServerEffect>,
): void {
  exchange.lastProgressMs = state.nowMs;
  hold(state, exchange, bytes);
  giveUpOverLimit(state, exchange, out);
}

export function onPiece(
  state: ServerState,
  exchange: Exchange,
  piece: PieceFact,
  out: Outbox<ServerEffect>,
): void {
  exchange.lastProgressMs = state.nowMs;
  deliver(state, exchange, piece, out);
  while (exchange.phase === "responding" && exchange.carried !== null) {
    const next = nextPiece(exchange.carried);
    if (next === null) break;
    release(state, exchange, next.body.length);
    deliver(state, exchange, next, out);
  }
}

/** The visitor took some of the body. */
export function onResponseFlushed(
  state: ServerState,
  exchange: Exchange,
  bytes: number,
  out: Outbox<ServerEffect>,
): void {
  // What was on its way when the connection was ordered to be destroyed counts no more.
  if (exchange.isCut) return;
  assert(bytes <= exchange.unflushedBytes, "a visitor took more than it was given");
  exchange.lastProgressMs = state.nowMs;
  exchange.unflushedBytes -= bytes;
  release(state, exchange, bytes);
  credit(state, exchange, bytes, out);
}

function deliver(state: ServerState, exchange: Exchange, piece: PieceFact, out: Outbox<ServerEffect>): void {
  if (piece.head !== null && !takeHead(state, exchange, piece.head, out)) return;
  const { head } = exchange;
  assert(head !== null, "a piece is delivered before the head");
  if (head.hasBody && !takeLength(state, exchange, head, piece, out)) return;
  const isGathered = exchange.route.forward.blocking && exchange.frames === null;
  // What is not written to the visitor is dealt with at once.
  if (isGathered || !head.hasBody) credit(state, exchange, piece.body.length, out);
  const body = head.hasBody ? piece.body : EMPTY;
  // Before the response that ends the exchange, for then it is carried no longer.
  if (piece.last) finishRequest(state, exchange, out);
  if (isGathered) gather(state, exchange, body, piece.last, out);
  else stream(state, exchange, piece, body, out);
}

/** Keeps the head; false where the exchange failed by it. */
function takeHead(
  state: ServerState,
  exchange: Exchange,
  { status, headers, declaredBytes, compressible }: CarriedHead,
  out: Outbox<ServerEffect>,
): boolean {
  const { request, route } = exchange;
  if (status === 101) {
    openUpgrade(exchange, headersFor(state, exchange, headers), out);
    return true;
  }
  // The handshake was refused: nothing more follows it.
  if (request.upgrade && exchange.carried !== null) {
    obey(state, exchange.carried, { type: "end", trailers: [] }, out);
  }
  const hasBody = request.method !== "HEAD" && status !== 204 && status !== 304;
  enterPhase(exchange, "responding");
  exchange.head = {
    status,
    headers: headersFor(state, exchange, headers, compressible),
    declaredBytes,
    hasBody,
  };
  const isTooLong = (declaredBytes ?? 0) > state.config.limits.responseBufferBytesMax;
  if (!route.forward.blocking || !hasBody || !isTooLong) return true;
  failExchange(state, exchange, "limit_response_buffer", out);
  return false;
}

/**
 * On its own name the home's service speaks for itself; elsewhere it shares a web origin with others. What it says of other
 * ways to it (RFC 7838) is of its own machine, which is not where its visitors come. Another node gets all of it as it is, and
 * does the same with it for its visitor.
 */
function headersFor(
  state: ServerState,
  { request, route, hop }: Exchange,
  received: HeaderList,
  compressible = false,
): HeaderList {
  if (hop !== null) return [...withoutMark(received), ...markFields({ type: "home", compressible })];
  const { way, prefix } = route.forward;
  const headers = withoutSetCookies(withoutHeader(received, "alt-svc"), isSessionCookie);
  if (way === "host") return headers;
  const shared = withoutOriginWide(headers);
  if (way === "query") return withoutCors(shared);
  return outOfHome(shared, visitorSite(request, state, prefix));
}

/** Holds the body against its declared length (RFC 9112 section 6.3); false where the exchange failed by it. */
function takeLength(
  state: ServerState,
  exchange: Exchange,
  { declaredBytes }: ResponseHead,
  { body, last }: PieceFact,
  out: Outbox<ServerEffect>,
): boolean {
  exchange.responseBytes += body.length;
  if (declaredBytes === null) return true;
  const { responseBytes } = exchange;
  if (responseBytes <= declaredBytes && (!last || responseBytes === declaredBytes)) return true;
  state.counters.agentProtocolErrors++;
  const detail = "The body is not as long as its content-length says.";
  failExchange(state, exchange, "agent_protocol", out, { detail });
  return false;
}

/** The answer is complete: what is left of the request will not be needed. */
function finishRequest(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  resumeRequest(exchange, out);
  if (exchange.carried !== null) obey(state, exchange.carried, ANSWERED, out);
}

function stream(
  state: ServerState,
  exchange: Exchange,
  { head, last, lastUse, trailers }: PieceFact,
  body: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  const { frames } = exchange;
  const ending = last ? passedTrailers(trailers) : NONE;
  if (head !== null && frames === null) {
    const coding = head.compressible && exchange.hop === null ? codingFor(exchange) : null;
    if (last && coding === null && ending.length === 0) return respondAtOnce(state, exchange, body, out);
    sendHead(state, exchange, head.trailerNames, coding, out);
  }
  if (body.length > 0) {
    if (frames === null) write(state, exchange, body, lastUse, out);
    else writeUpgraded(state, exchange, frames, body, out);
    given(state, exchange, out);
    giveUpOverLimit(state, exchange, out);
  }
  // The check above may have ended it.
  if (!last || exchange.phase !== "responding") return;
  out.push({ type: "respond_end", exchange: exchange.id, trailers: ending });
  endExchange(state, exchange, "completed", out);
}

/** A response that came in one piece leaves in one write. */
function respondAtOnce(
  state: ServerState,
  exchange: Exchange,
  body: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  const { head } = exchange;
  assert(head !== null, "a body is sent before its head");
  const headers = framed(head, body.length);
  respondWhole(state, exchange, { status: head.status, headers, body: body.length === 0 ? [] : [body] }, out);
  endExchange(state, exchange, "completed", out);
  giveUpOverLimit(state, exchange, out);
}

/** Keeps a piece of a blocking response; `complete` where it was the last one. */
function gather(
  state: ServerState,
  exchange: Exchange,
  body: Uint8Array,
  complete: boolean,
  out: Outbox<ServerEffect>,
): void {
  if (exchange.responseBytes > state.config.limits.responseBufferBytesMax) {
    return failExchange(state, exchange, "limit_response_buffer", out);
  }
  if (body.length > 0) {
    exchange.responseParts.push(retain(body));
    hold(state, exchange, body.length);
    giveUpOverLimit(state, exchange, out);
  }
  if (exchange.phase === "responding" && complete) sendGathered(state, exchange, out);
}

/** In pieces, so that the progress of a visitor who takes it slowly can be seen. */
function sendGathered(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { head } = exchange;
  assert(head !== null, "a body is sent before its head");
  pushHead(state, exchange, head, framed(head, exchange.responseBytes), null, out);
  const parts = exchange.responseParts;
  exchange.responseParts = [];
  for (const part of parts) {
    release(state, exchange, part.length);
    write(state, exchange, part, false, out);
  }
  out.push({ type: "respond_end", exchange: exchange.id, trailers: [] });
  endExchange(state, exchange, "completed", out);
}

/** The head of a streamed response: only what goes out in chunks has trailers to announce (RFC 9110 section 6.6.2). */
function sendHead(
  state: ServerState,
  exchange: Exchange,
  trailerNames: string,
  coding: ContentCoding | null,
  out: Outbox<ServerEffect>,
): void {
  const { head } = exchange;
  assert(head !== null, "a head is sent before it came");
  const { headers } = head;
  const isAnnounced = trailerNames !== "" && head.hasBody;
  if (coding !== null) pushHead(state, exchange, head, compressedHeaders(headers, coding), coding, out);
  else
    pushHead(state, exchange, head, isAnnounced ? [...headers, "Trailer", trailerNames] : headers, null, out);
}

function pushHead(
  state: ServerState,
  exchange: Exchange,
  { status }: ResponseHead,
  headers: HeaderList,
  coding: ContentCoding | null,
  out: Outbox<ServerEffect>,
): void {
  exchange.headSent = true;
  exchange.status = status;
  out.push({
    type: "respond_head",
    exchange: exchange.id,
    status,
    headers: [...headers, ...corsOf(state, exchange)],
    coding,
  });
}

function codingFor({ request, head }: Exchange): ContentCoding | null {
  assert(head !== null, "a coding is chosen before the head came");
  const { method, headers: requestHeaders } = request;
  const { status, headers: responseHeaders } = head;
  return chooseCoding({ method, status, requestHeaders, responseHeaders });
}

/** The head of a response whose body is there as a whole: it tells its length. */
function framed({ headers, declaredBytes, hasBody }: ResponseHead, bytes: number): HeaderList {
  return declaredBytes !== null || !hasBody ? headers : [...headers, "content-length", String(bytes)];
}

function given(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { carried, unflushedBytes } = exchange;
  if (carried !== null) obey(state, carried, { type: "given", unflushedBytes }, out);
}

function credit(state: ServerState, exchange: Exchange, bytes: number, out: Outbox<ServerEffect>): void {
  const { carried, unflushedBytes } = exchange;
  if (carried !== null) obey(state, carried, { type: "credit", bytes, unflushedBytes }, out);
}

const ANSWERED = { type: "answered" } as const;
const NONE: HeaderList = [];
const EMPTY = new Uint8Array(0);
