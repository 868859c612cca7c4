/** What is done with a tunnel whatever it speaks; `life.ts` says when. */
import type { AgentEffect } from "../../effects.ts";
import { failureOf } from "../../failure.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { createTimer, disarm } from "../../timers.ts";
import { sendQueued } from "../carriers.ts";
import { cutAll, loseAll } from "../exchange/ends.ts";
import { detach, endSession } from "../native/session.ts";
import type { AgentState, Link, Tunnel, TunnelBase } from "../state.ts";

/** Close code of RFC 6455 section 7.4.1. */
export const PROTOCOL_ERROR = 1002;

/** A tunnel that went on with a session and lived for so long was a success. */
const RESUMED_RESET_MS = 500;

/** What a tunnel begins with. */
export function tunnelBase({ config, nowMs }: AgentState, socket: SocketId, resumed: boolean): TunnelBase {
  return {
    socket,
    openedMs: nowMs,
    heartbeat: createTimer({ kind: "heartbeat", socket }),
    heardMs: nowMs,
    nextPingMs: nowMs + config.limits.pingMs,
    resumed,
  };
}

/**
 * Whether the tunnel took up its session and then lived for a moment: then the loss before it was a short one, and so may
 * be this one. Where the network cuts every few seconds the waits must not grow, or most of the time would be lost.
 */
export function hasLasted({ nowMs }: AgentState, { resumed, openedMs }: Tunnel): boolean {
  return resumed && nowMs - openedMs >= RESUMED_RESET_MS;
}

/** Whether there is a session that the server may take up again after that end of its tunnel. */
export function mayResume({ session }: Link, code: number): boolean {
  if (session === null || session.serverDrains) return false;
  return code !== PROTOCOL_ERROR && code !== failureOf("superseded").closeCode;
}

/** Gives up all that runs, and tells the server of each. */
export function giveUpRunning(state: AgentState, out: Outbox<AgentEffect>): void {
  cutAll(state, "draining", out);
  // What the server is told about it has to go out before the tunnel is closed.
  sendQueued(state, out);
}

/** The tunnel is over; its session waits for the next one where that can take it up. */
export function abandonTunnel(
  state: AgentState,
  link: Link,
  tunnel: Tunnel,
  resumable: boolean,
  out: Outbox<AgentEffect>,
): void {
  const { session } = link;
  disarm(state.timers, tunnel.heartbeat);
  if (session !== null && resumable) detach(state, session);
  else loseRunning(state, link, out);
}

/** Gives up all that runs on the link, and its session with it. The origins are told, the server cannot be. */
export function loseRunning(state: AgentState, link: Link, out: Outbox<AgentEffect>): void {
  const { session } = link;
  // No agent has another tunnel beside one that speaks MoosicBox's protocol.
  loseAll(state, (carried) => carried.protocol === "moosicbox" || carried.session === session, out);
  if (session !== null) endSession(state, session);
}
