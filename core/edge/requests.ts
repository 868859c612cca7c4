/** From a visitor's connection to the server: requests one after the other, each as far as somebody wants to read it. */
import type { ServerEvent } from "../events.ts";
import {
  isInRequest,
  nextRequestPart,
  putRequestBytes,
  type RequestFault,
  type RequestHead,
  takeRest,
} from "../http1/request-reader.ts";
import type { ExchangeId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import { closeConnection, cutConnection, endSide, hasRoom, refuse, settle } from "./connections.ts";
import type { EdgeEffect } from "./events.ts";
import { admit, isPersistent } from "./head.ts";
import type { Edge, EdgeConnection, Turn } from "./state.ts";

export function onBytes(
  edge: Edge,
  connection: EdgeConnection,
  bytes: Uint8Array,
  out: Outbox<EdgeEffect>,
): void {
  connection.heard = true;
  if (connection.phase === "upgrade") return onUpgradeBytes(edge, connection, bytes, out);
  // Behind the last request nothing is of use to anybody.
  const isWanted = connection.phase === "reading" && (!connection.sealed || isInRequest(connection.reader));
  if (!isWanted) return;
  putRequestBytes(connection.reader, bytes);
  readOn(edge, connection, out);
}

/** Reads as far as what came is wanted. */
export function readOn(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  while (connection.phase === "reading" && mayRead(edge, connection)) {
    const part = nextRequestPart(connection.reader);
    if (part === null) break;
    const { incoming } = connection;
    switch (part.type) {
      case "head":
        onHead(edge, connection, part.head, out);
        break;
      case "body":
        tell(incoming, (exchange) => ({ type: "exchange_body", exchange, bytes: part.bytes }), out);
        break;
      case "end":
        connection.incoming = null;
        if (incoming !== null) incoming.requestDone = true;
        tell(
          incoming,
          (exchange) => ({ type: "exchange_body_ended", exchange, trailers: part.trailers }),
          out,
        );
        break;
      case "broken":
        onBroken(edge, connection, part.fault, out);
        break;
    }
  }
  if (connection.sealed && !isInRequest(connection.reader)) takeRest(connection.reader);
  settle(edge, connection, out);
}

/** The visitor has ended his side: what is not complete will never be, and who waits for an answer does so no longer. */
export function onEnded(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  connection.ended = true;
  switch (connection.phase) {
    case "reading":
      if (isInRequest(connection.reader) || connection.waitsFor === "head") {
        onBroken(edge, connection, "bad_request", out);
      }
      // It may have ended by that.
      if (connection.phase === "reading") endSide(edge, connection, out);
      return;
    case "upgrade":
      return onUpgradeEnded(edge, connection, out);
    case "lingering":
      return closeConnection(edge, connection, out);
    case "handed":
    case "closed":
      return;
  }
}

/** What came cannot be read as HTTP, or did not come in time. It is told so after the responses that are due before. */
export function onBroken(
  edge: Edge,
  connection: EdgeConnection,
  fault: RequestFault | "request_timeout",
  out: Outbox<EdgeEffect>,
): void {
  if (connection.sealed && connection.incoming === null) return;
  out.push({ type: "connection_fault", connection: connection.id, fault });
  const turn = connection.incoming;
  connection.incoming = null;
  if (turn !== null && !turn.over) {
    // It is the body of this request that is broken.
    if (turn.response !== "none") return cutConnection(edge, turn, out);
    connection.turns.pop();
    closeTurn(edge, turn, false, out);
  }
  const code = fault === "head_too_large" ? "limit_request_headers" : fault;
  refuse(edge, connection, code, [], out);
}

/** Opens the exchange of a handshake that was handed over and came back: it is with a home service. */
export function onReturned(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const { handshake } = connection;
  if (connection.phase !== "handed" || handshake === null) return;
  connection.phase = "upgrade";
  connection.handshake = null;
  connection.sealed = true;
  openTurn(edge, connection, handshake, { upgrade: true, expectsContinue: false }, out);
  settle(edge, connection, out);
}

/** The server is told the last event of an exchange, once. */
export function closeTurn(edge: Edge, turn: Turn, complete: boolean, out: Outbox<EdgeEffect>): void {
  if (turn.over) return;
  turn.over = true;
  turn.orders = [];
  edge.turns.delete(turn.exchange);
  out.push({ type: "exchange_closed", exchange: turn.exchange, complete });
}

/** The home took the upgrade: what came before its answer goes first. */
export function deliverEarly(connection: EdgeConnection, turn: Turn, out: Outbox<EdgeEffect>): void {
  for (const bytes of connection.early) out.push({ type: "exchange_body", exchange: turn.exchange, bytes });
  connection.early = [];
  connection.earlyBytes = 0;
}

/** Whether what comes next on the connection is wanted: a head where there is room for a turn, a body where it is read. */
function mayRead(edge: Edge, connection: EdgeConnection): boolean {
  const { reader, incoming, sealed } = connection;
  if (!isInRequest(reader)) return !sealed && hasRoom(edge, connection);
  return incoming === null || incoming.over || (incoming.reads && !incoming.pausedBody);
}

function onHead(edge: Edge, connection: EdgeConnection, head: RequestHead, out: Outbox<EdgeEffect>): void {
  const admission = admit(head);
  switch (admission.type) {
    case "request":
      return openTurn(
        edge,
        connection,
        head,
        { upgrade: false, expectsContinue: admission.expectsContinue },
        out,
      );
    case "handshake":
      // A WebSocket cannot start while an earlier response still needs the connection.
      if (connection.turns.length === 0) return handOver(connection, head, out);
      return refuse(edge, connection, "bad_request", ["sec-websocket-version", "13"], out);
    case "refused":
      return refuse(edge, connection, admission.code, admission.headers, out);
  }
}

function handOver(connection: EdgeConnection, head: RequestHead, out: Outbox<EdgeEffect>): void {
  const { target, headers } = head;
  connection.phase = "handed";
  connection.handshake = head;
  const rest = takeRest(connection.reader);
  out.push({ type: "connection_hand_over", connection: connection.id, target, headers, rest });
}

function openTurn(
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
  if (!persistent) connection.sealed = true;
  const exchange = ++edge.exchangesOpened as ExchangeId;
  const turn: Turn = {
    method,
    minorVersion,
    persistent,
    exchange,
    connection,
    upgrade,
    expectsContinue,
    reads: false,
    pausedBody: false,
    requestDone: !hasBody,
    orders: [],
    response: "none",
    framing: "none",
    closes: false,
    cut: false,
    over: false,
  };
  connection.turns.push(turn);
  edge.turns.set(exchange, turn);
  if (head.hasBody) connection.incoming = turn;
  const { peer } = connection;
  out.push({
    type: "exchange_opened",
    exchange,
    method,
    target,
    headers,
    hasBody,
    upgrade,
    expectsContinue,
    peer,
    nonce: NO_NONCE,
  });
}

function onUpgradeBytes(
  edge: Edge,
  connection: EdgeConnection,
  bytes: Uint8Array,
  out: Outbox<EdgeEffect>,
): void {
  const turn = connection.turns[0];
  if (turn !== undefined && turn.response !== "none") {
    out.push({ type: "exchange_body", exchange: turn.exchange, bytes });
    return;
  }
  // A client sends nothing before the answer (RFC 6455 section 4.1); of one that does, so much is kept.
  connection.early.push(bytes);
  connection.earlyBytes += bytes.length;
  settle(edge, connection, out);
}

function onUpgradeEnded(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const turn = connection.turns[0];
  // Half a connection is of no use to somebody who asked for a WebSocket.
  if (turn === undefined || turn.response === "none") return closeConnection(edge, connection, out);
  turn.requestDone = true;
  out.push({ type: "exchange_body_ended", exchange: turn.exchange, trailers: [] });
}

type ExchangeFact = Extract<ServerEvent, { readonly type: "exchange_body" | "exchange_body_ended" }>;

/** What comes for an exchange that is over, or for none, is nobody's. */
function tell(
  turn: Turn | null,
  fact: (exchange: ExchangeId) => ExchangeFact,
  out: Outbox<EdgeEffect>,
): void {
  if (turn !== null && !turn.over) out.push(fact(turn.exchange));
}

const NO_NONCE = new Uint8Array(0);
