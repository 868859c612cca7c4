/** What is done with a tunnel whatever it speaks; `life.ts` says when. */
import type { AgentEffect } from "../../effects.ts";
import { failureOf } from "../../failure.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { createTimer, disarm } from "../../timers.ts";
import { abandonAll, giveUpAll } from "../moosicbox/exchange.ts";
import { cutAll } from "../native/response.ts";
import { detach, endSession, pumpSession } from "../native/session.ts";
import type { AgentState, Tunnel, TunnelBase } from "../state.ts";

/** Close code of RFC 6455 section 7.4.1. */
export const PROTOCOL_ERROR = 1002;

/** A tunnel that went on with a session and lived for so long was a success. */
const RESUMED_RESET_MS = 500;

/** What a tunnel begins with. */
export function tunnelBase(state: AgentState, socket: SocketId): TunnelBase {
  const { config, nowMs } = state;
  return {
    socket,
    openedMs: nowMs,
    heartbeat: createTimer({ kind: "heartbeat" }),
    heardMs: nowMs,
    nextPingMs: nowMs + config.limits.pingMs,
  };
}

/**
 * Whether the tunnel took up its session and then lived for a moment: then the loss before it was a short one, and so may
 * be this one. Where the network cuts every few seconds the waits must not grow, or most of the time would be lost.
 */
export function hasLasted(state: AgentState, tunnel: Tunnel): boolean {
  return tunnel.protocol === "native" && tunnel.resumed && state.nowMs - tunnel.openedMs >= RESUMED_RESET_MS;
}

/** Whether the server may take up the session again after that end of its tunnel. */
export function mayResume(tunnel: Tunnel, code: number): boolean {
  if (tunnel.protocol !== "native" || tunnel.session.serverDrains) return false;
  return code !== PROTOCOL_ERROR && code !== failureOf("superseded").closeCode;
}

/** Exchanges that an origin works on. */
export function running(tunnel: Tunnel): number {
  return tunnel.protocol === "native" ? tunnel.session.exchanges.size : tunnel.exchanges.size;
}

/** Whether all that ran is finished, sent, and where the protocol tells so, received. */
export function isFinished(tunnel: Tunnel): boolean {
  if (tunnel.protocol === "moosicbox") return tunnel.exchanges.size === 0 && tunnel.unsentBytes === 0;
  const { wire } = tunnel.session;
  return wire.streams.size === 0 && wire.unsentBytes === 0 && !wire.drainDue;
}

/** Gives up all that runs, and tells the server of each. */
export function giveUpRunning(state: AgentState, tunnel: Tunnel, out: Outbox<AgentEffect>): void {
  if (tunnel.protocol === "moosicbox") {
    giveUpAll(state, tunnel, "draining", out);
    return;
  }
  cutAll(state, tunnel.session, "draining", out);
  // What the server is told about it has to go out before the tunnel is closed.
  pumpSession(state, out);
}

/** The tunnel is over; its exchanges wait for the next one where it can take them up. */
export function abandonTunnel(
  state: AgentState,
  tunnel: Tunnel,
  resumable: boolean,
  out: Outbox<AgentEffect>,
): void {
  disarm(state.timers, tunnel.heartbeat);
  if (tunnel.protocol === "moosicbox") abandonAll(state, tunnel, out);
  else if (resumable) detach(state, tunnel.session);
  else endSession(state, out);
}
