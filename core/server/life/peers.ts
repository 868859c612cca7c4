/**
 * What passes between nodes: requests that another node sends for its visitors, answers of other nodes to requests of ours, and the
 * registry's word on where a home is.
 */
import { assert, unreachable } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { ExchangeOpened, OriginEvent } from "../../events.ts";
import type { FailureCode } from "../../failure.ts";
import { type HeaderList, headerValue, withoutHeader } from "../../http/headers.ts";
import type { Outbox } from "../../outbox.ts";
import { disarm } from "../../timers.ts";
import { noteFound, noteLost, rowOf, wayFor } from "../owner/found.ts";
import { leaveWaiting, servesHomes } from "../owner/homes.ts";
import { takeAsking } from "../owner/seeks.ts";
import { readAnswer } from "../peer/answers.ts";
import { headOfVisitor, takePass } from "../peer/pass.ts";
import type { CallResult } from "../registry/calls.ts";
import type { Exchange } from "../state/exchange.ts";
import type { Hop, PeerCarried } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";
import { judgeAgain } from "../visitor/door.ts";
import {
  abortExchange,
  createExchange,
  detachExchange,
  enterPhase,
  exchangeOf,
  failExchange,
} from "../visitor/exchange.ts";
import { forwardRequest, onRequestRelieved } from "../visitor/request.ts";
import { onInterim, onPiece } from "../visitor/response.ts";

/** Takes in a request that another node sends: as the visitor's own, who was let in there. */
export function admitFromPeer(state: ServerState, opened: ExchangeOpened, out: Outbox<ServerEffect>): void {
  const hop = takePass(state, opened);
  if (hop === null) return failExchange(state, createExchange(state, opened), "not_a_peer", out);
  const exchange = createExchange(state, visitorsRequest(opened, hop), hop);
  const refused = refusalOf(state, exchange, hop);
  if (refused !== null) return failExchange(state, exchange, refused, out);
  state.counters.hopsTaken++;
  // What was not the home's was left where the visitor came in.
  exchange.passesAuthorization = true;
  forwardRequest(state, exchange, hop.clientId, out);
}

/** Something has happened to a request at another node. One that has ended here is nobody's any more. */
export function onPeerAnswer(state: ServerState, event: OriginEvent, out: Outbox<ServerEffect>): void {
  const carried = state.peers.carried.get(event.exchange);
  if (carried === undefined) return;
  const fact = readAnswer(state, carried, event, out);
  if (fact === null) return;
  const exchange = exchangeOf(state, carried.exchange);
  switch (fact.type) {
    case "interim":
      return onInterim(state, exchange, fact.status, fact.headers, out);
    case "piece":
      return onPiece(state, exchange, fact, out);
    case "relieved":
      return onRequestRelieved(state, exchange.id, out);
    case "broken": {
      const { code, detail, headers = [] } = fact;
      // The home may have changed who may visit it, which is to be asked anew.
      if (code === "agent_not_connected" && exchange.clientId !== null)
        state.recalled.delete(exchange.clientId);
      return failExchange(state, exchange, code, out, detail === null ? { headers } : { detail, headers });
    }
    case "astray":
      return onAstray(state, exchange, carried, fact.code, out);
    default:
      unreachable(fact);
  }
}

/** The registry's word on where a home is. */
export function onConnectionFound(
  state: ServerState,
  clientId: string,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type === "connections_found") noteFound(state, clientId, result.connections);
  else assert(result.type === "failed", "the registry answered another question");
  for (const id of takeAsking(state, clientId)) {
    const exchange = state.exchanges.get(id);
    if (exchange?.phase === "authorizing") sendOn(state, exchange, clientId, out);
  }
  if (result.type === "failed") return;
  for (const id of [...(state.homes.get(clientId)?.waiting ?? [])]) {
    const exchange = exchangeOf(state, id);
    if (exchange.hop !== null || wayFor(state, clientId, exchange) === null) continue;
    leaveWaiting(state, clientId, id);
    enterPhase(exchange, "authorizing");
    disarm(state.timers, exchange.timer);
    // What the registry said of the home when it was away may be long ago.
    exchange.recalled = false;
    sendOn(state, exchange, clientId, out);
  }
}

function sendOn(state: ServerState, exchange: Exchange, clientId: string, out: Outbox<ServerEffect>): void {
  judgeAgain(state, exchange, clientId, exchange.access !== null, out);
}

/** No home was asked for anything, so the request may go elsewhere: where its home is now, or where it will be soon. */
function onAstray(
  state: ServerState,
  exchange: Exchange,
  carried: PeerCarried,
  code: FailureCode,
  out: Outbox<ServerEffect>,
): void {
  const { clientId, phase, requestAsked } = exchange;
  assert(clientId !== null, "a request goes to nobody's home");
  state.counters.hopsAstray++;
  noteLost(state, clientId, carried.connection);
  // Of a body that was asked for some is gone.
  if (phase !== "waiting" || requestAsked) return failExchange(state, exchange, code, out);
  abortExchange(state, exchange, code, out);
  detachExchange(state, exchange, out);
  enterPhase(exchange, "authorizing");
  disarm(state.timers, exchange.timer);
  exchange.misled = [...exchange.misled, rowOf(carried.connection)];
  exchange.sought = false;
  forwardRequest(state, exchange, clientId, out);
}

function refusalOf(state: ServerState, { route }: Exchange, hop: Hop): FailureCode | null {
  const { exchanges, untaken, config } = state;
  const { action } = route;
  const isForHome =
    action.type === "forward" ? action.clientId === hop.clientId : action.type === "magic_login";
  // A row that names a process which is no more, or nodes that are not set up alike; or the home is about to be elsewhere.
  if (hop.node !== config.node || !isForHome || !servesHomes(state)) return "misdirected";
  return exchanges.size - untaken.size > config.limits.exchangesMax ? "limit_exchanges" : null;
}

/** As if he had come here. */
function visitorsRequest(opened: ExchangeOpened, hop: Hop): ExchangeOpened {
  const { peer, expectsContinue } = hop;
  return { ...opened, headers: visitorsHeaders(opened.headers, expectsContinue), peer, expectsContinue };
}

function visitorsHeaders(headers: HeaderList, expectsContinue: boolean): HeaderList {
  const sent = headOfVisitor(headers);
  const own = headerValue(sent, "host") === "" ? withoutHeader(sent, "host") : sent;
  return expectsContinue ? [...own, "Expect", "100-continue"] : own;
}
