/**
 * Requests for a home that is away, but was there a moment ago: they wait for it, unread, for at most `waitMs`, and at most
 * `waitingMax` of one client id. For a home that was not there lately nobody waits: its agent may never come.
 *
 * A home is waited for when its tunnel was lost less than `waitMs` ago, here or as the registry tells it, while its session
 * waits for it, and from a native tunnel's handshake to its hello. A server that leaves waits for nobody, for it lets nobody in,
 * unless there are other nodes: a home that is at one of them, or comes to one, is reached from here.
 *
 * A home that takes a password, or everybody, judges nobody while it is away: what was good may not be any more, and who is told
 * that a good password is wrong may forget it. These wait as strangers, and are judged when it is back.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { foundHome, hasPeers } from "../owner/found.ts";
import { homeOf, isExpected, joinWaiting, leaveWaiting, liveTunnel, servesHomes } from "../owner/homes.ts";
import { recalledHome } from "../owner/recalled.ts";
import { askWhere, keepSeeking } from "../owner/seeks.ts";
import { callRegistry } from "../registry/calls.ts";
import type { Exchange } from "../state/exchange.ts";
import type { Home, ServerState } from "../state/server.ts";
import { armDeadline, enterPhase, exchangeOf, failExchange } from "./exchange.ts";

/** The home of a request that was let in cannot be sent to: the request waits for it, or fails. */
export function waitForHome(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): void {
  if (seekFor(state, exchange, clientId, out)) return;
  if (isWaitedFor(state) && isExpected(state, clientId)) return joinQueue(state, exchange, clientId, out);
  const isTold = exchange.recalled || recalledHome(state, clientId) !== undefined;
  // It may be that this server has just begun, or that another node lost the home. A registry that fails would only add its wait.
  const mayAsk =
    state.drainPhase === "none" && exchange.phase === "authorizing" && !isTold && state.registryUp !== false;
  if (mayAsk && recallOnWay(state, exchange, clientId, out)) return;
  failExchange(state, exchange, "agent_not_connected", out);
}

/** The home is away, and judges its visitors itself when it is back: the request waits for that, or fails. */
export function waitAtDoor(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): void {
  // Nothing has let it in, whatever it was to be judged by before the registry spoke.
  exchange.access = null;
  exchange.token = null;
  if (seekFor(state, exchange, clientId, out)) return;
  if (!isWaitedFor(state) || !isExpected(state, clientId)) {
    return failExchange(state, exchange, "agent_not_connected", out);
  }
  joinQueue(state, exchange, clientId, out);
}

/** Whether the registry is asked first which node has the home: its answer leads the request here again. */
function seekFor(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): boolean {
  const { sought, hop, phase } = exchange;
  if (sought || hop !== null || phase !== "authorizing" || !hasPeers(state)) return false;
  // What it said a moment ago is known, and one that fails would only add its wait.
  if (foundHome(state, clientId) !== undefined || state.registryUp === false) return false;
  exchange.sought = askWhere(state, clientId, exchange.id, out);
  return exchange.sought;
}

/** A server that leaves lets no home in again, but another node may. */
function isWaitedFor(state: ServerState): boolean {
  return state.drainPhase === "none" || (hasPeers(state) && servesHomes(state));
}

export function joinQueue(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): void {
  exchange.waitsUntilMs ??= state.nowMs + state.config.limits.waitMs;
  if (state.nowMs >= exchange.waitsUntilMs) return failExchange(state, exchange, "agent_not_connected", out);
  const home = state.homes.get(clientId);
  if (home !== undefined && !hasRoom(state, home, exchange)) {
    return failExchange(state, exchange, "limit_tunnel_exchanges", out);
  }
  joinWaiting(state, clientId, exchange.id);
  if (hasPeers(state) && exchange.hop === null) keepSeeking(state, clientId);
  enterPhase(exchange, "queued");
  armDeadline(state, exchange, exchange.waitsUntilMs - state.nowMs);
}

function hasRoom(state: ServerState, { waiting }: Home, exchange: Exchange): boolean {
  const { waitingMax, waitingStrangersMax } = state.config.limits;
  if (waiting.size >= waitingMax) return false;
  if (!isStranger(exchange)) return true;
  let strangers = 0;
  for (const id of waiting) if (isStranger(exchangeOf(state, id))) strangers++;
  return strangers < waitingStrangersMax;
}

/** Whether nobody has looked yet at what it shows. */
function isStranger({ route, access, hop }: Exchange): boolean {
  // Another node has.
  return hop === null && route.credential.type === "home_access" && access === null;
}

/** Asks the registry when the home was there. Once in a while, and of somebody who was let in: nothing depends on the answer but a wait. */
function recallOnWay(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): boolean {
  exchange.recalled = true;
  return callRegistry(
    state,
    { type: "recall_home", clientId },
    { type: "recall_home", exchange: exchange.id, clientId, at: "way" },
    0,
    out,
  );
}

/** The home can be sent to: what waited for it is taken out of the queue, oldest first, to be sent. */
export function takeWaiting(state: ServerState, clientId: string): readonly Exchange[] {
  assert(liveTunnel(state, clientId) !== undefined, "a home is back that has no tunnel");
  const ids = [...homeOf(state, clientId).waiting];
  for (const id of ids) leaveWaiting(state, clientId, id);
  return ids.map((id) => exchangeOf(state, id));
}

/** Nobody is waited for any more. */
export function failWaiting(state: ServerState, out: Outbox<ServerEffect>): void {
  for (const home of [...state.homes.values()]) {
    for (const id of [...home.waiting])
      failExchange(state, exchangeOf(state, id), "agent_not_connected", out);
  }
}
