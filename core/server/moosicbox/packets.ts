/** The way of the home's answer over MoosicBox's protocol: packets in order, status and headers from packet 1 alone. */
import type { ServerEffect } from "../../effects.ts";
import { contentLength, endToEnd, type HeaderList, withoutHeader } from "../../http/headers.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { acceptPacket, takeParked } from "../../resequencer.ts";
import type { Packet, PacketHead, WireId } from "../../wire/packet.ts";
import { type CarriedHead, type CarrierFact, NOT_FINAL, type PieceFact } from "../carrier.ts";
import type { ServerState } from "../state/server.ts";
import type { MoosicBoxCarried, Tunnel } from "../state/tunnels.ts";
import { onStray } from "./aborts.ts";

/** The exchange that this tunnel may answer under that wire id; undefined for one that is unknown, ended or another's. */
export function answerable(
  state: ServerState,
  tunnel: Tunnel,
  requestId: WireId,
): MoosicBoxCarried | undefined {
  if (typeof requestId !== "number") return undefined;
  return tunnel.exchanges.get((requestId - state.config.idBase) as ExchangeId);
}

export function readPacket(
  state: ServerState,
  tunnel: Tunnel,
  packet: Packet,
  out: Outbox<ServerEffect>,
): CarrierFact | null {
  state.counters.bytesIn += packet.body.length;
  const carried = answerable(state, tunnel, packet.requestId);
  if (carried === undefined) {
    onStray(state, tunnel, packet.requestId, out);
    return null;
  }
  const { exchange, order } = carried;
  switch (acceptPacket(order, packet, state.config.limits)) {
    case "duplicate":
      state.counters.duplicatePackets++;
      return null;
    case "parked":
      return { type: "parked", exchange, bytes: packet.body.length };
    case "next": {
      if (packet.head === null) return pieceOf(exchange, packet, null);
      const head = headOf(packet.head);
      return head === null ? broken(state, exchange, NOT_FINAL) : pieceOf(exchange, packet, head);
    }
    case "conflict":
      return broken(state, exchange, "A packet came twice with different content.");
    case "beyond_last":
      return broken(state, exchange, "A packet came behind the last one.");
    case "overflow":
      return broken(state, exchange, "Too much came ahead of a missing packet.");
  }
}

/** The parked packet whose turn has come; null where it is not there. */
export function nextPacket({ exchange, order }: MoosicBoxCarried): PieceFact | null {
  const packet = takeParked(order);
  return packet === undefined ? null : pieceOf(exchange, packet, null);
}

function pieceOf(exchange: ExchangeId, { body, last }: Packet, head: CarriedHead | null): PieceFact {
  return { type: "piece", exchange, head, body, lastUse: false, last, trailers: NONE };
}

/** Null where it is not a final response's. */
function headOf({ status, headers }: PacketHead): CarriedHead | null {
  const declaredBytes = contentLength(headers);
  if (status < 200 || status > 599 || declaredBytes === "invalid") return null;
  let passed = endToEnd(headers);
  // RFC 9110 section 8.6: a 204 has no content-length. One value remains of a repeated one.
  if (declaredBytes !== null) passed = withoutHeader(passed, "content-length");
  if (declaredBytes !== null && status !== 204) passed = [...passed, "content-length", String(declaredBytes)];
  return { status, headers: passed, declaredBytes, trailerNames: "", compressible: true };
}

/** The agent broke the protocol on this exchange alone. */
function broken(state: ServerState, exchange: ExchangeId, detail: string): CarrierFact {
  state.counters.agentProtocolErrors++;
  return { type: "broken", exchange, code: "agent_protocol", detail };
}

const NONE: HeaderList = [];
