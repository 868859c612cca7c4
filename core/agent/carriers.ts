/**
 * The carriers as one: each order goes to the room of the carrier that it is for, and so does each message of the server.
 * Nothing above this file knows how an exchange is carried, and no room knows of the other.
 */
import { assert } from "../assert.ts";
import type { AgentEffect } from "../effects.ts";
import type { ExchangeId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import {
  type CarrierFact,
  type CarrierOrder,
  NOTHING,
  type Opened,
  type RequestPiece,
  violation,
} from "./carrier.ts";
import { onPacketsFlushed } from "./moosicbox/backpressure.ts";
import {
  acceptFrame,
  addPiece,
  moosicBoxHeldUntilMs,
  obeyMoosicBox,
  refuseFrame,
} from "./moosicbox/orders.ts";
import { flushHeld } from "./moosicbox/packets.ts";
import { receiveServerText } from "./moosicbox/receive.ts";
import {
  acceptStream,
  consumeAny,
  nativeHeldUntilMs,
  obeyNative,
  queuePiece,
  refuseStream,
  release,
} from "./native/orders.ts";
import { exchangeOfPiece, receiveServerFrame } from "./native/receive.ts";
import { isSessionDone, onFramesFlushed, pumpSession, tellDraining } from "./native/session.ts";
import type { AgentProblem } from "./problem.ts";
import { onProtocolError } from "./protocol-error.ts";
import type { AgentState, Carried, Tunnel } from "./state.ts";

/** The exchange of that number begins: from here on its carrier has a record of it. */
export function accept(opened: Opened, exchange: ExchangeId): Carried {
  return opened.protocol === "native" ? acceptStream(opened, exchange) : acceptFrame(opened, exchange);
}

/** No origin sees the request: the problem is its answer. */
export function refuse(
  state: AgentState,
  opened: Opened,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  if (opened.protocol === "native") refuseStream(state, opened, problem, out);
  else refuseFrame(state, opened, problem, out);
}

/** The problem of a head that cannot be carried, which leaves all as it was; else null. */
export function order(
  state: AgentState,
  carried: Carried,
  what: CarrierOrder,
  out: Outbox<AgentEffect>,
): AgentProblem | null {
  return carried.protocol === "native"
    ? obeyNative(state, carried, what)
    : obeyMoosicBox(state, carried, what, out);
}

/** A piece of the response's body. `isComplete` says that it is the last one by the declared length. */
export function carryPiece(
  state: AgentState,
  carried: Carried,
  bytes: Uint8Array,
  isComplete: boolean,
  out: Outbox<AgentEffect>,
): void {
  if (carried.protocol === "native") queuePiece(state, carried, bytes, isComplete);
  else addPiece(state, carried, bytes, isComplete, out);
}

/** So many bytes of the request's body were taken, or will never be. */
export function giveCredit(carried: Carried, bytes: number): void {
  if (carried.protocol === "native") consumeAny(carried.session, carried.stream, bytes);
}

/** What waits to fill a packet or frame has waited long enough. */
export function flushWaiting(state: AgentState, carried: Carried, out: Outbox<AgentEffect>): void {
  if (carried.protocol === "native") release(state, carried);
  else flushHeld(state, carried, out);
}

/**
 * Whether something may go to and fro before the response's head: pieces of the request and credit for them, and interim
 * responses. MoosicBox brings a request whole and has a place for one head.
 */
export function isDuplex(carried: Carried): boolean {
  return carried.protocol === "native";
}

/** Until when the carrier has paused the origin: now, or when it was last allowed to go on. */
export function heldUntilMs(carried: Carried, nowMs: number): number {
  return carried.protocol === "native"
    ? nativeHeldUntilMs(carried, nowMs)
    : moosicBoxHeldUntilMs(carried, nowMs);
}

/** Whose piece it is, of those that the tunnel carries. */
export function exchangeOf(tunnel: Tunnel, piece: RequestPiece): ExchangeId {
  assert(tunnel.protocol === "native", "a request comes in pieces over a tunnel that brings it whole");
  return exchangeOfPiece(tunnel.session, piece);
}

export function receiveText(
  state: AgentState,
  tunnel: Tunnel,
  text: string,
  out: Outbox<AgentEffect>,
): CarrierFact {
  if (tunnel.protocol === "moosicbox") return receiveServerText(state, tunnel, text, out);
  return violation("a text message from the server");
}

export function receiveBytes(
  state: AgentState,
  tunnel: Tunnel,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): CarrierFact {
  if (tunnel.protocol === "native") return receiveServerFrame(state, tunnel.session, bytes);
  onProtocolError(state, "a binary message from the server", out);
  return NOTHING;
}

/** `bytes` of what was ordered on the tunnel's socket have left. */
export function onFlushed(state: AgentState, tunnel: Tunnel, bytes: number, out: Outbox<AgentEffect>): void {
  if (tunnel.protocol === "native") onFramesFlushed(tunnel, bytes);
  else onPacketsFlushed(state, tunnel, bytes, out);
}

/** To be called once after each step: what was queued leaves, as far as the socket and the server's credit let it. */
export function sendQueued(state: AgentState, out: Outbox<AgentEffect>): void {
  for (const { session } of state.olderLinks) pumpSession(state, session, out);
  for (const { session } of state.links) if (session !== null) pumpSession(state, session, out);
}

/** The agent takes nothing new; a server that can be told so is told. */
export function beginDraining(tunnel: Tunnel): void {
  if (tunnel.protocol === "native") tellDraining(tunnel.session);
}

/** Whether all that ran is finished, sent, and where the protocol tells so, received. */
export function isDone(tunnel: Tunnel): boolean {
  if (tunnel.protocol === "native") return isSessionDone(tunnel.session);
  return tunnel.byWireId.size === 0 && tunnel.unsentBytes === 0;
}
