/**
 * Leaving without being missed: none -> leaving -> parting -> closing -> drained.
 *
 * leaving: agents of the native protocol are told at once, so that they look for another server, and all goes on meanwhile: who
 * comes is served, for it may be that nobody else is there yet. It ends when all agents have moved, or nothing lasts after
 * `leaveMs`, but not before `unreadyMs`; or after `drainMs`.
 * parting: the listener is closed, what the kernel had accepted is served, and what runs may run to its end. WebSockets are told
 * 1001 between two of their frames, as soon as their home has moved, and then at the latest; a MoosicBox tunnel is let go
 * when nothing runs on it. `drainMs` after the beginning what lasts is cut, and a moment later all that is left.
 * closing: every socket is told 1001, so that agents move on at once, and rows are deleted, the node's own with them.
 * drained: ordered once, when nothing is left or `CLOSING_MS` have passed.
 */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { sendDrain } from "../../session/send.ts";
import { arm, disarm } from "../../timers.ts";
import { hasPeers } from "../owner/found.ts";
import { leaveRegistry } from "../owner/leases.ts";
import { touch } from "../owner/sessions.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";
import { cutExchange, failExchange } from "../visitor/exchange.ts";
import { closeUpgrade } from "../visitor/upgrade.ts";
import { failWaiting } from "../visitor/waiting.ts";
import { dismissSocket, giveUpSession } from "./close.ts";

/** It is looked so often whether agents have moved and what still lasts. */
const LOOK_MS = 50;

/** An exchange that has gone on for so long lasts; and a short one gets so long more when those are cut. */
const LASTING_MS = 500;

/** A closing handshake and a deletion take no longer where the other side is there. */
const CLOSING_MS = 1_000;

export function onDrainRequested(state: ServerState, out: Outbox<ServerEffect>): void {
  if (state.drainPhase !== "none") return;
  state.drainPhase = "leaving";
  state.drainAskedMs = state.nowMs;
  out.push({ type: "responses_close" });
  out.push({
    type: "report",
    report: { type: "draining", exchanges: state.exchanges.size, tunnels: state.tunnels },
  });
  // Nobody who is away will be let in again here.
  if (!hasPeers(state)) failWaiting(state, out);
  for (const session of [...state.sessions.values()]) {
    if (session.tunnel === null) {
      giveUpSession(state, session, out);
    } else {
      sendDrain(session.link);
      touch(state, session);
    }
  }
  // Whoever is on the way in would only have to move again.
  for (const socket of [...state.sockets.values()]) {
    if (socket.kind === "tunnel" && !isServing(socket)) dismissSocket(state, socket, "draining", out);
  }
  look(state, out);
}

export function onDrainTimer(state: ServerState, out: Outbox<ServerEffect>): void {
  if (state.drainPhase === "closing") endDrain(state, out);
  else look(state, out);
}

/** Called after each step of a draining server. */
export function advanceDrain(state: ServerState, out: Outbox<ServerEffect>): void {
  if (state.drainPhase === "parting" && state.exchanges.size === 0 && isLeftAlone(state)) {
    beginClosing(state, out);
  }
  if (state.drainPhase !== "closing" || state.exchanges.size > 0 || state.sockets.size > 0) return;
  for (const { purpose } of state.calls.values()) {
    if (purpose.type === "drop_row" || purpose.type === "delete_node") return;
  }
  endDrain(state, out);
}

function isLeftAlone(state: ServerState): boolean {
  return state.visitorsGone && (state.peersGone || !hasPeers(state));
}

function look(state: ServerState, out: Outbox<ServerEffect>): void {
  const { unreadyMs, leaveMs, drainMs } = state.config.limits;
  const sinceMs = state.nowMs - state.drainAskedMs;
  const isTimeUp = sinceMs >= drainMs;
  if (state.drainPhase === "leaving") {
    const isLeft = hasMoved(state) || (sinceMs >= leaveMs && !hasLasting(state));
    if ((isLeft && sinceMs >= unreadyMs) || isTimeUp) part(state, out);
  }
  closeUpgrades(state, out);
  if (state.drainPhase === "parting") letIdleGo(state, out);
  if (isTimeUp) cutAll(state, sinceMs >= drainMs + LASTING_MS, out);
  if (sinceMs >= drainMs + LASTING_MS) beginClosing(state, out);
  else arm(state.timers, state.drain, nextLookMs(state));
}

