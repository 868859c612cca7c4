/**
 * Frames of the native protocol, from the welcome on. What breaks its rules ends the session: the numbers of both ends
 * cannot be trusted any more.
 */

import { unreachable } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { type Received, receiveFrame } from "../../session/receive.ts";
import { decodeWelcome } from "../../wire/native.ts";
import { enterConnected, rejectGreeting, rejectTunnel } from "../life/life.ts";
import { tunnelBase } from "../life/tunnel.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentSession, AgentState, Life, NativeTunnel } from "../state.ts";
import { onOpened, onPiece, onReset } from "./request.ts";
import { forget, welcomeSession } from "./session.ts";

type Greeting = Extract<Life, { phase: "greeting" }>;

/**
 * Streams of a session, as a multiple of the exchanges that may run: those that have ended and are not acknowledged are
 * streams too. A server beyond it asks on and on without reading the answers. The floor is for those that are answered at
 * once, of which many come and go before the first is acknowledged.
 */
const STREAMS_PER_EXCHANGE = 4;
const STREAMS_MIN = 256;

/** The first message on a socket that speaks the native protocol. */
export function onGreetingBytes(
  state: AgentState,
  greeting: Greeting,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  const welcome = decodeWelcome(bytes);
  if (welcome === null) {
    onGreetingBroken(state, greeting.socket, "the first frame is no welcome", out);
    return;
  }
  if (welcome.resumed && greeting.ticket === null) {
    onGreetingBroken(state, greeting.socket, "a session is resumed that nobody asked for", out);
    return;
  }
  const { socket, helloUnsentBytes } = greeting;
  const session = welcomeSession(state, welcome, socket, out);
  const { resumed } = welcome;
  const base = tunnelBase(state, socket);
  enterConnected(state, { ...base, protocol: "native", session, resumed, helloUnsentBytes }, out);
}

export function onGreetingBroken(
  state: AgentState,
  socket: SocketId,
  detail: string,
  out: Outbox<AgentEffect>,
): void {
  onProtocolError(state, detail, out);
  rejectGreeting(state, socket, detail, out);
}

export function onNativeFrame(
  state: AgentState,
  tunnel: NativeTunnel,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  const { session } = tunnel;
  const received = receiveFrame(session.wire, bytes);
  switch (received.type) {
    case "nothing":
      break;
    case "opened":
      if (session.wire.streams.size <= streamsMax(state)) {
        onOpened(state, session, received, out);
      } else {
        onViolation(state, tunnel, "the server asks on without taking the answers", out);
      }
      break;
    case "piece":
      onPiece(state, session, received, out);
      break;
    case "reset":
      onReset(state, session, received.stream, out);
      break;
    case "resumed":
      onResumed(state, session, received, out);
      break;
    case "draining":
      session.serverDrains = true;
      break;
    case "violation":
      onViolation(state, tunnel, received.detail, out);
      break;
    case "interim":
    case "broken":
      onViolation(state, tunnel, "a frame that only an agent sends", out);
      break;
    default:
      unreachable(received);
  }
}

/** The server broke the protocol in a way that no single exchange has to answer for. */
export function onViolation(
  state: AgentState,
  tunnel: NativeTunnel,
  detail: string,
  out: Outbox<AgentEffect>,
): void {
  onProtocolError(state, detail, out);
  rejectTunnel(state, tunnel, detail, out);
}

function streamsMax(state: AgentState): number {
  return Math.max(STREAMS_MIN, STREAMS_PER_EXCHANGE * state.config.limits.exchangesMax);
}

/** What the server has forgotten has nobody who waits for it. */
function onResumed(
  state: AgentState,
  session: AgentSession,
  resumed: Extract<Received, { type: "resumed" }>,
  out: Outbox<AgentEffect>,
): void {
  for (const stream of resumed.forgotten) {
    const exchange = session.byStream.get(stream.id);
    if (exchange === undefined) continue;
    forget(state, session, exchange);
    out.push({ type: "origin_abort", exchange: exchange.id });
    state.counters.exchangesLost++;
  }
}
