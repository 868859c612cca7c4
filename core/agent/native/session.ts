/**
 * The agent's side of a session of the native protocol: what survives the loss of a tunnel.
 *
 *   begin -> attached <-> detached -> end
 *
 * While detached, origins go on: what they give is queued, and they are paused when that is enough. The server holds its
 * end for the grace time of its welcome, counted from when it notices the loss: whether that is over is for it to say, as long
 * as it may have noticed later. After that nobody waits for the answers any more and all is given up. A session
 * that ends takes its exchanges along; the origins are told, the server cannot be.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import { IdTable } from "../../id-table.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { attachSession, detachSession } from "../../session/life.ts";
import { onSessionFlushed, pumpAndArm } from "../../session/pump.ts";
import { isFull, sendDrain } from "../../session/send.ts";
import { createSession } from "../../session/state.ts";
import { arm, createTimer, disarm } from "../../timers.ts";
import type { Welcome } from "../../wire/native.ts";
import type { AgentSession, AgentState, Link, NativeCarried, NativeTunnel } from "../state.ts";

/** A server notices the loss later by all its patience with a silent socket, 10 s and a ping's time where nothing else was set. */
export const NOTICED_LATER_MS = 15_000;

/** The session of a welcome: the one that there was, which only a server has that has it still, else a new one. */
export function welcomeSession(
  state: AgentState,
  link: Link,
  welcome: Welcome,
  socket: SocketId,
): AgentSession {
  assert(
    welcome.resumed === (link.session !== null),
    "a session ended while it was to be resumed, or goes on",
  );
  const session = link.session ?? beginSession(state, link);
  session.ticket = welcome.ticket;
  session.graceMs = welcome.graceMs;
  session.idleMs = welcome.idleMs;
  session.takesMoved = welcome.moves === true;
  disarm(state.timers, session.graceTimer);
  attachSession(session.wire, socket, welcome.resumed);
  if (welcome.resumed) {
    state.counters.sessionsResumed++;
    state.counters.exchangesResumed += session.byStream.size;
  }
  return session;
}

/** The tunnel is gone, the exchanges wait for the next one. */
export function detach(state: AgentState, session: AgentSession): void {
  detachSession(session.wire);
  disarm(state.timers, session.pumpTimer);
  arm(state.timers, session.graceTimer, state.nowMs + session.graceMs + NOTICED_LATER_MS);
}

/** The session is over, with the exchanges that it had; the ticket is forgotten. */
export function endSession(state: AgentState, session: AgentSession): void {
  assert(session.byStream.size === 0, "a session ends under its exchanges");
  disarm(state.timers, session.graceTimer);
  disarm(state.timers, session.pumpTimer);
  for (const link of state.links) if (link.session === session) link.session = null;
}

/** The server is to begin nothing new. */
export function tellDraining({ wire }: AgentSession): void {
  sendDrain(wire);
}

/** Whether all is sent and received, the word of the drain too. */
export function isSessionDone({ wire }: AgentSession): boolean {
  return wire.streams.size === 0 && wire.unsentBytes === 0 && !wire.drainDue;
}

/** To be called once after each step: sends what may be sent, and keeps the pace of the origins. */
export function pumpSession(state: AgentState, session: AgentSession, out: Outbox<AgentEffect>): void {
  const { wire, fed, pumpTimer } = session;
  if (wire.socket !== null) {
    pumpAndArm(wire, state.timers, pumpTimer, state.nowMs, out);
    resumeRelieved(state, session, out);
    releaseParts(session, out);
  }
  session.fed = null;
  if (fed !== null) pauseIfFull(session, fed, out);
}

export function onFramesFlushed(tunnel: NativeTunnel, bytes: number): void {
  const ofHello = Math.min(bytes, tunnel.helloUnsentBytes);
  const { wire } = tunnel.session;
  assert(bytes >= 0 && bytes - ofHello <= wire.unsentBytes, "more bytes were flushed than were sent");
  tunnel.helloUnsentBytes -= ofHello;
  onSessionFlushed(wire, bytes - ofHello);
}

function beginSession(state: AgentState, link: Link): AgentSession {
  const session: AgentSession = {
    wire: createSession("agent", state.config.limits),
    ticket: "",
    graceMs: 0,
    idleMs: null,
    byStream: new IdTable(),
    graceTimer: createTimer({ kind: "grace", link: link.number }),
    pumpTimer: createTimer({ kind: "pump" }),
    serverDrains: false,
    takesMoved: false,
    isMoved: false,
    fed: null,
  };
  link.session = session;
  return session;
}

function resumeRelieved(state: AgentState, session: AgentSession, out: Outbox<AgentEffect>): void {
  const { relieved } = session.wire;
  for (const stream of relieved) {
    const carried = session.byStream.get(stream.id);
    if (carried === undefined) continue;
    carried.relievedMs = state.nowMs;
    out.push({ type: "origin_pause", exchange: carried.exchange, paused: false });
  }
  relieved.length = 0;
}

function releaseParts({ wire: { finishedParts } }: AgentSession, out: Outbox<AgentEffect>): void {
  if (finishedParts.length === 0) return;
  for (const bytes of finishedParts) out.push({ type: "origin_release", bytes });
  finishedParts.length = 0;
}

function pauseIfFull(session: AgentSession, carried: NativeCarried, out: Outbox<AgentEffect>): void {
  const { stream } = carried;
  if (stream.sourcePaused || !isFull(session.wire, stream)) return;
  stream.sourcePaused = true;
  out.push({ type: "origin_pause", exchange: carried.exchange, paused: true });
}
