/**
 * Sessions of native agents: what a client id keeps when its tunnel is lost.
 *
 *   begun --> attached <--> detached --> ended
 *
 * attached: its tunnel is live and has said hello. detached: the tunnel was lost without a word; the exchanges stand still,
 * and the agent has `graceMs` to come back with the ticket. ended: every exchange fails. A session ends at once where the
 * agent left on purpose, broke the protocol, or was succeeded by another one, and when this server drains.
 *
 * Tickets are compared by their hashes, and kept as nothing else: how far two hashes agree says nothing about a ticket.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { FailureCode } from "../../failure.ts";
import { IdTable } from "../../id-table.ts";
import type { Outbox } from "../../outbox.ts";
import { attachSession, detachSession } from "../../session/life.ts";
import { createSession } from "../../session/state.ts";
import { arm, createTimer, disarm } from "../../timers.ts";
import type { ServerState } from "../state/server.ts";
import type { NativeCarried, NativeTunnel, Tunnel, TunnelSession } from "../state/tunnels.ts";

/** Begins the session of an agent that has none to go on with. */
export function beginSession(state: ServerState, tunnel: Tunnel, peerWindowBytes: number): TunnelSession {
  const { clientId } = tunnel;
  assert(!state.sessions.has(clientId), "a client id has two sessions");
  const { limits } = state.config;
  const headBytesMax = limits.responseHeaderBytesMax;
  const session: TunnelSession = {
    clientId,
    link: createSession("server", limits, { peerWindowBytes, headBytesMax }),
    access: tunnel.access,
    token: tunnel.token,
    ticketHash: "",
    previousTicketHash: null,
    tunnel: null,
    exchanges: new IdTable(),
    heldBytes: 0,
    touched: false,
    draining: false,
    moved: false,
    grace: createTimer({ kind: "grace", clientId }),
    pump: createTimer({ kind: "pump", clientId }),
  };
  state.sessions.set(clientId, session);
  return session;
}

/** The session of the tunnel if new exchanges can be opened on it at once. */
export function sendableSession({ session }: NativeTunnel): TunnelSession | null {
  return session === null || session.draining ? null : session;
}

export function isTicketOf(session: TunnelSession, hash: string): boolean {
  return !session.draining && (hash === session.ticketHash || hash === session.previousTicketHash);
}

/** From here on the session's frames go over this tunnel. */
export function attach(state: ServerState, session: TunnelSession, tunnel: Tunnel, resumed: boolean): void {
  assert(tunnel.native !== null && session.tunnel === null, "a session is attached twice");
  tunnel.native.session = session;
  session.tunnel = tunnel.id;
  session.access = tunnel.access;
  session.token = tunnel.token;
  disarm(state.timers, session.grace);
  attachSession(session.link, tunnel.id, resumed);
  touch(state, session);
}

/** The session's tunnel carries it no longer, whatever becomes of either. */
export function detach(session: TunnelSession, tunnel: Tunnel): void {
  assert(tunnel.native?.session === session, "a session is detached from a tunnel that it is not on");
  tunnel.native.session = null;
  session.tunnel = null;
  detachSession(session.link);
}

/**
 * The tunnel is lost or being closed: its session waits for another one, or ends with it. Gives what is lost by that: the
 * requests that the agent will never answer.
 */
export function leaveSession(
  state: ServerState,
  tunnel: Tunnel,
  cause: FailureCode | "closed",
  code: number,
  out: Outbox<ServerEffect>,
): readonly NativeCarried[] {
  const session = tunnel.native?.session;
  if (session === undefined || session === null) return [];
  detach(session, tunnel);
  const wasLost = cause === "silent" || (cause === "closed" && !LAST_WORDS.has(code));
  if (!wasLost || session.draining || state.drainPhase !== "none") return endSession(state, session, out);
  disarm(state.timers, session.pump);
  arm(state.timers, session.grace, state.nowMs + state.config.limits.graceMs);
  return [];
}

/** Close codes of an agent that does not mean to come back to its session: it left, or found a violation. */
const LAST_WORDS: ReadonlySet<number> = new Set([1000, 1001, 1002]);

/** Gives up what the agent owes, and tells what that is. A tunnel that carried the session has left it before. */
export function endSession(
  state: ServerState,
  session: TunnelSession,
  out: Outbox<ServerEffect>,
): readonly NativeCarried[] {
  assert(session.tunnel === null, "a session ends under a tunnel that carries it");
  const { clientId, exchanges } = session;
  out.push({ type: "report", report: { type: "session_lost", clientId, exchanges: exchanges.size } });
  disarm(state.timers, session.grace);
  disarm(state.timers, session.pump);
  session.touched = false;
  countHeld(state, session, 0);
  state.sessions.delete(clientId);
  return [...exchanges.values()];
}

export function sessionOf(state: ServerState, clientId: string): TunnelSession {
  const session = state.sessions.get(clientId);
  assert(session !== undefined, "a timer outlived its session");
  return session;
}

/** Something is queued for the agent, or may be: it leaves at the end of the step, if the agent is there. */
export function touch(state: ServerState, session: TunnelSession): void {
  if (session.touched) return;
  session.touched = true;
  state.touched.push(session);
}

/** Takes over how much the session holds. */
export function countHeld(state: ServerState, session: TunnelSession, bytes: number): void {
  state.sessionBytes += bytes - session.heldBytes;
  session.heldBytes = bytes;
}
