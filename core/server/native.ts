/**
 * One tunnel of a native agent (`../wire/native.md`): it says hello, is told which session it carries, and carries that
 * session's frames until it is lost.
 *
 * A tunnel counts as its home's only from its hello on. Tickets are compared by their hashes, and kept as nothing else: how
 * far two hashes agree says nothing about a ticket.
 */
import { assert } from "../assert.ts";
import type { ServerEffect } from "../effects.ts";
import { FAILURE_CODES, type FailureCode, failureOf } from "../failure.ts";
import type { ExchangeId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import { onSessionFlushed } from "../session/pump.ts";
import { receiveFrame } from "../session/receive.ts";
import { resetStream } from "../session/send.ts";
import type { Stream } from "../session/state.ts";
import { arm, disarm } from "../timers.ts";
import { decodeHello, encodeWelcome, type Hello } from "../wire/native.ts";
import { failExchange } from "./exchange.ts";
import { liveTunnel, markAway, tunnelOf } from "./homes.ts";
import { onInterim, onPiece } from "./native-response.ts";
import { attach, beginSession, detach, endSession, touch } from "./sessions.ts";
import { closeSocket } from "./sockets.ts";
import type { Exchange, NativeTunnel, ServerState, Tunnel, TunnelSession } from "./state.ts";
import { isNewer, reportProtocolError, takeHome } from "./tunnel.ts";

/** The handshake is complete, and its nonce becomes the ticket. */
export function openNative(
  state: ServerState,
  tunnel: Tunnel,
  native: NativeTunnel,
  nonce: Uint8Array,
): void {
  native.ticket = hexOf(nonce);
  arm(state.timers, native.hello, state.nowMs + state.config.limits.helloMs);
  if (liveTunnel(state, tunnel.clientId) === undefined) markAway(state, tunnel.clientId, tunnel.access);
}

export function onHelloTimer(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  violate(state, tunnel, "The agent did not say hello.", out);
}

export function onNativeFrame(
  state: ServerState,
  tunnel: Tunnel,
  native: NativeTunnel,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  const { session } = native;
  if (session === null) return onHello(state, tunnel, native, decodeHello(bytes), out);
  // It goes on after our welcome, so the agent has the ticket that came with it.
  session.previousTicketHash = null;
  touch(state, session);
  const received = receiveFrame(session.link, bytes);
  switch (received.type) {
    case "nothing":
      return;
    case "interim": {
      const exchange = exchangeOn(state, received.stream);
      if (exchange !== undefined) onInterim(state, exchange, received, out);
      return;
    }
    case "piece": {
      const exchange = exchangeOn(state, received.stream);
      if (exchange === undefined) state.counters.strayPackets++;
      else onPiece(state, exchange, received, out);
      return;
    }
    case "reset": {
      const exchange = exchangeOn(state, received.stream);
      if (exchange !== undefined) failExchange(state, exchange, failureOfReset(received.code), out);
      return;
    }
    case "broken": {
      const exchange = exchangeOn(state, received.stream);
      const { code, detail } = received;
      reportProtocolError(state, tunnel, detail, out);
      if (exchange === undefined) resetStream(session.link, received.stream, code);
      else failExchange(state, exchange, code, out, { detail });
      return;
    }
    case "resumed":
      for (const stream of received.forgotten) {
        const exchange = exchangeOn(state, stream);
        if (exchange !== undefined) failExchange(state, exchange, "agent_lost", out);
      }
      return;
    case "draining":
      session.draining = true;
      return markAway(state, session.clientId, session.access);
    case "opened":
      return violate(state, tunnel, "The agent opened an exchange.", out);
    case "violation":
      return violate(state, tunnel, received.detail, out);
  }
}

/** A text message has no place here. */
export function onNativeText(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  violate(state, tunnel, "A text message came in the native protocol.", out);
}

/** The socket is first done with the welcome, which is not the session's, and then with frames. */
export function onNativeFlushed(
  state: ServerState,
  tunnel: Tunnel,
  native: NativeTunnel,
  bytes: number,
): void {
  const own = Math.min(bytes, tunnel.unsentBytes);
  tunnel.unsentBytes -= own;
  if (native.session === null || bytes === own) return;
  onSessionFlushed(native.session.link, bytes - own);
  touch(state, native.session);
}

function onHello(
  state: ServerState,
  tunnel: Tunnel,
  native: NativeTunnel,
  hello: Hello | null,
  out: Outbox<ServerEffect>,
): void {
  if (hello === null) return violate(state, tunnel, "The agent's first frame is no hello.", out);
  disarm(state.timers, native.hello);
  const { clientId } = tunnel;
  const other = liveTunnel(state, clientId);
  if (other !== undefined && isNewer(other, tunnel)) return closeSocket(state, tunnel, "superseded", out);
  const hash = hello.ticket === null ? null : state.config.sha256(hello.ticket);
  const former = state.sessions.get(clientId);
  const resumed = former !== undefined && hash !== null && isTicketOf(former, hash);
  if (resumed) {
    const carrier = tunnelOf(state, former.tunnel);
    // First, so that the tunnel takes nothing of the session with it.
    if (carrier !== undefined) detach(former, carrier);
  }
  if (other !== undefined) closeSocket(state, other, "superseded", out);
  if (former !== undefined && !resumed && state.sessions.has(clientId)) endSession(state, former, out);
  const session = resumed ? former : beginSession(state, tunnel, hello.windowBytes);
  welcome(state, tunnel, native, { session, resumed, hash }, out);
  attach(state, session, tunnel, resumed);
  if (resumed) {
    const exchanges = session.exchanges.size;
    state.counters.resumptions++;
    out.push({ type: "report", report: { type: "session_resumed", clientId, exchanges } });
  }
  takeHome(state, tunnel, out);
}

function isTicketOf(session: TunnelSession, hash: string): boolean {
  return !session.draining && (hash === session.ticketHash || hash === session.previousTicketHash);
}

/** The ticket is shown here and never again. */
function welcome(
  state: ServerState,
  tunnel: Tunnel,
  native: NativeTunnel,
  {
    session,
    resumed,
    hash,
  }: { readonly session: TunnelSession; readonly resumed: boolean; readonly hash: string | null },
  out: Outbox<ServerEffect>,
): void {
  const { ticket } = native;
  assert(ticket !== null, "a tunnel is welcomed twice");
  native.ticket = null;
  session.previousTicketHash = resumed ? hash : null;
  session.ticketHash = state.config.sha256(ticket);
  const header = encodeWelcome({ ticket, resumed, graceMs: state.config.limits.graceMs });
  tunnel.unsentBytes += header.length;
  out.push({ type: "socket_send_packet", socket: tunnel.id, header, body: [] });
}

/** The agent broke a rule that is about more than one exchange: its session ends with its tunnel. */
function violate(state: ServerState, tunnel: Tunnel, detail: string, out: Outbox<ServerEffect>): void {
  reportProtocolError(state, tunnel, detail, out);
  closeSocket(state, tunnel, "agent_protocol", out);
}

/** The exchange that still needs the stream. The number of an exchange on the wire is its id. */
function exchangeOn(state: ServerState, stream: Stream): Exchange | undefined {
  const exchange = state.exchanges.get(stream.id as ExchangeId);
  return exchange?.native?.stream === stream ? exchange : undefined;
}

/** An agent may give any reason of its own side; what it says of the visitor or of this server is not its to say. */
function failureOfReset(code: string): FailureCode {
  if (code === "forgotten") return "agent_lost";
  const known = FAILURE_CODES.find((each) => each === code);
  return known !== undefined && failureOf(known).status >= 502 ? known : "agent_gave_up";
}

function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
