/**
 * One visitor's request and its response.
 *
 *   authorizing --> issuing ------------------------------.     the server's own endpoints
 *        |                                                 \
 *        +--> (queued) --> reading --> waiting --> responding --> closing --> gone
 *        ^         '---------|---------^
 *        '-------------------'  a form with a token
 *
 * From waiting it goes back to authorizing where another node does not have its home, and nobody was asked for the request.
 *
 * authorizing: the registry is asked whose request this is, or its password is checked. queued: its home is expected back; from
 * there it goes to the door again where it was not let in, or by another mode than its home came back with. reading: the body is
 * gathered for a carrier that takes requests whole, or is the form of a sign-in. waiting: the request is carried, its answer is
 * not in; a streamed body still
 * follows, and may in the next phase too. responding: the head of the answer is in. closing: how it ends is decided; the
 * adapter still has something to write. Gone: `exchange_closed`, which comes in any phase and is always the last event.
 *
 * Two rules are kept here. How an exchange ends is decided once; only a visitor who does not take the end can still turn
 * `completed` into a failure. And a body that was cut is never ended cleanly: once a head is out, failure means
 * `respond_cut`, or for a WebSocket, a close frame with the failure's code.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { ExchangeOpened } from "../../events.ts";
import type { ExchangeOutcome, FailureCode } from "../../failure.ts";
import { isBetweenFrames } from "../../http/websocket-frames.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { arm, createTimer, disarm } from "../../timers.ts";
import { obey } from "../carriers.ts";
import { leaveWaiting } from "../owner/homes.ts";
import { strangerOf } from "../registry/strangers.ts";
import { routeOf } from "../routing/route.ts";
import type { Exchange, ExchangePhase } from "../state/exchange.ts";
import type { Hop } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";
import { release, releaseUnwritten } from "./held.ts";
import { countOutcome, respondClose, respondProblem } from "./respond.ts";
import { returnShare } from "./shares.ts";

const TRANSITIONS: Readonly<Record<ExchangePhase, readonly ExchangePhase[]>> = {
  authorizing: ["issuing", "queued", "reading", "waiting", "closing"],
  issuing: ["closing"],
  queued: ["authorizing", "reading", "waiting", "closing"],
  reading: ["authorizing", "waiting", "closing"],
  waiting: ["authorizing", "responding", "closing"],
  responding: ["closing"],
  closing: [],
};

export function enterPhase(exchange: Exchange, phase: ExchangePhase): void {
  assert(TRANSITIONS[exchange.phase].includes(phase), `an exchange goes from ${exchange.phase} to ${phase}`);
  exchange.phase = phase;
}

export function createExchange(
  state: ServerState,
  request: ExchangeOpened,
  hop: Hop | null = null,
): Exchange {
  const { exchange: id } = request;
  assert(!state.exchanges.has(id), "an exchange was opened twice");
  const route = routeOf(request, state.config);
  const exchange: Exchange = {
    id,
    openedMs: state.nowMs,
    request,
    route,
    timer: createTimer({ kind: "exchange", exchange: id }),
    address: null,
    share: null,
    phase: "authorizing",
    clientId: "clientId" in route.action ? route.action.clientId : null,
    access: null,
    waitsUntilMs: null,
    recalled: false,
    hop,
    sought: false,
    hops: 0,
    misled: [],
    check: null,
    token: null,
    passesAuthorization: null,
    session: null,
    carried: null,
    requestAsked: false,
    requestPaused: false,
    requestRead: false,
    requestParts: [],
    requestBytes: 0,
    requestTrailers: [],
    head: null,
    frames: null,
    leaves: false,
    responseParts: [],
    responseBytes: 0,
    headSent: false,
    isCut: false,
    unflushedBytes: 0,
    heldBytes: 0,
    status: 0,
    bytesOut: 0,
    lastProgressMs: state.nowMs,
    ending: null,
  };
  state.exchanges.set(id, exchange);
  state.counters.exchangesOpened++;
  return exchange;
}

/** The exchange of an adapter's event; misuse where the adapter names one that it never opened, or closed. */
export function exchangeOf(state: ServerState, id: ExchangeId): Exchange {
  const exchange = state.exchanges.get(id);
  assert(exchange !== undefined, "an event names an exchange that is not open");
  return exchange;
}

/**
 * Ends the exchange with a failure: a problem where the visitor was sent nothing yet, else a cut. The agent is told to
 * stop if it still owes something. Does nothing where the end was decided before.
 */
export function failExchange(
  state: ServerState,
  exchange: Exchange,
  code: FailureCode,
  out: Outbox<ServerEffect>,
  extra: { readonly detail?: string; readonly headers?: readonly string[] } = {},
): void {
  const { phase } = exchange;
  if (phase === "closing") return;
  // It opened nothing, and no deletion of it ends the answer that says so.
  if (phase === "authorizing" || phase === "issuing") exchange.token = null;
  abortExchange(state, exchange, code, out);
  releaseUnwritten(state, exchange);
  if (exchange.frames !== null && isBetweenFrames(exchange.frames)) {
    respondClose(state, exchange, exchange.frames, code, out);
  } else if (exchange.headSent) cutExchange(state, exchange, out);
  else respondProblem(state, exchange, code, extra, out);
  endExchange(state, exchange, code, out);
}

