/**
 * What comes through an open socket: while it greets, its handshake; once it is a tunnel, signs of life and messages. A
 * message goes down to the carrier, and what it comes to goes to the exchanges, or ends the tunnel.
 */
import type { AgentEffect } from "../../effects.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { decodeNodes, FRAME, frameKind } from "../../wire/native.ts";
import type { CarrierFact } from "../carrier.ts";
import { onFlushed, receiveBytes, receiveText } from "../carriers.ts";
import { onFact } from "../exchange/request.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentState, NativeTunnel, Tunnel } from "../state.ts";
import { onGreetingBroken, onGreetingBytes } from "./greeting.ts";
import { onServerLeaving, rejectTunnel } from "./life.ts";
import { linkOn, noteNodes, tunnelOn } from "./links.ts";

export function onSocketText(
  state: AgentState,
  socket: SocketId,
  text: string,
  out: Outbox<AgentEffect>,
): void {
  const link = linkOn(state, socket);
  if (link?.life.phase === "greeting") {
    onGreetingBroken(state, link, socket, "a text message from the server", out);
    return;
  }
  const tunnel = heardTunnel(state, socket);
  if (tunnel !== null) takeFact(state, tunnel, receiveText(state, tunnel, text, out), out);
}

export function onSocketBytes(
  state: AgentState,
  socket: SocketId,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  const link = linkOn(state, socket);
  if (link?.life.phase === "greeting") {
    onGreetingBytes(state, link, link.life, bytes, out);
    return;
  }
  const tunnel = heardTunnel(state, socket);
  if (tunnel === null) return;
  if (tunnel.protocol === "native" && frameKind(bytes) === FRAME.nodes) {
    onNodesTold(state, tunnel, bytes, out);
    return;
  }
  takeFact(state, tunnel, receiveBytes(state, tunnel, bytes, out), out);
}

export function onSocketHeard(state: AgentState, socket: SocketId): void {
  heardTunnel(state, socket);
}

export function onSocketFlushed(
  state: AgentState,
  socket: SocketId,
  bytes: number,
  out: Outbox<AgentEffect>,
): void {
  const life = linkOn(state, socket)?.life;
  const tunnel = tunnelOn(state, socket);
  if (life?.phase === "greeting") life.helloUnsentBytes -= bytes;
  else if (tunnel !== null) onFlushed(state, tunnel, bytes, out);
}

function takeFact(state: AgentState, tunnel: Tunnel, fact: CarrierFact, out: Outbox<AgentEffect>): void {
  if (fact.type === "leaving") {
    onServerLeaving(state, tunnel, out);
  } else if (fact.type === "violation") {
    onProtocolError(state, fact.detail, out);
    rejectTunnel(state, tunnel, fact.detail, out);
  } else onFact(state, tunnel, fact, out);
}

/** Which other nodes there are. It is about the server, and no part of the session. */
function onNodesTold(
  state: AgentState,
  tunnel: NativeTunnel,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  const nodes = decodeNodes(bytes);
  if (nodes !== null) {
    noteNodes(state, nodes);
    return;
  }
  onProtocolError(state, NO_NODES, out);
  rejectTunnel(state, tunnel, NO_NODES, out);
}

const NO_NODES = "a nodes frame has no list of nodes";

/** The tunnel on that socket, which has just shown that its server lives. */
function heardTunnel(state: AgentState, socket: SocketId): Tunnel | null {
  const tunnel = tunnelOn(state, socket);
  if (tunnel !== null) tunnel.heardMs = Math.max(tunnel.heardMs, state.nowMs);
  return tunnel;
}
