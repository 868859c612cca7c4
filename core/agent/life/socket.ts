/**
 * What comes through an open socket: while it greets, its handshake; once it is a tunnel, signs of life and messages. A
 * message goes down to the carrier, and what it comes to goes to the exchanges, or ends the tunnel.
 */
import type { AgentEffect } from "../../effects.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import type { CarrierFact } from "../carrier.ts";
import { onFlushed, receiveBytes, receiveText } from "../carriers.ts";
import { onFact } from "../exchange/request.ts";
import { onProtocolError } from "../protocol-error.ts";
import { type AgentState, type Tunnel, tunnelOf } from "../state.ts";
import { type Greeting, onGreetingBroken, onGreetingBytes } from "./greeting.ts";
import { onServerLeaving, rejectTunnel } from "./life.ts";
import { olderLinkOn } from "./older-links.ts";

export function onSocketText(
  state: AgentState,
  socket: SocketId,
  text: string,
  out: Outbox<AgentEffect>,
): void {
  if (greetingOn(state, socket) !== null) {
    onGreetingBroken(state, socket, "a text message from the server", out);
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
  const greeting = greetingOn(state, socket);
  if (greeting !== null) {
    onGreetingBytes(state, greeting, bytes, out);
    return;
  }
  const tunnel = heardTunnel(state, socket);
  if (tunnel !== null) takeFact(state, tunnel, receiveBytes(state, tunnel, bytes, out), out);
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
  const greeting = greetingOn(state, socket);
  const tunnel = tunnelOn(state, socket);
  if (greeting !== null) greeting.helloUnsentBytes -= bytes;
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

function greetingOn({ life }: AgentState, socket: SocketId): Greeting | null {
  return life.phase === "greeting" && life.socket === socket ? life : null;
}

/** The tunnel on that socket, which has just shown that its server lives. */
function heardTunnel(state: AgentState, socket: SocketId): Tunnel | null {
  const tunnel = tunnelOn(state, socket);
  if (tunnel !== null) tunnel.heardMs = Math.max(tunnel.heardMs, state.nowMs);
  return tunnel;
}

function tunnelOn(state: AgentState, socket: SocketId): Tunnel | null {
  const tunnel = tunnelOf(state);
  return tunnel?.socket === socket ? tunnel : olderLinkOn(state, socket);
}
