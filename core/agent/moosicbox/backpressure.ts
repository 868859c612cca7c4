/**
 * Everything that leaves through the tunnel leaves here, so that what is not yet sent is known to the byte.
 *
 * The pace of the tunnel is the pace of the origins: above the high mark every origin that answers is paused, at the low
 * mark all are resumed. What was read before a pause took hold still comes and is still sent, so the high mark is passed
 * by a few chunks per exchange. Which exchange is resumed first rotates: the first one may fill the tunnel again alone.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import type { AgentState, MoosicBoxCarried, MoosicBoxTunnel, TunnelBase } from "../state.ts";

/** A tunnel on which nothing was sent yet. */
export function createMoosicBoxTunnel(base: TunnelBase): MoosicBoxTunnel {
  return {
    ...base,
    protocol: "moosicbox",
    byWireId: new Map(),
    unsentBytes: 0,
    congested: false,
    resumedFirst: 0,
  };
}

export function sendPacket(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  header: Uint8Array,
  body: readonly Uint8Array[],
  bodyBytes: number,
  out: Outbox<AgentEffect>,
): void {
  out.push({ type: "socket_send_packet", socket: tunnel.socket, header, body });
  countUnsent(state, tunnel, header.length + bodyBytes, out);
}

/** `text` is ASCII: its length is its size on the wire. */
export function sendText(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  text: string,
  out: Outbox<AgentEffect>,
): void {
  out.push({ type: "socket_send_text", socket: tunnel.socket, text });
  countUnsent(state, tunnel, text.length, out);
}

/**
 * Whether an answer that no origin paces may still be sent. A server that asks and asks and reads nothing would
 * otherwise fill the memory with refusals.
 */
export function takesRefusals(state: AgentState, tunnel: MoosicBoxTunnel): boolean {
  return tunnel.unsentBytes <= 2 * state.config.limits.sendBytesHigh;
}

export function onPacketsFlushed(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  bytes: number,
  out: Outbox<AgentEffect>,
): void {
  assert(bytes >= 0 && bytes <= tunnel.unsentBytes, "more bytes were flushed than were sent");
  tunnel.unsentBytes -= bytes;
  if (!tunnel.congested || tunnel.unsentBytes > state.config.limits.sendBytesLow) return;
  tunnel.congested = false;
  resumeAll(state, tunnel, out);
}

/** To be called when an origin begins to answer: what begins on a full tunnel begins paused. */
export function pauseIfCongested(carried: MoosicBoxCarried, out: Outbox<AgentEffect>): void {
  if (carried.tunnel.congested) setPaused(carried, true, out);
}

function countUnsent(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  bytes: number,
  out: Outbox<AgentEffect>,
): void {
  tunnel.unsentBytes += bytes;
  if (tunnel.congested || tunnel.unsentBytes <= state.config.limits.sendBytesHigh) return;
  tunnel.congested = true;
  for (const carried of tunnel.byWireId.values()) {
    if (isHeaded(carried)) setPaused(carried, true, out);
  }
}

function resumeAll(state: AgentState, tunnel: MoosicBoxTunnel, out: Outbox<AgentEffect>): void {
  const previousFirst = tunnel.resumedFirst;
  let first = 0;
  for (const isLater of [true, false]) {
    for (const carried of tunnel.byWireId.values()) {
      if (!carried.paused || carried.exchange > previousFirst !== isLater) continue;
      if (first === 0) first = carried.exchange;
      carried.relievedMs = state.nowMs;
      setPaused(carried, false, out);
    }
  }
  if (first !== 0) tunnel.resumedFirst = first;
}

/** Whether the origin's head has come. */
function isHeaded({ firstHeader, packetsSent }: MoosicBoxCarried): boolean {
  return firstHeader !== null || packetsSent > 0;
}

function setPaused(carried: MoosicBoxCarried, paused: boolean, out: Outbox<AgentEffect>): void {
  assert(carried.paused !== paused, "an origin is paused or resumed twice");
  carried.paused = paused;
  out.push({ type: "origin_pause", exchange: carried.exchange, paused });
}
