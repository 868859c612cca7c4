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
import type { AgentState, Exchange, MoosicBoxTunnel } from "../state.ts";

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

export function onFlushed(
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
export function pauseIfCongested(
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  out: Outbox<AgentEffect>,
): void {
  if (tunnel.congested) setPaused(exchange, true, out);
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
  for (const exchange of tunnel.exchanges.values()) {
    if (exchange.headed) setPaused(exchange, true, out);
  }
}

function resumeAll(state: AgentState, tunnel: MoosicBoxTunnel, out: Outbox<AgentEffect>): void {
  const previousFirst = tunnel.resumedFirst;
  let first = 0;
  for (const isLater of [true, false]) {
    for (const exchange of tunnel.exchanges.values()) {
      if (!exchange.paused || exchange.id > previousFirst !== isLater) continue;
      if (first === 0) first = exchange.id;
      exchange.originHeardMs = state.nowMs;
      setPaused(exchange, false, out);
    }
  }
  if (first !== 0) tunnel.resumedFirst = first;
}

function setPaused(exchange: Exchange, paused: boolean, out: Outbox<AgentEffect>): void {
  assert(exchange.paused !== paused, "an origin is paused or resumed twice");
  exchange.paused = paused;
  out.push({ type: "origin_pause", exchange: exchange.id, paused });
}
