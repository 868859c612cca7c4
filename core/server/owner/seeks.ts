/**
 * Asking the registry which node has a home. One question is under way for each home, whoever waits for the answer; while requests
 * wait for the home itself it is asked again each `seekMs`.
 */
import type { ServerEffect } from "../../effects.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { arm, createTimer, disarm, isArmed } from "../../timers.ts";
import { callRegistry } from "../registry/calls.ts";
import type { Seek } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";

/** The exchange is among those that the next answer is for. False where nothing more can be asked now. */
export function askWhere(
  state: ServerState,
  clientId: string,
  exchange: ExchangeId,
  out: Outbox<ServerEffect>,
): boolean {
  const seek = seekOf(state, clientId);
  if (!ask(state, clientId, seek, out)) {
    dropIfIdle(state, clientId, seek);
    return false;
  }
  seek.asking.push(exchange);
  return true;
}

/** The registry is asked again before long, if it is not asked now. */
export function keepSeeking(state: ServerState, clientId: string): void {
  const seek = seekOf(state, clientId);
  if (seek.asked || isArmed(seek.timer)) return;
  arm(state.timers, seek.timer, state.nowMs + state.config.limits.seekMs);
}

/** Time to ask again, if anybody waits still. */
export function onSeekTimer(state: ServerState, clientId: string, out: Outbox<ServerEffect>): void {
  const seek = seekOf(state, clientId);
  if (isAwaited(state, clientId) && !ask(state, clientId, seek, out)) keepSeeking(state, clientId);
  dropIfIdle(state, clientId, seek);
}

/** The answer is in: those whom it is for, who may have left. */
export function takeAsking(state: ServerState, clientId: string): readonly ExchangeId[] {
  const seek = seekOf(state, clientId);
  const { asking } = seek;
  seek.asking = [];
  seek.asked = false;
  if (isAwaited(state, clientId)) keepSeeking(state, clientId);
  dropIfIdle(state, clientId, seek);
  return asking;
}

function ask(state: ServerState, clientId: string, seek: Seek, out: Outbox<ServerEffect>): boolean {
  if (seek.asked) return true;
  disarm(state.timers, seek.timer);
  seek.asked = callRegistry(
    state,
    { type: "find_connection", clientId },
    { type: "find_connection", clientId },
    state.config.limits.registryVisitorMs,
    out,
  );
  return seek.asked;
}

function isAwaited({ homes }: ServerState, clientId: string): boolean {
  return (homes.get(clientId)?.waiting.size ?? 0) > 0;
}

function seekOf({ peers: { seeks } }: ServerState, clientId: string): Seek {
  let seek = seeks.get(clientId);
  if (seek === undefined) {
    seek = { asking: [], asked: false, timer: createTimer({ kind: "seek", clientId }) };
    seeks.set(clientId, seek);
  }
  return seek;
}

function dropIfIdle({ peers: { seeks } }: ServerState, clientId: string, seek: Seek): void {
  if (!seek.asked && !isArmed(seek.timer)) seeks.delete(clientId);
}
