/** From the server to a visitor's connection: each response when its turn has come. */
import { assert } from "../assert.ts";
import type { HeaderList } from "../http/headers.ts";
import { bareHead, chunkLine, frameResponse, lastChunk } from "../http1/response-writer.ts";
import type { Outbox } from "../outbox.ts";
import { dequeue, enqueue, queueItem, queueLength } from "../queue.ts";
import { afterStart } from "./answer-start.ts";
import { cutConnection, endSide, proceedToEnd, settle, waitAnew } from "./connections.ts";
import type { EdgeEffect, ExchangeOrder } from "./events.ts";
import { countServed, countUnserved } from "./pace.ts";
import { closeTurn, readOn, seal } from "./requests.ts";
import type { Edge, EdgeConnection, Turn } from "./state.ts";

export function obeyOrder(edge: Edge, order: ExchangeOrder, out: Outbox<EdgeEffect>): void {
  const turn = edge.turns.get(order.exchange);
  // Its last event is on the way.
  if (turn === undefined) return;
  const { connection } = turn;
  switch (order.type) {
    case "exchange_read":
      if (turn.expectsContinue && !turn.reads) inTurn(edge, turn, order, out);
      turn.reads = true;
      return readOn(edge, connection, out);
    case "exchange_pause":
      turn.pausedBody = order.paused;
      readOn(edge, connection, out);
      return finishIfOut(edge, connection, out);
    case "respond_cut":
      turn.cut = true;
      seal(edge, connection, out);
      return inTurn(edge, turn, order, out);
    case "respond_interim":
      // Not worth waiting for a turn.
      if (connection.turns[0] === turn) respond(edge, turn, order, out);
      return;
    case "respond":
      // Now: its turn comes when the visitor has taken what is before it, and he may ask on until then.
      if (order.unserved === true) countUnserved(edge, connection.address, turn);
      else countServed(edge, connection.address, turn);
      return inTurn(edge, turn, order, out);
    case "respond_head":
    case "respond_upgrade":
      countServed(edge, connection.address, turn);
      return inTurn(edge, turn, order, out);
    default:
      return inTurn(edge, turn, order, out);
  }
}

/** Bytes have left for the kernel. */
export function onFlushed(
  edge: Edge,
  connection: EdgeConnection,
  bytes: number,
  out: Outbox<EdgeEffect>,
): void {
  connection.leftBytes += bytes;
  waitAnew(edge, connection);
  for (;;) {
    const write = queueItem(connection.writes, 0);
    if (write === undefined || write.wireBytes > connection.leftBytes) break;
    connection.leftBytes -= write.wireBytes;
    dequeue(connection.writes);
    const { turn, bodyBytes } = write;
    if (turn === null || turn.over || bodyBytes === 0) continue;
    out.push({ type: "exchange_flushed", exchange: turn.exchange, bytes: bodyBytes });
  }
  finishIfOut(edge, connection, out);
}

/** An upgraded exchange is complete when both sides have said their last byte. */
export function isUpgradeOut({ upgrade, response, cut, connection }: Turn): boolean {
  return upgrade && connection.phase === "upgrade" && response === "ended" && !cut && isOut(connection);
}

function isOut({ writes }: EdgeConnection): boolean {
  return queueLength(writes) === 0;
}

/** Carries the order out, or keeps it until the responses before are out. */
function inTurn(edge: Edge, turn: Turn, order: ExchangeOrder, out: Outbox<EdgeEffect>): void {
  if (turn.connection.turns[0] === turn) respond(edge, turn, order, out);
  else turn.orders.push(order);
}

function respond(edge: Edge, turn: Turn, order: ExchangeOrder, out: Outbox<EdgeEffect>): void {
  const { connection } = turn;
  // What is ordered for a connection that has ended falls on the floor.
  if (connection.phase !== "reading" && connection.phase !== "upgrade") return;
  switch (order.type) {
    case "exchange_read":
      // An answer that has begun says more.
      if (turn.response !== "none") return;
      return write(turn, [afterStart(connection, bareHead(100, []))], 0, false, out);
    case "exchange_pause":
      return;
    case "respond_interim":
      if (turn.minorVersion === 0 || turn.response !== "none") return;
      return write(turn, [afterStart(connection, bareHead(order.status, order.headers))], 0, false, out);
    case "respond_upgrade":
      turn.response = "raw";
      write(turn, [bareHead(101, order.headers)], 0, false, out);
      return readOn(edge, connection, out);
    case "respond":
      return respondWhole(edge, turn, order, out);
    case "respond_head":
      return write(turn, [headOf(edge, turn, order, false, out)], 0, false, out);
    case "respond_body":
      return writeBody(turn, order.bytes, order.lastUse === true, out);
    case "respond_end":
      if (turn.framing === "chunked") write(turn, [lastChunk(order.trailers)], 0, false, out);
      return endResponse(edge, turn, out);
    case "respond_cut":
      return cutConnection(edge, turn, out);
  }
}

