/**
 * How the MoosicBox protocol carries an exchange: its whole request in one frame, and the response in packets.
 *
 * A failure before packet 1 becomes a problem response. After it the protocol has no word for giving up, and a clean end
 * would pass a part for the whole: then the server is told with ABORT, Culvert's extension. A deployed server ignores that
 * and gives up by its own deadline.
 */
import { assert, unreachable } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import { headerValue } from "../../http/headers.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { createTimer } from "../../timers.ts";
import { encodeAbortFrame } from "../../wire/frames.ts";
import { encodePacketHeader } from "../../wire/packet.ts";
import type { CarrierOrder, MoosicBoxOpened } from "../carrier.ts";
import { passedLimit } from "../patience.ts";
import { type AgentProblem, agentProblem } from "../problem.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentState, MoosicBoxCarried } from "../state.ts";
import { pauseIfCongested, sendText, takesRefusals } from "./backpressure.ts";
import { carryHead } from "./head.ts";
import { addBody, beginPackets, dropHeld, endPackets } from "./packets.ts";

export function acceptFrame(opened: MoosicBoxOpened, exchange: ExchangeId): MoosicBoxCarried {
  const carried = createCarried(opened, exchange);
  opened.tunnel.byWireId.set(carried.wireId, carried);
  return carried;
}

/** Answers a request that the origin never sees. */
export function refuseFrame(
  state: AgentState,
  opened: MoosicBoxOpened,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  if (problem === "bad_request") {
    onProtocolError(state, "a request has a method, path or header that HTTP cannot carry", out);
  }
  if (!takesRefusals(state, opened.tunnel)) {
    onProtocolError(state, "the server asks on without reading the answers", out);
    return;
  }
  // Packets are made for a number, here too.
  const carried = createCarried(opened, ++state.exchangesMade as ExchangeId);
  sendProblem(state, carried, problem, out);
}

/** The problem of a head that the protocol cannot carry, else null. */
export function obeyMoosicBox(
  state: AgentState,
  carried: MoosicBoxCarried,
  order: CarrierOrder,
  out: Outbox<AgentEffect>,
): AgentProblem | null {
  switch (order.type) {
    case "interim":
      // The protocol has no place for it.
      break;
    case "head":
      return beginResponse(state, carried, order, out);
    case "end":
      forget(carried);
      endPackets(state, carried, out);
      break;
    case "give_up":
      forget(carried);
      dropHeld(state, carried);
      if (carried.packetsSent === 0) sendProblem(state, carried, order.problem, out);
      else sendText(state, carried.tunnel, encodeAbortFrame(carried.wireId), out);
      break;
    case "drop":
      forget(carried);
      dropHeld(state, carried);
      break;
    default:
      unreachable(order);
  }
  return null;
}

export function addPiece(
  state: AgentState,
  carried: MoosicBoxCarried,
  bytes: Uint8Array,
  isComplete: boolean,
  out: Outbox<AgentEffect>,
): void {
  carried.complete = isComplete;
  addBody(state, carried, bytes, out);
}

export function moosicBoxHeldUntilMs({ paused, relievedMs }: MoosicBoxCarried, nowMs: number): number {
  return paused ? nowMs : relievedMs;
}

function beginResponse(
  state: AgentState,
  carried: MoosicBoxCarried,
  { status, headers, bodyBytes }: Extract<CarrierOrder, { type: "head" }>,
  out: Outbox<AgentEffect>,
): AgentProblem | null {
  const fields = carryHead(status, headers);
  if (typeof fields === "string") return fields;
  const head = { status, headers: fields };
  const firstHeader = encodePacketHeader({ requestId: carried.wireId, packetId: 1, last: false, head });
  if (firstHeader.length > state.config.limits.packetBytesMax) return "limit_response_headers";
  carried.complete = bodyBytes === 0;
  beginPackets(state, carried, firstHeader);
  pauseIfCongested(carried, out);
  return null;
}

function sendProblem(
  state: AgentState,
  carried: MoosicBoxCarried,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  const { wireId, method, accept } = carried;
  const detail = passedLimit(state.config.limits, null, problem);
  const { docsUrl } = state.config;
  const occasion = { detail, requestId: wireId, accept, docsUrl };
  const { status, headers, body } = agentProblem(problem, occasion);
  const head = { status, headers };
  beginPackets(state, carried, encodePacketHeader({ requestId: wireId, packetId: 1, last: false, head }));
  if (method !== "HEAD") addBody(state, carried, body, out);
  endPackets(state, carried, out);
}

function forget({ tunnel, wireId }: MoosicBoxCarried): void {
  assert(tunnel.byWireId.delete(wireId), "an exchange is forgotten twice");
}

function createCarried(
  { tunnel, requestId, request }: MoosicBoxOpened,
  exchange: ExchangeId,
): MoosicBoxCarried {
  return {
    protocol: "moosicbox",
    exchange,
    tunnel,
    wireId: requestId,
    method: request.method,
    accept: headerValue(request.headers, "accept") ?? null,
    paused: false,
    relievedMs: 0,
    complete: false,
    firstHeader: null,
    packetsSent: 0,
    held: [],
    heldBytes: 0,
    fillTimer: createTimer({ kind: "fill", exchange }),
  };
}
