/**
 * When an exchange has waited long enough, in each of its phases: for its visitor, for its home, or for both. It is one rule,
 * `exchangeIdleMs`. Between a visitor and a WebSocket of his home silence says nothing: who has left is found out by the
 * kernel, which probes both connections, and only what a visitor does not take is given up.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { FailureCode } from "../../failure.ts";
import { limitDetail } from "../../http/problem.ts";
import type { Outbox } from "../../outbox.ts";
import { arm } from "../../timers.ts";
import { asksForBody } from "../carriers.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { armIdleDeadline, cutExchange, failExchange, takingMs } from "./exchange.ts";
import { isUnasked, readBody } from "./request.ts";

/** Whether the deadline of its phase has passed; where the exchange moved since, the deadline moves with it. */
export function onExchangeTimer(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  switch (exchange.phase) {
    case "authorizing":
    case "issuing":
      return assert(false, "a phase has a deadline of its own although its registry call has one");
    case "queued":
      return failExchange(state, exchange, "agent_not_connected", out);
    case "reading":
      return failIfIdle(state, exchange, "request_timeout", out);
    case "waiting": {
      if (isUnasked(exchange) && !isAskedFor(exchange)) return readBody(state, exchange, out);
      const forVisitor = exchange.requestAsked && !exchange.requestRead && !exchange.requestPaused;
      return failIfIdle(state, exchange, forVisitor ? "request_timeout" : "response_timeout", out);
    }
    case "responding":
      if (exchange.unflushedBytes > 0) return failIfIdle(state, exchange, "limit_slow_visitor", out);
      if (exchange.frames !== null) return armIdleDeadline(state, exchange);
      return failIfIdle(state, exchange, "response_timeout", out);
    case "closing": {
      const dueMs = exchange.lastProgressMs + takingMs(state, exchange);
      if (state.nowMs < dueMs) arm(state.timers, exchange.timer, dueMs);
      else cutExchange(state, exchange, out);
    }
  }
}

/** Whether the body is for the home's node to ask for. */
function isAskedFor({ carried }: Exchange): boolean {
  return carried !== null && asksForBody(carried);
}

function failIfIdle(
  state: ServerState,
  exchange: Exchange,
  code: Extract<FailureCode, "request_timeout" | "response_timeout" | "limit_slow_visitor">,
  out: Outbox<ServerEffect>,
): void {
  const { exchangeIdleMs, agentNoticeMs } = state.config.limits;
  const dueMs = exchange.lastProgressMs + exchangeIdleMs + (code === "response_timeout" ? agentNoticeMs : 0);
  if (state.nowMs < dueMs) return arm(state.timers, exchange.timer, dueMs);
  failExchange(state, exchange, code, out, {
    detail: limitDetail("exchangeIdleMs", exchangeIdleMs, "server"),
  });
}
