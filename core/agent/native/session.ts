/**
 * The agent's side of a session of the native protocol: what survives the loss of a tunnel.
 *
 *   begin -> attached <-> detached -> end
 *
 * While detached, origins go on: what they give is queued, and they are paused when that is enough. The server holds its
 * end for the grace time of its welcome, so after that nobody waits for the answers any more and all is given up. A session
 * that ends takes its exchanges along; the origins are told, the server cannot be.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import { IdTable } from "../../id-table.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { consume } from "../../session/credit.ts";
import { attachSession, detachSession } from "../../session/life.ts";
import { onSessionFlushed, pumpAndArm } from "../../session/pump.ts";
import { createSession } from "../../session/state.ts";
import { arm, createTimer, disarm } from "../../timers.ts";
import type { Welcome } from "../../wire/native.ts";
import type { AgentSession, AgentState, NativeExchange, NativeTunnel } from "../state.ts";

/** The session of a welcome: the one that there was, if the server has it still, else a new one. */
export function welcomeSession(
  state: AgentState,
  welcome: Welcome,
  socket: SocketId,
  out: Outbox<AgentEffect>,
): AgentSession {
  if (!welcome.resumed) endSession(state, out);
  assert(!welcome.resumed || state.session !== null, "a session ended while it was to be resumed");
  const session = state.session ?? beginSession(state);
  session.ticket = welcome.ticket;
  session.graceMs = welcome.graceMs;
  disarm(state.timers, session.graceTimer);
  attachSession(session.wire, socket, welcome.resumed);
  if (welcome.resumed) {
    state.counters.sessionsResumed++;
    state.counters.exchangesResumed += session.exchanges.size;
  }
  return session;
}

/** The tunnel is gone, the exchanges wait for the next one. */
export function detach(state: AgentState, session: AgentSession): void {
  detachSession(session.wire);
  disarm(state.timers, session.pumpTimer);
  arm(state.timers, session.graceTimer, state.nowMs + session.graceMs);
}

/**
 * The grace time is over. A hello that is under way may still bring the session back, though: were it given up now, the
 * server could open an exchange anew of which it never heard, and the origin would be asked twice.
 */
export function onGraceOver(state: AgentState, out: Outbox<AgentEffect>): void {
  const { session, life } = state;
  assert(session !== null, "a grace time outlived its session");
  if (life.phase === "greeting") arm(state.timers, session.graceTimer, state.lifeTimer.atMs);
  else endSession(state, out);
}

/** Gives up the session with all that runs in it; the ticket is forgotten. */
export function endSession(state: AgentState, out: Outbox<AgentEffect>): void {
  const { session } = state;
  if (session === null) return;
  for (const exchange of session.exchanges.values()) {
    forget(state, session, exchange);
    out.push({ type: "origin_abort", exchange: exchange.id });
    state.counters.exchangesLost++;
  }
  disarm(state.timers, session.graceTimer);
  disarm(state.timers, session.pumpTimer);
  state.session = null;
}

/** To be called once after each step: sends what may be sent, and keeps the pace of the origins. */
export function pumpSession(state: AgentState, out: Outbox<AgentEffect>): void {
  const { session, timers, nowMs } = state;
  if (session === null) return;
  const { wire, fed } = session;
  if (wire.socket !== null) {
    pumpAndArm(wire, timers, session.pumpTimer, nowMs, out);
    resumeRelieved(state, session, out);
    releaseParts(session, out);
  }
  session.fed = null;
  if (fed !== null && session.exchanges.has(fed.id)) pauseIfFull(state, fed, out);
}

export function onNativeFlushed(tunnel: NativeTunnel, bytes: number): void {
  const ofHello = Math.min(bytes, tunnel.helloUnsentBytes);
  const { wire } = tunnel.session;
  assert(bytes >= 0 && bytes - ofHello <= wire.unsentBytes, "more bytes were flushed than were sent");
  tunnel.helloUnsentBytes -= ofHello;
  onSessionFlushed(wire, bytes - ofHello);
}

/** The origin has nothing more to do with the exchange; its stream goes on until all is acknowledged. */
export function forget(state: AgentState, session: AgentSession, exchange: NativeExchange): void {
  const { stream } = exchange;
  disarm(state.timers, exchange.originTimer);
  disarm(state.timers, exchange.fillTimer);
  assert(session.exchanges.delete(exchange.id), "an exchange is forgotten twice");
  session.byStream.delete(stream.id);
  stream.sourcePaused = false;
  // Nobody will take these any more; without credit for them the server could not even end the body.
  if (exchange.unflushedBytes > 0) consume(session.wire, stream, exchange.unflushedBytes);
}

function beginSession(state: AgentState): AgentSession {
  const session: AgentSession = {
    wire: createSession("agent", state.config.limits),
    ticket: "",
    graceMs: 0,
    exchanges: new IdTable(),
    byStream: new IdTable(),
    graceTimer: createTimer({ kind: "grace" }),
    pumpTimer: createTimer({ kind: "pump" }),
    serverDrains: false,
    fed: null,
  };
  state.session = session;
  return session;
}

function resumeRelieved(state: AgentState, session: AgentSession, out: Outbox<AgentEffect>): void {
  const { relieved } = session.wire;
  for (const stream of relieved) {
    const exchange = session.byStream.get(stream.id);
    if (exchange === undefined) continue;
    exchange.heardMs = state.nowMs;
    out.push({ type: "origin_pause", exchange: exchange.id, paused: false });
  }
  relieved.length = 0;
}

function releaseParts({ wire: { finishedParts } }: AgentSession, out: Outbox<AgentEffect>): void {
  if (finishedParts.length === 0) return;
  for (const bytes of finishedParts) out.push({ type: "origin_release", bytes });
  finishedParts.length = 0;
}

function pauseIfFull(state: AgentState, exchange: NativeExchange, out: Outbox<AgentEffect>): void {
  const { stream } = exchange;
  if (stream.sourcePaused || stream.send.queuedBytes <= state.config.limits.queueBytesMax) return;
  stream.sourcePaused = true;
  out.push({ type: "origin_pause", exchange: exchange.id, paused: true });
}
