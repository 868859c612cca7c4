/**
 * From the origin to the server: the head, the body counted against its declared length, the end, and the deadlines of an
 * origin that says nothing. What the head may say, and how bytes become packets or frames, is the carrier's.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { OriginFault } from "../../events.ts";
import { contentLength, type HeaderList } from "../../http/headers.ts";
import { passedTrailers } from "../../http/trailers.ts";
import { takesHandshake } from "../../http/upgrade.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { arm } from "../../timers.ts";
import { carryPiece, flushWaiting, heldUntilMs, isDuplex, order } from "../carriers.ts";
import { originIdleMs } from "../patience.ts";
import type { AgentState, Exchange } from "../state.ts";
import { complete, cutOrigin, giveUp } from "./ends.ts";
import { towardsVisitor } from "./places.ts";

export function onOriginInterim(
  state: AgentState,
  id: ExchangeId,
  status: number,
  headers: HeaderList,
  out: Outbox<AgentEffect>,
): void {
  const exchange = state.exchanges.get(id);
  if (exchange === undefined || !isDuplex(exchange.carried)) return;
  exchange.heardMs = state.nowMs;
  const passed = towardsVisitor(headers, exchange.places, state.config);
  order(state, exchange.carried, { type: "interim", status, headers: passed }, out);
}

export function onOriginHead(
  state: AgentState,
  id: ExchangeId,
  status: number,
  headers: HeaderList,
  out: Outbox<AgentEffect>,
): void {
  const exchange = state.exchanges.get(id);
  if (exchange === undefined) return;
  assert(!exchange.headed, "an origin's head came twice");
  exchange.heardMs = state.nowMs;
  const length = contentLength(headers);
  if (length === "invalid") {
    cutOrigin(state, exchange, "origin_malformed", out);
    return;
  }
  const upgraded = status === 101;
  if (upgraded && exchange.accept !== null && !takesHandshake(headers, exchange.accept)) {
    cutOrigin(state, exchange, "origin_handshake", out);
    return;
  }
  const hasBody = upgraded || mayHaveBody(exchange.method, status);
  const bodyBytes = upgraded || !hasBody ? null : length;
  const passed = towardsVisitor(headers, exchange.places, state.config);
  const head = { type: "head", status, headers: passed, hasBody, bodyBytes } as const;
  const problem = order(state, exchange.carried, head, out);
  if (problem !== null) {
    cutOrigin(state, exchange, problem, out);
    return;
  }
  exchange.headed = true;
  exchange.upgraded = upgraded;
  exchange.hasBody = hasBody;
  exchange.bodyLeft = bodyBytes;
}

export function onOriginBody(
  state: AgentState,
  id: ExchangeId,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  const exchange = state.exchanges.get(id);
  if (exchange === undefined) return;
  assert(exchange.headed, "an origin's body came before its head");
  exchange.heardMs = state.nowMs;
  if (!exchange.hasBody || bytes.length === 0) return;
  if (exchange.bodyLeft !== null) {
    if (bytes.length > exchange.bodyLeft) {
      cutOrigin(state, exchange, "origin_broken", out);
      return;
    }
    exchange.bodyLeft -= bytes.length;
  }
  carryPiece(state, exchange.carried, bytes, exchange.bodyLeft === 0, out);
}

export function onOriginEnded(
  state: AgentState,
  id: ExchangeId,
  trailers: HeaderList,
  out: Outbox<AgentEffect>,
): void {
  const exchange = state.exchanges.get(id);
  if (exchange === undefined) return;
  assert(exchange.headed, "an origin's answer ended before its head");
  const { hasBody, bodyLeft, upgraded } = exchange;
  if (bodyLeft !== null && bodyLeft > 0) {
    giveUp(state, exchange, "origin_broken", out);
    return;
  }
  const hasPlace = hasBody && bodyLeft === null && !upgraded;
  complete(state, exchange, hasPlace ? passedTrailers(trailers) : [], out);
}

export function onOriginFailed(
  state: AgentState,
  id: ExchangeId,
  fault: OriginFault,
  out: Outbox<AgentEffect>,
): void {
  const exchange = state.exchanges.get(id);
  if (exchange !== undefined) giveUp(state, exchange, `origin_${fault}`, out);
}

/**
 * The origin's time may be up. Events only note when they came. It is excused while it is paused, while it waits for a body
 * that the visitor does not send, for which the server has a deadline, and on a WebSocket as long as it takes what it is sent:
 * whether it is still there is for the kernel's probes to find out.
 */
export function onOriginDeadline(state: AgentState, id: ExchangeId, out: Outbox<AgentEffect>): void {
  const exchange = runningOf(state, id);
  const { headed, requestEnded, unflushedBytes, upgrade, upgraded } = exchange;
  const waitsForVisitor = upgrade ? upgraded : !headed && !requestEnded;
  if (waitsForVisitor && unflushedBytes === 0) exchange.heardMs = state.nowMs;
  const heardMs = Math.max(exchange.heardMs, heldUntilMs(exchange.carried, state.nowMs));
  const dueMs = heardMs + originIdleMs(state, exchange.carried);
  if (state.nowMs < dueMs) arm(state.timers, exchange.originTimer, dueMs);
  else cutOrigin(state, exchange, "origin_timeout", out);
}

/** What waited to fill a packet or frame has waited long enough. */
export function onFillDeadline(state: AgentState, id: ExchangeId, out: Outbox<AgentEffect>): void {
  flushWaiting(state, runningOf(state, id).carried, out);
}

/** RFC 9112 section 6.3: these have no body, whatever their content-length says. */
function mayHaveBody(method: string, status: number): boolean {
  return method !== "HEAD" && status !== 204 && status !== 304;
}

function runningOf(state: AgentState, id: ExchangeId): Exchange {
  const exchange = state.exchanges.get(id);
  assert(exchange !== undefined, "a timer outlived its exchange");
  return exchange;
}
