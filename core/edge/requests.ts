/** From a visitor's connection to the server: requests one after the other, each as far as somebody wants to read it. */
import type { ServerEvent } from "../events.ts";
import {
  isInHead,
  isInRequest,
  nextRequestPart,
  putRequestBytes,
  type RequestFault,
  type RequestHead,
  takeRest,
  waitingBytes,
} from "../http1/request-reader.ts";
import type { ExchangeId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import { dropAhead, hasAhead, keepAhead, markWanted, takeAhead, unwantedBytes } from "./ahead.ts";
import {
  closeConnection,
  cutConnection,
  endSide,
  hasRoom,
  proceedToEnd,
  refuse,
  settle,
  turnAway,
  wait,
} from "./connections.ts";
import type { EdgeEffect } from "./events.ts";
import { admit } from "./head.ts";
import { handOver, openHandshake, openTurn } from "./opening.ts";
import { countUnserved, holdBack, isTooFast, letOn } from "./pace.ts";
import type { Edge, EdgeConnection, Turn } from "./state.ts";
import { deliverAhead, onUpgradeBytes, onUpgradeEnded } from "./upgrades.ts";

export function onBytes(
  edge: Edge,
  connection: EdgeConnection,
  bytes: Uint8Array,
  out: Outbox<EdgeEffect>,
): void {
  connection.readBytes += bytes.length;
  if (connection.phase === "upgrade") return onUpgradeBytes(edge, connection, bytes, out);
  // Behind the last request nothing is of use to anybody.
  const isWanted = connection.phase === "reading" && (!connection.sealed || isInRequest(connection.reader));
  if (!isWanted) return;
  const { reader } = connection;
  if (hasAhead(connection) || !readerHasRoom(edge, connection)) keepAhead(connection, bytes);
  else putRequestBytes(reader, bytes);
  readOn(edge, connection, out, isFirst(edge, connection));
}

/** Whether what came stands behind nothing else of its connection. */
function isFirst({ pipelined }: Edge, connection: EdgeConnection): boolean {
  return connection.turns.length === 0 && !pipelined.has(connection) && !connection.places.held.stands;
}

/** Takes one request each of those that have waited longest. */
export function takePipelined(edge: Edge, out: Outbox<EdgeEffect>): void {
  const { pipelined } = edge;
  let left = Math.min(pipelined.size, edge.config.limits.pipelinedPerTick);
  for (; pipelined.first !== null && left > 0; left--) {
    const connection = pipelined.first;
    pipelined.leave(connection);
    readOn(edge, connection, out, true);
  }
}

/** Has the connections of an address go on that were held until now, as far as it may. */
export function readOnHeld(edge: Edge, address: string, out: Outbox<EdgeEffect>): void {
  letOn(edge, address, (connection) => readOn(edge, connection, out, true));
}

/**
 * Reads as far as what came is wanted. Of what was read ahead the next piece follows with the next tick: whoever wants it may
 * want no more after this one. `takesHead`: one more request is taken; what stands behind it waits for a tick too.
 */
export function readOn(
  edge: Edge,
  connection: EdgeConnection,
  out: Outbox<EdgeEffect>,
  takesHead = false,
): void {
  if (connection.phase === "upgrade") return deliverAhead(edge, connection, out);
  let mayTakeHead = takesHead && !isTooFast(edge, connection);
  if (mayRead(edge, connection, mayTakeHead) && readerHasRoom(edge, connection)) {
    const piece = takeAhead(connection);
    if (piece !== undefined) putRequestBytes(connection.reader, piece);
  }
  while (connection.phase === "reading" && mayRead(edge, connection, mayTakeHead)) {
    const part = nextRequestPart(connection.reader);
    if (part === null) break;
    const { incoming } = connection;
    switch (part.type) {
      case "head":
        mayTakeHead = false;
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
  if (connection.sealed) dropSurplus(edge, connection);
  const isReading = connection.phase === "reading";
  markWanted(edge, connection, isReading && mayRead(edge, connection, mayTakeHead));
  if (isReading && !mayTakeHead && isHeadWanted(edge, connection)) awaitTurn(edge, connection, out);
  settle(edge, connection, out);
}

/** Its next request is taken when those of others were, or when its address may ask again. */
function awaitTurn(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const isHeld = connection.places.held.stands;
  if (!isHeld && !isTooFast(edge, connection)) {
    edge.pipelined.join(connection);
    return;
  }
  // What waits for its turn is one request. Who is refused again and again and sends many at once is not worth the room.
  const isFlood = unwantedBytes(connection) > edge.config.limits.headBytesMax;
  if (isFlood) return turnAway(edge, connection, "limit_unserved", out);
  edge.pipelined.leave(connection);
  holdBack(edge, connection);
}

/** No other request is taken: what has come behind the last one is of no use, and is not kept until the answer is out. */
export function seal(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  connection.sealed = true;
  if (connection.phase !== "reading") return;
  dropSurplus(edge, connection);
  settle(edge, connection, out);
}

function dropSurplus(edge: Edge, connection: EdgeConnection): void {
  if (isInRequest(connection.reader)) return;
  takeRest(connection.reader);
  dropAhead(edge, connection);
}

/** The visitor has ended his side: what is not complete will never be, and who waits for an answer does so no longer. */
export function onEnded(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  connection.ended = true;
  switch (connection.phase) {
    case "reading":
      // What it asked for was not even looked at, and who leaves early is not worth an answer.
      if (connection.places.held.stands) return closeConnection(edge, connection, out);
      if (isInRequest(connection.reader) || (isInHead(connection.reader) && hasRoom(edge, connection))) {
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
  if (turn !== null) {
    // It is the body of this request that is broken, and a request has one answer.
    if (turn.response === "body") return cutConnection(edge, turn, out);
    if (turn.response === "ended") {
      connection.sealed = true;
      return proceedToEnd(edge, connection, out);
    }
    connection.turns.pop();
    closeTurn(edge, turn, false, out);
  }
  const code = fault === "head_too_large" ? "limit_request_headers" : fault;
  refuse(edge, connection, code, [], out);
}

/** Somebody else has answered a handshake that was handed over, and ends its connection. */
export function onHandshakeRefused(edge: Edge, connection: EdgeConnection): void {
  if (connection.phase === "handed") countUnserved(edge, connection.address, connection);
}

/** The server is told the last event of an exchange, once. */
export function closeTurn(edge: Edge, turn: Turn, complete: boolean, out: Outbox<EdgeEffect>): void {
  if (turn.over) return;
  turn.over = true;
  turn.orders = [];
  edge.turns.delete(turn.exchange);
  out.push({ type: "exchange_closed", exchange: turn.exchange, complete });
}

function readerHasRoom(edge: Edge, { reader }: EdgeConnection): boolean {
  return waitingBytes(reader) < edge.config.limits.readAheadBytes;
}

/** Whether a head, or some of one, has come that there is room for. */
function isHeadWanted(edge: Edge, connection: EdgeConnection): boolean {
  const { reader, sealed } = connection;
  if (isInRequest(reader) || sealed || !hasRoom(edge, connection)) return false;
  return waitingBytes(reader) > 0 || hasAhead(connection);
}

/** Whether what comes next on the connection is wanted: a head where there is room for a turn, a body where it is read. */
function mayRead(edge: Edge, connection: EdgeConnection, mayTakeHead: boolean): boolean {
  const { reader, incoming, sealed } = connection;
  if (!isInRequest(reader)) return mayTakeHead && !sealed && hasRoom(edge, connection);
  return incoming === null || incoming.over || (incoming.reads && !incoming.pausedBody);
}

function onHead(edge: Edge, connection: EdgeConnection, head: RequestHead, out: Outbox<EdgeEffect>): void {
  connection.asked = true;
  // The next one has a time of its own.
  wait(edge, connection, null);
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
      if (connection.turns.length === 0) {
        return edge.config.forPeers !== undefined
          ? openHandshake(edge, connection, head, out)
          : handOver(edge, connection, head, out);
      }
      return refuse(edge, connection, "bad_request", ["sec-websocket-version", "13"], out);
    case "refused":
      return refuse(edge, connection, admission.code, admission.headers, out);
  }
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
