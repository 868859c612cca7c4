/**
 * How an exchange ends: its answer is complete, its origin failed, the server takes no more of it, or whoever waited for it
 * is gone. It is forgotten before the last order for it is given, so nothing can be sent for it afterwards; what the origin
 * still reports finds no exchange and is ignored.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { HeaderList } from "../../http/headers.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { disarm } from "../../timers.ts";
import type { CarrierOrder } from "../carrier.ts";
import { giveCredit, order } from "../carriers.ts";
import type { AgentProblem } from "../problem.ts";
import type { AgentState, Carried, Exchange } from "../state.ts";
import { countAbort } from "./aborts.ts";

export function complete(
  state: AgentState,
  exchange: Exchange,
  trailers: HeaderList,
  out: Outbox<AgentEffect>,
): void {
  forget(state, exchange);
  order(state, exchange.carried, { type: "end", trailers }, out);
  state.counters.exchangesCompleted++;
}

/** Ends an exchange whose origin is still at work. */
export function cutOrigin(
  state: AgentState,
  exchange: Exchange,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  out.push({ type: "origin_abort", exchange: exchange.id });
  giveUp(state, exchange, problem, out);
}

/** Ends an exchange whose origin has done with it. */
export function giveUp(
  state: AgentState,
  exchange: Exchange,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  const { requestId, method } = exchange;
  forget(state, exchange);
  state.counters.exchangesFailed++;
  const report = { type: "exchange_failed", requestId: String(requestId), method, fault: problem } as const;
  out.push({ type: "report", report });
  order(state, exchange.carried, { type: "give_up", problem }, out);
}

/** Gives up all that runs, so that the server is told of each. */
export function cutAll(state: AgentState, problem: AgentProblem, out: Outbox<AgentEffect>): void {
  for (const exchange of state.exchanges.values()) cutOrigin(state, exchange, problem, out);
}

/** A way to a server is gone, and with it everybody who waited for an answer: those whose carrier is such. */
export function loseAll(
  state: AgentState,
  isLost: (carried: Carried) => boolean,
  out: Outbox<AgentEffect>,
): void {
  for (const exchange of state.exchanges.values()) if (isLost(exchange.carried)) lose(state, exchange, out);
}

/** What the server has forgotten has nobody who waits for it. */
export function onForgotten(
  state: AgentState,
  forgotten: readonly ExchangeId[],
  out: Outbox<AgentEffect>,
): void {
  for (const id of forgotten) lose(state, runningOf(state, id), out);
}

/** The server takes nothing more of it. */
export function onAborted(state: AgentState, id: ExchangeId, out: Outbox<AgentEffect>): void {
  const exchange = runningOf(state, id);
  if (!exchange.headed) countAbort(state);
  drop(state, exchange, out);
  state.counters.exchangesAborted++;
}

function lose(state: AgentState, exchange: Exchange, out: Outbox<AgentEffect>): void {
  drop(state, exchange, out);
  state.counters.exchangesLost++;
}

function drop(state: AgentState, exchange: Exchange, out: Outbox<AgentEffect>): void {
  forget(state, exchange);
  order(state, exchange.carried, DROP, out);
  out.push({ type: "origin_abort", exchange: exchange.id });
}

const DROP: CarrierOrder = { type: "drop" };

/** The origin has nothing more to do with it. */
function forget(state: AgentState, exchange: Exchange): void {
  disarm(state.timers, exchange.originTimer);
  assert(state.exchanges.delete(exchange.id), "an exchange is forgotten twice");
  // Nobody will take these any more; without credit for them the server could not even end the body.
  giveCredit(exchange.carried, exchange.unflushedBytes);
}

function runningOf(state: AgentState, id: ExchangeId): Exchange {
  const exchange = state.exchanges.get(id);
  assert(exchange !== undefined, "a carrier reports of an exchange that is over");
  return exchange;
}
