/**
 * The end of a step: what was queued for native agents leaves, as far as sockets and credit let it. Frames are only queued
 * while an event is handled, so that they share messages and acknowledgements.
 */
import type { ServerEffect } from "../../effects.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { onSessionFlushed, pumpAndArm } from "../../session/pump.ts";
import { heldBytes } from "../../session/state.ts";
import { countHeld, touch } from "../owner/sessions.ts";
import type { ServerState } from "../state/server.ts";
import type { NativeTunnel, Tunnel } from "../state/tunnels.ts";

/**
 * Pumps one of the sessions that something changed for, the latest first. Tells the exchanges whose request has room again;
 * null where no session is left.
 */
export function pumpNext(state: ServerState, out: Outbox<ServerEffect>): readonly ExchangeId[] | null {
  const session = state.touched.pop();
  if (session === undefined) return null;
  // It may have ended in the same step.
  if (!session.touched) return NOBODY;
  const { link } = session;
  pumpAndArm(link, state.timers, session.pump, state.nowMs, out);
  countHeld(state, session, heldBytes(link));
  session.touched = false;
  if (link.relieved.length === 0) return NOBODY;
  const relieved: ExchangeId[] = [];
  for (let stream = link.relieved.pop(); stream !== undefined; stream = link.relieved.pop()) {
    relieved.push(stream.id as ExchangeId);
  }
  return relieved;
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

const NOBODY: readonly ExchangeId[] = [];
