/** Exchanges as they begin: each request has its turn on its connection, and a WebSocket has its connection to itself. */
import { putRequestBytes, type RequestHead, takeRest } from "../http1/request-reader.ts";
import type { ExchangeId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import { dropAhead, keepAhead, takeAhead } from "./ahead.ts";
import { takesInterim } from "./answer-start.ts";
import { forgetLook, settle } from "./connections.ts";
import type { EdgeEffect } from "./events.ts";
import { isPersistent } from "./head.ts";
import type { Edge, EdgeConnection, Turn } from "./state.ts";

/** Opens the exchange of a handshake that was handed over and came back: it is with a home service. */
export function onReturned(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const { handshake } = connection;
  if (connection.phase !== "handed" || handshake === null) return;
  connection.handshake = null;
  openUpgrade(edge, connection, handshake, out);
  settle(edge, connection, out);
}

/** A handshake is with a home service in any case. What came behind it waits for its answer. */
export function openHandshake(
  edge: Edge,
  connection: EdgeConnection,
  head: RequestHead,
  out: Outbox<EdgeEffect>,
): void {
  const rest = takeRest(connection.reader);
  if (rest.length > 0) keepAhead(connection, rest);
  openUpgrade(edge, connection, head, out);
}

function openUpgrade(
  edge: Edge,
  connection: EdgeConnection,
  handshake: RequestHead,
  out: Outbox<EdgeEffect>,
): void {
  connection.phase = "upgrade";
  connection.sealed = true;
  openTurn(edge, connection, handshake, { upgrade: true, expectsContinue: false }, out);
}

/** A handshake waits for its answer, which is somebody else's to give. */
export function handOver(
  edge: Edge,
  connection: EdgeConnection,
  head: RequestHead,
  out: Outbox<EdgeEffect>,
): void {
  const { target, headers } = head;
  connection.phase = "handed";
  edge.partingNews = true;
  connection.handshake = head;
  for (let piece = takeAhead(connection); piece !== undefined; piece = takeAhead(connection)) {
    putRequestBytes(connection.reader, piece);
  }
  const rest = takeRest(connection.reader);
  dropAhead(edge, connection);
  // Who takes it over reads it, and it is read when it comes back.
  forgetLook(edge, connection);
  connection.paused = false;
  out.push({ type: "connection_hand_over", connection: connection.id, target, headers, rest });
}

export function openTurn(
  edge: Edge,
  connection: EdgeConnection,
  head: RequestHead,
  { upgrade, expectsContinue }: { readonly upgrade: boolean; readonly expectsContinue: boolean },
  out: Outbox<EdgeEffect>,
): void {
  const { method, target, headers, minorVersion } = head;
  const hasBody = head.hasBody || upgrade;
  const persistent = isPersistent(head);
  // RFC 9112 section 9.6: what follows the last request is no request, and must not be done.
  if (!persistent || edge.closing) connection.sealed = true;
  const { nextExchange, forPeers } = edge.config;
  const exchange = nextExchange === undefined ? (++edge.exchangesOpened as ExchangeId) : nextExchange();
  const turn: Turn = {
    method,
    minorVersion,
    persistent,
    exchange,
    connection,
    upgrade,
    expectsContinue,
    mayBeToldOn: head.hasBody && takesInterim(connection, head),
    reads: false,
    pausedBody: false,
    requestDone: !hasBody,
    orders: [],
    response: "none",
    framing: "none",
    closes: false,
    cut: false,
    over: false,
    prepaid: connection.prepaid,
  };
  connection.prepaid = false;
  connection.turns.push(turn);
  edge.turns.set(exchange, turn);
  if (head.hasBody) connection.incoming = turn;
  const { peer } = connection;
  out.push({
    type: "exchange_opened",
    exchange,
    connection: connection.id,
    method,
    target,
    headers,
    hasBody,
    upgrade,
    expectsContinue,
    peer,
    ...(forPeers === undefined ? {} : BY_PEER),
    nonce: NO_NONCE,
  });
}

const NO_NONCE = new Uint8Array(0);
const BY_PEER = { byPeer: true } as const;
