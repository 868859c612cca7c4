/**
 * Requests for a home that was lost a moment ago: they wait for it, unread, for at most `waitMs`, and at most `waitingMax` of
 * one client id. A home that this node has not seen lately is told at once: its agent may never come.
 *
 * A home is waited for when its tunnel was lost less than `waitMs` ago, while its session waits for it, and from a native
 * tunnel's handshake to its hello. A draining server waits for nobody, for it lets nobody in.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { dropIfEmpty, homeOf, isExpected, joinWaiting, leaveWaiting, liveTunnel } from "../owner/homes.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { armDeadline, enterPhase, exchangeOf, failExchange } from "./exchange.ts";

/** The home cannot be sent to: the request waits for it, or fails. */
export function waitForHome(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): void {
  const { limits } = state.config;
  if (state.drainPhase !== "none" || !isExpected(state, clientId)) {
    return failExchange(state, exchange, "agent_not_connected", out);
  }
  const { waiting } = homeOf(state, clientId);
  // An empty home was made for nothing; the failure takes it away again.
  if (waiting.size >= limits.waitingMax) {
    failExchange(state, exchange, "limit_tunnel_exchanges", out);
    return dropIfEmpty(state, clientId, homeOf(state, clientId));
  }
  joinWaiting(state, clientId, exchange.id);
  enterPhase(exchange, "queued");
  armDeadline(state, exchange, limits.waitMs);
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
