/**
 * Frames of the native protocol, and what they come to. What breaks its rules ends the session: the numbers of both ends
 * cannot be trusted any more.
 */
import { assert, unreachable } from "../../assert.ts";
import type { ExchangeId } from "../../ids.ts";
import { type Received, receiveFrame } from "../../session/receive.ts";
import type { Stream } from "../../session/state.ts";
import { type CarrierFact, NOTHING, type RequestPiece, violation } from "../carrier.ts";
import type { AgentSession, AgentState } from "../state.ts";
import { consumeAny } from "./orders.ts";

/**
 * Streams of a session, as a multiple of the exchanges that may run: those that have ended and are not acknowledged are
 * streams too. A server beyond it asks on and on without reading the answers. The floor is for those that are answered at
 * once, of which many come and go before the first is acknowledged.
 */
const STREAMS_PER_EXCHANGE = 4;
const STREAMS_MIN = 256;

/** A frame of the server, any but its welcome. */
export function receiveServerFrame(state: AgentState, session: AgentSession, bytes: Uint8Array): CarrierFact {
  const received = receiveFrame(session.wire, bytes);
  switch (received.type) {
    case "nothing":
    case "violation":
      return received;
    case "opened":
      return openedBy(state, session, received);
    case "piece":
      if (session.byStream.has(received.stream.id)) return received;
      consumeAny(session, received.stream, received.body.length);
      return NOTHING;
    case "reset":
      return resetBy(session, received.stream);
    case "resumed":
      return { type: "forgotten", exchanges: exchangesOf(session, received.forgotten) };
    case "draining":
      session.serverDrains = true;
      return LEAVING;
    case "moved":
    case "interim":
    case "broken":
      return violation("a frame that only an agent sends");
    default:
      return unreachable(received);
  }
}

const LEAVING: CarrierFact = { type: "leaving" };

export function exchangeOfPiece({ byStream }: AgentSession, { stream }: RequestPiece): ExchangeId {
  const carried = byStream.get(stream.id);
  assert(carried !== undefined, "a piece is for an exchange that is over");
  return carried.exchange;
}

function openedBy(
  { config }: AgentState,
  session: AgentSession,
  { stream, head, body, last, trailers }: Extract<Received, { type: "opened" }>,
): CarrierFact {
  const streamsMax = Math.max(STREAMS_MIN, STREAMS_PER_EXCHANGE * config.limits.exchangesMax);
  if (session.wire.streams.size > streamsMax) {
    return violation("the server asks on without taking the answers");
  }
  const requestId = stream.id;
  return {
    type: "opened",
    protocol: "native",
    session,
    stream,
    requestId,
    request: head,
    body,
    last,
    trailers,
  };
}

function resetBy(session: AgentSession, stream: Stream): CarrierFact {
  const carried = session.byStream.get(stream.id);
  return carried === undefined ? NOTHING : { type: "aborted", exchange: carried.exchange };
}

function exchangesOf(session: AgentSession, streams: readonly Stream[]): ExchangeId[] {
  const exchanges: ExchangeId[] = [];
  for (const { id } of streams) {
    const carried = session.byStream.get(id);
    if (carried !== undefined) exchanges.push(carried.exchange);
  }
  return exchanges;
}