/** No later than when a time is up. */
function nextLookMs({ nowMs, drainAskedMs, config }: ServerState): number {
  const { unreadyMs, leaveMs, drainMs } = config.limits;
  let nextMs = nowMs + LOOK_MS;
  for (const ms of [unreadyMs, leaveMs, drainMs, drainMs + LASTING_MS]) {
    if (drainAskedMs + ms > nowMs) nextMs = Math.min(nextMs, drainAskedMs + ms);
  }
  return nextMs;
}

/** Whether all agents that can say so have another link; one that cannot follows where there are such. */
function hasMoved({ sockets }: ServerState): boolean {
  let others = 0;
  let moved = 0;
  for (const socket of sockets.values()) {
    if (socket.kind !== "tunnel" || !isServing(socket)) continue;
    const session = socket.native?.session ?? null;
    if (session === null) others++;
    else if (session.moved || session.draining) moved++;
    else return false;
  }
  return others === 0 || moved > 0;
}

function hasLasting(state: ServerState): boolean {
  let lasts = false;
  state.exchanges.forEach((exchange) => {
    lasts ||= isLasting(state, exchange);
  });
  return lasts;
}

function isLasting({ nowMs }: ServerState, { openedMs }: Exchange): boolean {
  return nowMs - openedMs >= LASTING_MS;
}

function part(state: ServerState, out: Outbox<ServerEffect>): void {
  state.drainPhase = "parting";
  state.partedMs = state.nowMs;
  out.push({ type: "listener_close" });
  for (const socket of [...state.sockets.values()]) {
    if (socket.kind === "visitor") dismissSocket(state, socket, "draining", out);
  }
}

/** Those that have nowhere to move to may go on for as long as others that last. */
function closeUpgrades(state: ServerState, out: Outbox<ServerEffect>): void {
  const isParting = state.drainPhase === "parting";
  for (const exchange of [...state.exchanges.values()]) {
    if (exchange.frames === null) continue;
    const hasHomeMoved = exchange.carried?.carrier === "native" && exchange.carried.session.moved;
    if (isParting || hasHomeMoved) closeUpgrade(state, exchange, out);
  }
}

/** Who had connected when the listener closed may still ask for what such a tunnel has to carry. */
function letIdleGo(state: ServerState, out: Outbox<ServerEffect>): void {
  if (state.nowMs - state.partedMs < state.config.limits.partingMs) return;
  for (const socket of [...state.sockets.values()]) {
    if (socket.kind !== "tunnel" || socket.native !== null || socket.exchanges.size > 0) continue;
    if (!isAsked(state, socket.clientId)) dismissSocket(state, socket, "draining", out);
  }
}

/** Whether a request for the home is still on its way to the tunnel. */
function isAsked({ exchanges }: ServerState, clientId: string): boolean {
  let isSo = false;
  exchanges.forEach((exchange) => {
    isSo ||= exchange.clientId === clientId && exchange.phase !== "closing";
  });
  return isSo;
}

/** What lasts, or all. */
function cutAll(state: ServerState, all: boolean, out: Outbox<ServerEffect>): void {
  for (const exchange of [...state.exchanges.values()]) {
    if (!all && !isLasting(state, exchange)) continue;
    if (exchange.phase !== "closing") failExchange(state, exchange, "draining", out);
    else cutExchange(state, exchange, out);
  }
}

function isServing({ phase, native }: Tunnel): boolean {
  return phase === "live" && (native === null || native.session !== null);
}

function beginClosing(state: ServerState, out: Outbox<ServerEffect>): void {
  state.drainPhase = "closing";
  arm(state.timers, state.drain, state.nowMs + CLOSING_MS);
  for (const socket of [...state.sockets.values()]) dismissSocket(state, socket, "draining", out);
  leaveRegistry(state, out);
}

function endDrain(state: ServerState, out: Outbox<ServerEffect>): void {
  state.drainPhase = "drained";
  disarm(state.timers, state.drain);
  out.push({ type: "drained" });
}