function respondWhole(
  edge: Edge,
  turn: Turn,
  order: Extract<ExchangeOrder, { readonly type: "respond" }>,
  out: Outbox<EdgeEffect>,
): void {
  const head = headOf(edge, turn, order, order.close, out);
  let bytes = 0;
  for (const part of order.body) bytes += part.length;
  if (turn.framing === "plain" && bytes <= ONE_WRITE_BYTES_MAX) {
    write(turn, [head, ...order.body], bytes, false, out);
  } else {
    write(turn, [head], 0, false, out);
    // In pieces, so that the progress of a visitor who takes it slowly can be seen.
    for (const part of order.body) writeBody(turn, part, false, out);
    if (turn.framing === "chunked") write(turn, [lastChunk([])], 0, false, out);
  }
  endResponse(edge, turn, out);
}

function headOf(
  edge: Edge,
  turn: Turn,
  { status, headers }: { readonly status: number; readonly headers: HeaderList },
  close: boolean,
  out: Outbox<EdgeEffect>,
): string {
  assert(turn.response === "none", "a response has two heads");
  const { connection } = turn;
  const { config } = edge;
  const isParting = edge.closing || edge.responsesClose;
  // RFC 9110 section 10.1.1: who was not told to go on may leave the body out, or may not.
  const isBodyInDoubt = turn.expectsContinue && !turn.reads;
  const isLast = connection.turns.length === 1;
  const framing = frameResponse(turn, {
    status,
    headers,
    // A handshake that was refused is the last request of its connection.
    close: close || turn.upgrade || isBodyInDoubt || (isParting && isLast),
    date: config.date(),
    idleSeconds: Math.floor(config.limits.idleMs / 1_000),
  });
  turn.response = "body";
  turn.framing = framing.body;
  turn.closes = framing.closes;
  // Refused: what came of it is of no use to anybody.
  if (connection.phase === "upgrade") connection.phase = "reading";
  if (framing.closes) seal(edge, connection, out);
  return afterStart(connection, framing.head);
}

/** Of a body that its request or status rules out nothing is sent, and all of it has left at once. */
function writeBody(turn: Turn, bytes: Uint8Array, lastUse: boolean, out: Outbox<EdgeEffect>): void {
  if (bytes.length === 0) return;
  if (turn.response === "raw") return write(turn, [bytes], bytes.length, lastUse, out);
  if (turn.framing !== "none") return write(turn, framed(turn, bytes), bytes.length, lastUse, out);
  out.push({ type: "exchange_flushed", exchange: turn.exchange, bytes: bytes.length });
}

function framed(turn: Turn, bytes: Uint8Array): readonly (string | Uint8Array)[] {
  return turn.framing === "chunked" ? [chunkLine(bytes.length), bytes, "\r\n"] : [bytes];
}

function write(
  turn: Turn,
  parts: readonly (string | Uint8Array)[],
  bodyBytes: number,
  lastUse: boolean,
  out: Outbox<EdgeEffect>,
): void {
  const { connection } = turn;
  let wireBytes = 0;
  for (const part of parts) wireBytes += part.length;
  enqueue(connection.writes, { wireBytes, turn, bodyBytes });
  out.push({ type: "connection_write", connection: connection.id, parts, lastUse });
}

/** A small response leaves in one write with its head. */
const ONE_WRITE_BYTES_MAX = 4 * 1024;

/** All of the response was ordered. */
function endResponse(edge: Edge, turn: Turn, out: Outbox<EdgeEffect>): void {
  const { connection } = turn;
  const isRaw = turn.response === "raw";
  turn.response = "ended";
  if (isRaw) out.push({ type: "connection_end", connection: connection.id });
  finishIfOut(edge, connection, out);
}

/** The response of the first turn is out, if all of it was ordered and has left. */
export function finishIfOut(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const turn = connection.turns[0];
  // What was destroyed may have been destroyed before the last of it went out.
  if (turn?.response !== "ended" || !isOut(connection) || connection.phase === "closed") return;
  if (connection.phase === "upgrade") {
    if (!turn.requestDone) return;
    connection.turns.shift();
    closeTurn(edge, turn, true, out);
    connection.phase = "lingering";
    return settle(edge, connection, out);
  }
  connection.turns.shift();
  closeTurn(edge, turn, true, out);
  if (connection.phase !== "reading") return;
  if (turn.closes) endSide(edge, connection, out);
  else nextTurn(edge, connection, out);
}

function nextTurn(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const turn = connection.turns[0];
  if (turn === undefined) {
    // A response whose head went out before the listener closed could not announce the end of the connection.
    if (connection.sealed || edge.closing) return proceedToEnd(edge, connection, out);
    return readOn(edge, connection, out);
  }
  const { orders } = turn;
  turn.orders = [];
  for (const order of orders) respond(edge, turn, order, out);
  if (connection.phase === "reading") readOn(edge, connection, out);
}
