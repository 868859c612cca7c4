/**
 * Links whose server leaves: the agent's life is on its way to the next one, or has it.
 *
 *   newest -> older -> gone
 *
 * What runs on an older link goes on there, each with its own session, and what its server still begins is taken: it serves
 * visitors until its last moment. It is told once there is a newer link. It closes the link when nothing is left to do, and
 * takes nobody back: an older link that is lost is lost for good.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { below } from "../../prng.ts";
import { sendMoved } from "../../session/send.ts";
import { arm, disarm } from "../../timers.ts";
import { loseAll } from "../exchange/ends.ts";
import { endSession } from "../native/session.ts";
import type { AgentState, Link, NativeTunnel } from "../state.ts";
import { loseRunning } from "./tunnel.ts";

/** Servers that leave one after the other before the first is gone; beyond them the oldest is left. */
const OLDER_LINKS_MAX = 3;

/** From the word that a server leaves on, and again from its end: its successor is there by then, if there is one. */
const MOVE_MS = 15_000;

/** All agents of a server that has ended come to its successor within so long. */
const SUCCESSOR_MS = 1_000;

/** The server of the link leaves: its life is to begin anew. */
export function stepAside(
  state: AgentState,
  link: Link,
  tunnel: NativeTunnel,
  out: Outbox<AgentEffect>,
): void {
  assert(link.session === tunnel.session, "an agent moves on from a link that is older already");
  const oldest = state.olderLinks.length >= OLDER_LINKS_MAX ? state.olderLinks[0] : undefined;
  if (oldest !== undefined) closeOlderLink(state, oldest, "the agent has newer tunnels", out);
  state.olderLinks.push(tunnel);
  link.session = null;
  link.failures = 0;
  link.movesUntilMs = state.nowMs + MOVE_MS;
}

/** There is a newer link. */
export function tellMoved({ olderLinks }: AgentState): void {
  for (const { session } of olderLinks) {
    if (!session.takesMoved || session.isMoved) continue;
    session.isMoved = true;
    sendMoved(session.wire);
  }
}

export function olderLinkOn({ olderLinks }: AgentState, socket: SocketId): NativeTunnel | null {
  return olderLinks.find((link) => link.socket === socket) ?? null;
}

/** The link is gone, and with it its server: where no other has taken the agent yet, its successor is about to begin. */
export function loseOlderLink(state: AgentState, link: NativeTunnel, out: Outbox<AgentEffect>): void {
  const at = state.olderLinks.indexOf(link);
  assert(at >= 0, "an older link is lost twice");
  state.olderLinks.splice(at, 1);
  disarm(state.timers, link.heartbeat);
  loseAll(state, (carried) => carried.protocol === "native" && carried.session === link.session, out);
  endSession(state, link.session);
  for (const each of state.links) {
    if (each.movesUntilMs === Number.NEGATIVE_INFINITY) continue;
    each.failures = Math.min(each.failures, 1);
    each.movesUntilMs = state.nowMs + MOVE_MS;
    // It may have been looked for in vain for so long that the next try would be late.
    const dueMs = state.nowMs + below(state.jitter, SUCCESSOR_MS);
    if (each.life.phase === "waiting" && each.lifeTimer.atMs > dueMs)
      arm(state.timers, each.lifeTimer, dueMs);
  }
}

export function closeOlderLink(
  state: AgentState,
  link: NativeTunnel,
  reason: string,
  out: Outbox<AgentEffect>,
): void {
  loseOlderLink(state, link, out);
  out.push({ type: "socket_close", socket: link.socket, code: 1000, reason });
}

/** An agent that stops has no use for a newer link: the latest of the older ones is its newest again. */
export function takeOlderLink(state: AgentState, out: Outbox<AgentEffect>): NativeTunnel | null {
  const older = state.olderLinks.pop();
  if (older === undefined) return null;
  const [link] = state.links;
  loseRunning(state, link, out);
  link.session = older.session;
  return older;
}

export function closeOlderLinks(state: AgentState, reason: string, out: Outbox<AgentEffect>): void {
  for (const link of [...state.olderLinks]) closeOlderLink(state, link, reason, out);
}
