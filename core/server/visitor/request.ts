/**
 * The way of a request to its home. Where the home's carrier takes requests whole, the body is gathered first. Else it is
 * streamed: it is read from the visitor at once, or where it comes only after `100 Continue`, when the home has said so or
 * said nothing for `continueMs`.
 */
import { assert } from "../../assert.ts";
import { retain } from "../../bytes.ts";
import type { ServerEffect } from "../../effects.ts";
import type { HeaderList } from "../../http/headers.ts";
import { passedTrailers } from "../../http/trailers.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import type { Refusal } from "../carrier.ts";
import {
  asksForBody,
  carriedBytes,
  gatheredBody,
  intakeOf,
  obey,
  openOn,
  refusalOf,
  takesMore,
} from "../carriers.ts";
import { liveTunnel } from "../owner/homes.ts";
import { noteRecalled } from "../owner/recalled.ts";
import type { CallResult } from "../registry/calls.ts";
import { stillOpens } from "../routing/access.ts";
import type { Exchange } from "../state/exchange.ts";
import type { PeerConnection } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";
import type { Carried, Tunnel } from "../state/tunnels.ts";
import {
  addressOf,
  armDeadline,
  armIdleDeadline,
  enterPhase,
  failExchange,
  resumeRequest,
} from "./exchange.ts";
import { hold, releaseUnwritten } from "./held.ts";
import { letsInPeer, wayElsewhere } from "./hop.ts";
import { giveUpOverLimit } from "./overload.ts";
import { hasShare, takeShare } from "./shares.ts";
import { waitForHome } from "./waiting.ts";

/** The registry's word on when the home of a request that was let in was there last; it may be back meanwhile. */
export function onWayRecalled(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type === "home_recalled") noteRecalled(state, clientId, result.home);
  forwardRequest(state, exchange, clientId, out);
}

/** The request is authorized, and whose home it is for is known. Called again when a home that was waited for is back. */
export function forwardRequest(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): void {
  exchange.clientId = clientId;
  const tunnel = liveTunnel(state, clientId);
  if (tunnel === undefined) {
    const connection = wayElsewhere(state, exchange, clientId, out);
    if (connection !== null) stream(state, exchange, connection, out);
    return;
  }
  if (!isLetIn(state, exchange, tunnel)) return turnBack(state, exchange, out);
  const { request, route } = exchange;
  const refused = refusalOf(tunnel, request, route.forward.target);
  if (refused !== null) return refuse(state, exchange, refused, out);
  switch (intakeOf(tunnel)) {
    case "not_now":
      return waitForHome(state, exchange, clientId, out);
    case "streamed":
      return stream(state, exchange, tunnel, out);
    case "gathered":
      if (!request.hasBody) return carry(state, exchange, tunnel, null, out);
      enterPhase(exchange, "reading");
      return askForBody(state, exchange, out);
  }
}

export function onRequestBody(
  state: ServerState,
  exchange: Exchange,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  if (exchange.carried !== null) return streamOn(state, exchange, exchange.carried, bytes, out);
  if (!isReading(exchange)) return;
  exchange.lastProgressMs = state.nowMs;
  exchange.requestBytes += bytes.length;
  const { requestBodyBytesMax, signInBytesMax } = state.config.limits;
  const isForm = state.signIns.has(exchange.id);
  if (exchange.requestBytes > (isForm ? signInBytesMax : requestBodyBytesMax)) {
    return failExchange(state, exchange, "limit_request_body", out);
  }
  exchange.requestParts.push(retain(bytes));
  hold(state, exchange, bytes.length);
  giveUpOverLimit(state, exchange, out);
}

export function onRequestEnded(
  state: ServerState,
  exchange: Exchange,
  trailers: HeaderList,
  out: Outbox<ServerEffect>,
): void {
  if (exchange.carried !== null) return endStream(state, exchange, exchange.carried, trailers, out);
  if (!isReading(exchange)) return;
  assert(exchange.clientId !== null, "a request is read for nobody");
  exchange.requestRead = true;
  exchange.requestTrailers = trailers;
  const tunnel = liveTunnel(state, exchange.clientId);
  // A carrier of another kind may have taken over while the body came in.
  if (tunnel !== undefined && intakeOf(tunnel) !== "gathered") {
    return forwardRequest(state, exchange, exchange.clientId, out);
  }
  const payload = exchange.requestBytes === 0 ? null : gatheredBody(exchange.requestParts);
  if (typeof payload === "object" && payload !== null) return refuse(state, exchange, payload, out);
  // The home may have left meanwhile.
  if (tunnel === undefined) return failExchange(state, exchange, "agent_not_connected", out);
  if (!isLetIn(state, exchange, tunnel)) return turnBack(state, exchange, out);
  carry(state, exchange, tunnel, payload, out);
}

/** Asks for the body, unless it was asked for or the home has answered without it. */
export function readBody(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  if (isUnasked(exchange) && exchange.phase === "waiting") askForBody(state, exchange, out);
}

/** Whether there is a body that the visitor was not asked for yet. */
export function isUnasked({ request, requestAsked }: Exchange): boolean {
  return request.hasBody && !request.upgrade && !requestAsked;
}

/** The carrier has room again: the visitor is read on. */
export function onRequestRelieved(state: ServerState, id: ExchangeId, out: Outbox<ServerEffect>): void {
  const exchange = state.exchanges.get(id);
  // It may have ended since the carrier noticed.
  if (exchange === undefined || !exchange.requestPaused) return;
  resumeRequest(exchange, out);
  if (exchange.phase === "waiting" && !exchange.requestRead) {
    armIdleDeadline(state, exchange);
  }
}

