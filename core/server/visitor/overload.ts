/**
 * Whom to give up when more is held than may be: the visitor who lags beyond `heldBytesHard`, or the largest holder, again
 * and again, until the server as a whole holds no more than `heldBytesTotal`.
 */
import type { ServerEffect } from "../../effects.ts";
import type { FailureCode } from "../../failure.ts";
import type { Outbox } from "../../outbox.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { giveUpExchange } from "./exchange.ts";

/** `exchange` has just come to hold more. Ends by itself: whoever is given up holds nothing but a short answer, and nothing when it comes to him again. */
export function giveUpOverLimit(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  for (let over = overLimit(state, exchange); over !== undefined; over = overLimit(state, exchange)) {
    giveUpExchange(state, over.victim, over.code, out);
  }
}

/** Whom to give up because too much is held, and why; undefined while everything is within bounds. */
function overLimit(
  state: ServerState,
  exchange: Exchange,
): { readonly victim: Exchange; readonly code: FailureCode } | undefined {
  const { heldBytesHard, heldBytesTotal } = state.config.limits;
  if (exchange.unflushedBytes > heldBytesHard) return { victim: exchange, code: "limit_slow_visitor" };
  if (state.heldBytes <= heldBytesTotal) return undefined;
  let victim = exchange;
  for (const other of state.exchanges.values()) {
    if (other.heldBytes > victim.heldBytes) victim = other;
  }
  return { victim, code: holderCode(victim) };
}

function holderCode(exchange: Exchange): FailureCode {
  if (exchange.phase === "reading") return "limit_exchanges";
  const gathers = exchange.route.forward.blocking && exchange.phase !== "closing";
  return gathers ? "limit_response_buffer" : "limit_slow_visitor";
}
