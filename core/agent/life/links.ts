/**
 * The links of an agent, each with a life, a session and a ticket of its own. Where there is one server there is one link.
 *
 * Servers that are several nodes tell which one they are, and which others there are; then the agent keeps links to so many of them
 * as it was told to (`config.links`). It finds them by dialling again: a balancer leads somewhere, and a node that it has a link to
 * sends it on. After a few such meetings the agent is content for a while, and longer than that only a new node wakes it.
 *
 * The first link leads: it is connected if any is, and it alone asks for tokens. The others dial while it is connected, one at a
 * time, so that no two meet the same node unawares.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { below } from "../../prng.ts";
import { arm, disarm } from "../../timers.ts";
import { type AgentState, createLink, type Link, type Tunnel, tunnelOf } from "../state.ts";
import { olderLinkOn } from "./older-links.ts";
import { enter, jittered } from "./phase.ts";
import { loseRunning } from "./tunnel.ts";

/** All agents of a node hear of another one together. */
const JOIN_MS = 2_000;

/** A link that another one keeps from its dial looks again so soon. */
const TURN_MS = 500;

/** Attempts in a row that lead to nodes which the agent has links to; of two nodes behind a fair balancer one in 30 is so unlucky. */
const MEETINGS_MAX = 5;
const MEETING_MS = 400;

/** For so long it is content with what it has then. */
const CONTENT_MS = 60_000;

export function linkOf({ links }: AgentState, number: number): Link {
  const link = links.find((each) => each.number === number);
  assert(link !== undefined, "a timer outlived its link");
  return link;
}

/** The link whose life has that socket, whatever for. */
export function linkOn({ links }: AgentState, socket: SocketId): Link | null {
  return links.find((link) => socketOf(link) === socket) ?? null;
}

/** The tunnel on that socket, of a link or of one that is older. */
export function tunnelOn(state: AgentState, socket: SocketId): Tunnel | null {
  const link = linkOn(state, socket);
  return link === null ? olderLinkOn(state, socket) : tunnelOf(link);
}

/** The names of the nodes that the agent has links to. */
export function linkedNodes({ links }: AgentState): readonly string[] {
  return links.flatMap(({ life, node }) => (life.phase === "connected" && node !== null ? [node] : []));
}

/** The server says which other nodes there are. */
export function noteNodes(state: AgentState, nodes: readonly string[]): void {
  const known = new Set([...state.nodes, ...linkedNodes(state)]);
  const hasNew = nodes.some((node) => !known.has(node));
  state.nodes = nodes;
  if (hasNew) for (const link of state.links.slice(1)) wake(state, link);
  settleLinks(state);
}

/** As many links as are wanted, where one leads; those that look for a node in vain are left when there is none to find. */
export function settleLinks(state: AgentState): void {
  const [first] = state.links;
  if (first.life.phase !== "connected" || first.node === null) return;
  const wanted = Math.min(state.config.links, 1 + state.nodes.length);
  while (state.links.length < wanted) {
    const link = createLink(++state.linksMade);
    state.links.push(link);
    enter(state, link, { phase: "waiting" }, below(state.jitter, JOIN_MS + 1));
  }
  for (const link of state.links.slice(wanted).reverse()) {
    if (link.life.phase === "waiting" && link.session === null) forget(state, link);
  }
}

/** Whether the link may dial now. Where it may not it waits for its turn, or has nothing to wait for. */
export function takesTurn(state: AgentState, link: Link): boolean {
  const [first, ...others] = state.links;
  if (link === first) return true;
  const isLed = first.life.phase === "connected" && state.clientToken !== null;
  if (isLed && !others.some(({ life }) => DIALS.has(life.phase))) return true;
  if (isLed || link.session !== null) enter(state, link, { phase: "waiting" }, jittered(state, TURN_MS));
  else forget(state, link);
  return false;
}

const DIALS: ReadonlySet<string> = new Set(["connecting", "greeting"]);

/** A dial led to a node that the agent has a link to. */
export function onMet(state: AgentState, link: Link, out: Outbox<AgentEffect>): void {
  link.meetings++;
  if (link.meetings >= MEETINGS_MAX) beContent(state, link, "no other node was found", out);
  else waitQuietly(state, link, jittered(state, MEETING_MS), "the dial led to a node that has a tunnel", out);
}

