/**
 * Requests for a home that was lost a moment ago: they wait for it, unread, for at most `waitMs`, and at most `waitingMax` of
 * one client id. A home that this node has not seen lately is told at once: its agent may never come.
 *
 * A home is waited for when its tunnel was lost less than `waitMs` ago, while its session waits for it, and from a native
 * tunnel's handshake to its hello. A draining server waits for nobody, for it lets nobody in.
 */
import { assert } from "../assert.ts";
import type { ServerEffect } from "../effects.ts";
import type { Outbox } from "../outbox.ts";
import { armDeadline, enterPhase, exchangeOf, failExchange } from "./exchange.ts";
import { dropIfEmpty, homeOf, isExpected, liveTunnel } from "./homes.ts";
import type { Exchange, ServerState } from "./state.ts";

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
  waiting.add(exchange.id);
  state.waiting++;
  enterPhase(exchange, "queued");
  armDeadline(state, exchange, limits.waitMs);
}

/** The home can be sent to: what waited for it goes out, oldest first. */
export function releaseWaiting(
  state: ServerState,
  clientId: string,
  forward: (exchange: Exchange) => void,
): void {
  state.away.delete(clientId);
  assert(liveTunnel(state, clientId) !== undefined, "a home is back that has no tunnel");
  for (const id of [...homeOf(state, clientId).waiting]) {
    const exchange = exchangeOf(state, id);
    stopWaiting(state, exchange);
    forward(exchange);
  }
}

/** Nobody is waited for any more. */
export function failWaiting(state: ServerState, out: Outbox<ServerEffect>): void {
  for (const home of [...state.homes.values()]) {
    for (const id of [...home.waiting])
      failExchange(state, exchangeOf(state, id), "agent_not_connected", out);
  }
}

/** Does nothing where the exchange does not wait. */
export function stopWaiting(state: ServerState, exchange: Exchange): void {
  if (exchange.phase !== "queued" || exchange.clientId === null) return;
  const home = state.homes.get(exchange.clientId);
  if (home === undefined || !home.waiting.delete(exchange.id)) return;
  state.waiting--;
  dropIfEmpty(state, exchange.clientId, home);
}