/** The home may have another agent meanwhile, with another mode than the one that let this visitor in. */
function isLetIn(state: ServerState, { access, hop }: Exchange, tunnel: Tunnel): boolean {
  if (hop !== null) return letsInPeer(state, hop, tunnel);
  return access === null || stillOpens(access, tunnel.access);
}

/** It is not known whether what the visitor showed is good under the new mode: he may ask again. */
function turnBack(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  failExchange(state, exchange, "agent_not_connected", out, { detail: TAKEN_OVER });
}

/** False where what came was on its way when the exchange ended: it falls on the floor. */
function isReading(exchange: Exchange): boolean {
  if (exchange.phase === "closing") return false;
  assert(exchange.phase === "reading", "a request body came that was not asked for");
  return true;
}

export function askForBody(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  exchange.requestAsked = true;
  armIdleDeadline(state, exchange);
  out.push({ type: "exchange_read", exchange: exchange.id });
}

/** The carrier gets the whole request. */
function carry(
  state: ServerState,
  exchange: Exchange,
  tunnel: Tunnel,
  payload: string | null,
  out: Outbox<ServerEffect>,
): void {
  const carried = open(state, exchange, tunnel, payload, out);
  if (carried !== null) releaseUnwritten(state, exchange);
}

/** The carrier gets the head, and what there is of the body already. */
function stream(
  state: ServerState,
  exchange: Exchange,
  way: Tunnel | PeerConnection,
  out: Outbox<ServerEffect>,
): void {
  const carried = open(state, exchange, way, null, out);
  const { request } = exchange;
  if (carried === null || request.upgrade) return;
  if (!request.hasBody) obey(state, carried, END, out);
  else if (exchange.requestRead) streamGathered(state, exchange, carried, out);
  else if (asksForBody(carried)) return;
  else if (request.expectsContinue) armDeadline(state, exchange, state.config.limits.continueMs);
  else readBody(state, exchange, out);
}

/** Begins the exchange's way over the tunnel, or to another node; null where it failed by that. */
function open(
  state: ServerState,
  exchange: Exchange,
  way: Tunnel | PeerConnection,
  payload: string | null,
  out: Outbox<ServerEffect>,
): Carried | null {
  const { id, clientId, request, route, access } = exchange;
  assert(clientId !== null, "a request goes to nobody's home");
  addressOf(state, exchange);
  if (!hasShare(state, exchange)) {
    failExchange(state, exchange, "limit_address", out);
    return null;
  }
  const passesAuthorization = exchange.passesAuthorization === true;
  const attempt = exchange.hops;
  const order = { exchange: id, clientId, request, route, access, passesAuthorization, attempt, payload };
  const opened = openOn(state, way, order, out);
  if ("code" in opened) {
    refuse(state, exchange, opened, out);
    return null;
  }
  exchange.carried = opened;
  if (opened.carrier === "peer") exchange.hops++;
  takeShare(state, exchange);
  enterPhase(exchange, "waiting");
  armIdleDeadline(state, exchange);
  return opened;
}

function refuse(
  state: ServerState,
  exchange: Exchange,
  { code, detail, headers }: Refusal,
  out: Outbox<ServerEffect>,
): void {
  failExchange(state, exchange, code, out, detail === null ? { headers } : { detail, headers });
}

/** The body was gathered for a carrier of another kind than the one that has it now. */
function streamGathered(
  state: ServerState,
  exchange: Exchange,
  carried: Carried,
  out: Outbox<ServerEffect>,
): void {
  for (const bytes of exchange.requestParts) obey(state, carried, { type: "body", bytes }, out);
  releaseUnwritten(state, exchange);
  obey(state, carried, { type: "end", trailers: passedTrailers(exchange.requestTrailers) }, out);
}

/** Body bytes, or of an upgrade the raw bytes after its 101. */
function streamOn(
  state: ServerState,
  exchange: Exchange,
  carried: Carried,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  assert(exchange.requestAsked, "a request body came that was not asked for");
  exchange.lastProgressMs = state.nowMs;
  exchange.requestBytes += bytes.length;
  if (bytes.length === 0) return;
  obey(state, carried, { type: "body", bytes }, out);
  if (queuedBytes(state) + bytes.length > state.config.limits.heldBytesTotal) {
    return failExchange(state, largestSender(state, exchange), "limit_slow_agent", out);
  }
  if (exchange.requestPaused || takesMore(state, carried)) return;
  exchange.requestPaused = true;
  obey(state, carried, { type: "await_room" }, out);
  out.push({ type: "exchange_pause", exchange: exchange.id, paused: true });
}

function endStream(
  state: ServerState,
  exchange: Exchange,
  carried: Carried,
  trailers: HeaderList,
  out: Outbox<ServerEffect>,
): void {
  assert(exchange.requestAsked, "a request body ended that was not asked for");
  exchange.requestRead = true;
  obey(state, carried, { type: "end", trailers: passedTrailers(trailers) }, out);
  // From now on it is the home that is waited for.
  if (exchange.phase === "waiting") armIdleDeadline(state, exchange);
}

/** Held of answers, and of requests by all carriers. */
function queuedBytes({ heldBytes, sessionBytes, peers }: ServerState): number {
  return heldBytes + sessionBytes + peers.queuedBytes;
}

/** The exchange whose carrier holds most of its request. */
function largestSender(state: ServerState, exchange: Exchange): Exchange {
  let largest = exchange;
  for (const other of state.exchanges.values()) if (sentBytes(other) > sentBytes(largest)) largest = other;
  return largest;
}

function sentBytes({ carried }: Exchange): number {
  return carried === null ? 0 : carriedBytes(carried);
}

const TAKEN_OVER = "The home has changed who may visit it. Ask again.";

const END = { type: "end", trailers: [] } as const;