/** Ends the exchange to free what it holds, even where nothing is left to do for it but what its visitor does not take. */
export function giveUpExchange(
  state: ServerState,
  exchange: Exchange,
  code: FailureCode,
  out: Outbox<ServerEffect>,
): void {
  if (exchange.phase === "closing") {
    if (exchange.ending === "completed") exchange.ending = code;
    return cutExchange(state, exchange, out);
  }
  // Behind those of a WebSocket a close frame would wait, and they with it.
  const leavesBytes = exchange.frames !== null && exchange.unflushedBytes > 0;
  failExchange(state, exchange, code, out);
  if (leavesBytes) cutExchange(state, exchange, out);
}

/** Has the visitor's connection destroyed, and with it all that waits to be written to it. */
export function cutExchange(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  if (exchange.isCut) return;
  exchange.isCut = true;
  exchange.unflushedBytes = 0;
  release(state, exchange, exchange.heldBytes);
  out.push({ type: "respond_cut", exchange: exchange.id });
}

/** Everything was ordered that the exchange needs: what is left is the adapter's writing. */
export function endExchange(
  state: ServerState,
  exchange: Exchange,
  ending: ExchangeOutcome,
  out: Outbox<ServerEffect>,
): void {
  detachExchange(state, exchange, out);
  enterPhase(exchange, "closing");
  exchange.ending = ending;
  armDeadline(state, exchange, takingMs(state, exchange));
  const { untaken, config } = state;
  untaken.set(exchange.id, exchange);
  if (untaken.size <= config.limits.untakenMax) return;
  for (const [id, oldest] of untaken) {
    untaken.delete(id);
    return giveUpExchange(state, oldest, "limit_slow_visitor", out);
  }
}

/** For how long a visitor may take nothing of what is left of an answer: a short one he takes at once, or does not read. */
export function takingMs(state: ServerState, { bytesOut }: Exchange): number {
  const { shortAnswerBytes, untakenMs, exchangeIdleMs } = state.config.limits;
  return bytesOut <= shortAnswerBytes ? Math.min(untakenMs, exchangeIdleMs) : exchangeIdleMs;
}

/** Whose share of the bounds the visitor takes. */
export function addressOf(state: ServerState, exchange: Exchange): string {
  const { peer, headers } = exchange.request;
  exchange.address ??= strangerOf(state, peer, headers);
  return exchange.address;
}

/** The visitor's side is over: the response went out whole, or the connection is gone. */
export function closeExchange(
  state: ServerState,
  exchange: Exchange,
  complete: boolean,
  out: Outbox<ServerEffect>,
): void {
  assert(!complete || exchange.ending !== null, "a response is complete that was never ended");
  if (exchange.ending === null) {
    abortExchange(state, exchange, "visitor_left", out);
    detachExchange(state, exchange, out);
  }
  const outcome =
    exchange.ending === null || (exchange.ending === "completed" && !complete)
      ? "visitor_left"
      : exchange.ending;
  releaseUnwritten(state, exchange);
  release(state, exchange, exchange.heldBytes);
  disarm(state.timers, exchange.timer);
  state.exchanges.delete(exchange.id);
  state.untaken.delete(exchange.id);
  countOutcome(state, outcome);
  out.push({
    type: "report",
    report: {
      type: "exchange_ended",
      exchange: exchange.id,
      requestId: state.config.idBase + exchange.id,
      clientId: exchange.clientId,
      method: exchange.request.method,
      status: exchange.status,
      outcome,
      bytesOut: exchange.bytesOut,
      durationMs: state.nowMs - exchange.openedMs,
    },
  });
}

/** Starts the clock for whoever is waited for now. */
export function armIdleDeadline(state: ServerState, exchange: Exchange): void {
  armDeadline(state, exchange, state.config.limits.exchangeIdleMs);
}

/** Starts the clock of a phase. Progress only notes its time; the timer finds out when it fires. */
export function armDeadline(state: ServerState, exchange: Exchange, afterMs: number): void {
  exchange.lastProgressMs = state.nowMs;
  arm(state.timers, exchange.timer, state.nowMs + afterMs);
}

/** The visitor is read on, where he was not because of his home. */
export function resumeRequest(exchange: Exchange, out: Outbox<ServerEffect>): void {
  if (!exchange.requestPaused) return;
  exchange.requestPaused = false;
  out.push({ type: "exchange_pause", exchange: exchange.id, paused: false });
}

/** The home is to stop, if it still owes something. A visitor who was not read is read on, so that his connection can end. */
export function abortExchange(
  state: ServerState,
  exchange: Exchange,
  code: FailureCode | "visitor_left",
  out: Outbox<ServerEffect>,
): void {
  if (exchange.carried === null) return;
  if (code !== "visitor_left") resumeRequest(exchange, out);
  obey(state, exchange.carried, { type: "abort", code }, out);
}

/** From here on nobody owes the exchange anything, and the exchange holds nobody back any longer. */
export function detachExchange(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  if (exchange.phase === "queued" && exchange.clientId !== null) {
    leaveWaiting(state, exchange.clientId, exchange.id);
  }
  leaveCheck(state, exchange);
  state.signIns.delete(exchange.id);
  const { carried } = exchange;
  exchange.carried = null;
  if (carried === null) return;
  returnShare(state, exchange);
  obey(state, carried, LEAVE, out);
}

/** A check that nobody waits for any more is not begun. */
function leaveCheck(state: ServerState, exchange: Exchange): void {
  if (exchange.check === null) return;
  const check = state.passwords.get(exchange.check);
  check?.exchanges.delete(exchange.id);
  if (check?.exchanges.size === 0 && !check.running) state.passwords.delete(exchange.check);
  exchange.check = null;
}

const LEAVE = { type: "leave" } as const;
