/**
 * The way of a request to its home by another node: HTTP/1.1 to that node's listener for peers, which `core/origins/` speaks as it
 * does to a home's service.
 *
 * The other node gets the visitor's own head, with a pass (`pass.ts`), and does with it what it would do if he had come there. A body
 * is asked of the visitor only when that node asks for it: until then all can be sent elsewhere, and the home was asked nothing.
 */
import { assert, unreachable } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import { contentLength, endToEnd, type HeaderList, headerValue, withoutHeader } from "../../http/headers.ts";
import { withTargetsHost } from "../../http/host.ts";
import { originForm } from "../../http/target.ts";
import { acceptFor, upgradeFields } from "../../http/upgrade.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { type CarrierOrder, type OpenOrder, type Refusal, refusal } from "../carrier.ts";
import { accessText } from "../routing/access.ts";
import { homeHeaders } from "../routing/route.ts";
import type { PeerCarried, PeerConnection } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";
import { headOfVisitor, passFields } from "./pass.ts";
import { slotFor } from "./slots.ts";

export function openPeer(
  state: ServerState,
  connection: PeerConnection,
  order: OpenOrder,
  out: Outbox<ServerEffect>,
): PeerCarried | Refusal {
  const { exchange, clientId, request, access, attempt } = order;
  const slot = slotFor(state, connection.peerUrl, out);
  const target = sentTarget(order);
  if (slot === null || target === null) return refusal("peer_unreachable");
  const { method, upgrade } = request;
  const headers = sentHeaders(order);
  const { node, tunnel } = connection;
  const accessHash = access === null ? null : state.config.sha256(accessText(access));
  const hop = {
    node,
    tunnel,
    clientId,
    peer: request.peer,
    accessHash,
    expectsContinue: request.expectsContinue,
  };
  const pass = passFields(state, { method, target, headers }, hop, `${hexOf(request.nonce)}.${attempt}`);
  const length = contentLength(request.headers);
  assert(length !== "invalid", "a request was taken whose length nobody can read");
  const streams = request.hasBody && !upgrade;
  const own = requestId(exchange, attempt);
  slot.exchanges++;
  state.counters.hopsSent++;
  out.push({
    type: "origin_request",
    exchange: own,
    origin: state.peers.slots.indexOf(slot),
    method,
    target,
    headers: [...headers, ...(streams ? CONTINUE : []), ...pass],
    body: streams ? "streamed" : length === 0 ? NO_BYTES : null,
    bodyBytes: streams ? length : null,
    upgrade,
  });
  const carried: PeerCarried = {
    carrier: "peer",
    exchange,
    request: own,
    connection,
    slot,
    accept: upgrade ? acceptFor(headers) : null,
    streams,
    headed: false,
    held: null,
    over: false,
    queuedBytes: 0,
    sourcePaused: false,
    owedBytes: 0,
    paused: false,
  };
  state.peers.carried.set(own, carried);
  return carried;
}

export function obeyPeer(
  state: ServerState,
  carried: PeerCarried,
  order: CarrierOrder,
  out: Outbox<ServerEffect>,
): void {
  const { request: exchange } = carried;
  switch (order.type) {
    case "body":
      if (carried.over) return;
      carried.queuedBytes += order.bytes.length;
      state.peers.queuedBytes += order.bytes.length;
      out.push({ type: "origin_send", exchange, bytes: order.bytes });
      return;
    case "end":
      if (carried.streams && !carried.over) {
        out.push({ type: "origin_send_end", exchange, trailers: order.trailers });
      }
      carried.streams = false;
      return;
    case "await_room":
      carried.sourcePaused = true;
      return;
    case "given":
      return;
    case "credit":
      carried.owedBytes -= order.bytes;
      return pauseOrResume(state, carried, out);
    case "answered":
      carried.sourcePaused = false;
      return;
    case "abort":
      carried.sourcePaused = false;
      if (!carried.over) out.push({ type: "origin_abort", exchange });
      carried.over = true;
      return;
    case "leave":
      // Whoever is left before its end was aborted, or has said its last word.
      state.peers.carried.delete(exchange);
      state.peers.queuedBytes -= carried.queuedBytes;
      carried.slot.exchanges--;
      carried.slot.usedMs = state.nowMs;
      return;
    default:
      unreachable(order);
  }
}

/** As a visitor is read: on, while less waits for him than may. */
export function pauseOrResume(
  { config }: ServerState,
  carried: PeerCarried,
  out: Outbox<ServerEffect>,
): void {
  const { windowBytes } = config.limits;
  const paused = carried.paused ? carried.owedBytes * 2 > windowBytes : carried.owedBytes > windowBytes;
  if (paused === carried.paused || carried.over) return;
  carried.paused = paused;
  out.push({ type: "origin_pause", exchange: carried.request, paused });
}

/** Whether more of the body may be sent without an end. */
export function hasPeerRoom({ config }: ServerState, { queuedBytes }: PeerCarried): boolean {
  return queuedBytes <= config.limits.queueBytesMax;
}

/** One of an exchange that was sent elsewhere before has another number: what still comes of the former request is nobody's. */
function requestId(exchange: ExchangeId, attempt: number): ExchangeId {
  return (exchange + attempt * REQUESTS) as ExchangeId;
}

/** More exchanges no process ever has. */
const REQUESTS = 2 ** 42;

/** The target that the other node routes by, as this one did. */
function sentTarget({ request, route }: OpenOrder): string | null {
  return route.forward.target === "*" ? "*" : originForm(request.target);
}

/** The visitor's own, with a host in any case: an empty one is none (RFC 9112 section 3.2). */
function sentHeaders({ request, passesAuthorization }: OpenOrder): HeaderList {
  const own = withTargetsHost(request.target, homeHeaders(request.headers, passesAuthorization));
  // The framing is the next hop's.
  const passed = withoutHeader(headOfVisitor(endToEnd(own)), "content-length");
  const sent = headerValue(passed, "host") === undefined ? ["Host", "", ...passed] : passed;
  return request.upgrade ? upgradeFields(sent) : sent;
}

function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

const CONTINUE: HeaderList = ["Expect", "100-continue"];
const NO_BYTES = new Uint8Array(0);