/** Looks for a node no more for a while. */
export function beContent(state: AgentState, link: Link, cause: string, out: Outbox<AgentEffect>): void {
  link.meetings = 0;
  waitQuietly(state, link, jittered(state, CONTENT_MS), cause, out);
}

/** A link that is connected leads, if there is one. */
export function lead(state: AgentState): void {
  const [first] = state.links;
  if (first.life.phase === "connected") return;
  const heir = state.links.find(({ life }) => life.phase === "connected");
  if (heir === undefined) return;
  state.links = [heir, ...state.links.filter((link) => link !== heir)];
}

/**
 * Whether a newer tunnel of this agent itself may be why a node closes that link's as superseded: the two went to it unawares of each
 * other.
 */
export function isOwnDoing(state: AgentState, link: Link): boolean {
  return state.links.some(({ life, node }) => {
    return life.phase === "greeting" || (life.phase === "connected" && node !== null && node === link.node);
  });
}

/** Two tunnels at one node, which keeps the newer: the other one's link has nothing there any more. */
export function dropTwin(state: AgentState, newer: Link, out: Outbox<AgentEffect>): void {
  const twin = state.links.find(({ life, node }) => life.phase === "connected" && node === newer.node);
  if (newer.node === null || twin === undefined || twin === newer) return;
  state.links = [newer, ...state.links.filter((link) => link !== newer)];
  dropLink(state, twin, "the agent has a newer tunnel to this node", out);
}

/** An agent that stops keeps no links: what runs on those that do not lead ends as on those whose servers leave. */
export function putAside(state: AgentState, out: Outbox<AgentEffect>): void {
  for (const link of state.links.slice(1)) {
    const tunnel = tunnelOf(link);
    if (tunnel?.protocol === "native") {
      state.olderLinks.push(tunnel);
      link.session = null;
      forget(state, link);
    } else dropLink(state, link, "the agent is stopping", out);
  }
}

/** All other links end, with what runs on them. */
export function dropOthers(state: AgentState, kept: Link, reason: string, out: Outbox<AgentEffect>): void {
  const dropped = state.links.filter((link) => link !== kept);
  state.links = [kept, ...dropped];
  for (const link of dropped) dropLink(state, link, reason, out);
}

/** Ends a link that does not lead. */
export function dropLink(state: AgentState, link: Link, reason: string, out: Outbox<AgentEffect>): void {
  const tunnel = tunnelOf(link);
  const socket = socketOf(link);
  if (tunnel !== null) disarm(state.timers, tunnel.heartbeat);
  loseRunning(state, link, out);
  forget(state, link);
  if (tunnel !== null) out.push({ type: "socket_close", socket: tunnel.socket, code: 1000, reason });
  else if (socket !== null) out.push({ type: "socket_terminate", socket });
}

/** Takes a link that does not lead, and has nothing, out of the list. */
function forget(state: AgentState, link: Link): void {
  const [first, ...others] = state.links;
  assert(link !== first, "the link that leads is forgotten");
  disarm(state.timers, link.lifeTimer);
  state.links = [first, ...others.filter((other) => other !== link)];
}

/** There is somewhere else to look now. */
function wake(state: AgentState, link: Link): void {
  link.meetings = 0;
  const dueMs = state.nowMs + below(state.jitter, JOIN_MS + 1);
  if (link.life.phase === "waiting" && link.lifeTimer.atMs > dueMs) arm(state.timers, link.lifeTimer, dueMs);
}

function waitQuietly(
  state: AgentState,
  link: Link,
  inMs: number,
  cause: string,
  out: Outbox<AgentEffect>,
): void {
  enter(state, link, { phase: "waiting" }, inMs);
  const level = "debug";
  out.push({ type: "report", report: { type: "retrying", inMs, cause, next: null, detail: null, level } });
}

function socketOf({ life }: Link): SocketId | null {
  switch (life.phase) {
    case "connecting":
    case "greeting":
    case "closing":
      return life.socket;
    case "connected":
    case "draining":
      return life.tunnel.socket;
    default:
      return null;
  }
}
