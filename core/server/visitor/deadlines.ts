/** When an exchange has waited long enough, in each of its phases: for its visitor, for its home, or for both. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { FailureCode } from "../../failure.ts";
import type { Outbox } from "../../outbox.ts";
import { arm } from "../../timers.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { cutExchange, failExchange, takingMs } from "./exchange.ts";
import { isUnasked, readBody } from "./request.ts";

/** Whether the deadline of its phase has passed; where the exchange moved since, the deadline moves with it. */
export function onExchangeTimer(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { limits } = state.config;
  switch (exchange.phase) {
    case "authorizing":
    case "issuing":
      return assert(false, "a phase has a deadline of its own although its registry call has one");
    case "queued":
      return failExchange(state, exchange, "agent_not_connected", out);
    case "reading":
      return failIfIdle(state, exchange, limits.requestIdleMs, "request_timeout", out);
    case "waiting": {
      if (isUnasked(exchange)) return readBody(state, exchange, out);
      const forVisitor = exchange.requestAsked && !exchange.requestRead && !exchange.requestPaused;
      if (forVisitor) return failIfIdle(state, exchange, limits.requestIdleMs, "request_timeout", out);
      return failIfIdle(state, exchange, limits.responseHeadMs, "response_timeout", out);
    }
    case "responding": {
      const code = exchange.unflushedBytes > 0 ? "limit_slow_visitor" : "response_timeout";
      return failIfIdle(state, exchange, limits.responseIdleMs, code, out);
    }
    case "closing": {
      const dueMs = exchange.lastProgressMs + takingMs(state, exchange);
      if (state.nowMs < dueMs) arm(state.timers, exchange.timer, dueMs);
      else cutExchange(state, exchange, out);
    }
  }
}

function failIfIdle(
  state: ServerState,
  exchange: Exchange,
  idleMs: number,
  code: FailureCode,
  out: Outbox<ServerEffect>,
): void {
  const dueMs = exchange.lastProgressMs + idleMs;
  if (state.nowMs < dueMs) arm(state.timers, exchange.timer, dueMs);
  else failExchange(state, exchange, code, out);
}
