/** A visitor's connection as a whole: how it begins, how long it is waited for, and how it ends. */
import type { FailureCode } from "../failure.ts";
import { addressKey, isTrustedProxy } from "../http/forwarded.ts";
import type { HeaderList } from "../http/headers.ts";
import { limitDetail, problemResponse } from "../http/problem.ts";
import { createRequestReader, isInHead, isInRequest } from "../http1/request-reader.ts";
import { frameResponse } from "../http1/response-writer.ts";
import type { ConnectionId } from "../ids.ts";
import { createPlace } from "../lineup.ts";
import type { Outbox } from "../outbox.ts";
import { createQueue, enqueue, queueLength } from "../queue.ts";
import { arm, createTimer, disarm } from "../timers.ts";
import { dropAhead, fitGrant, isAheadFull, isGrantSpent } from "./ahead.ts";
import { afterStart } from "./answer-start.ts";
import type { EdgeEffect } from "./events.ts";
import { countUnserved, holdBack, isTooFast } from "./pace.ts";
import type { Edge, EdgeConnection, Patience, Turn } from "./state.ts";

/** Takes a connection in, or closes it at once where there is no room for it. */
export function acceptConnection(edge: Edge, id: ConnectionId, peer: string, out: Outbox<EdgeEffect>): void {
  const { connectionsMax, addressConnectionsMax } = edge.config.limits;
  const address = addressOf(edge, peer);
  const ofAddress = address === null ? 0 : edge.addresses.get(address);
  const connection = createConnection(edge, id, peer, address);
  if (address !== null) edge.addresses.add(address);
  if (ofAddress >= addressConnectionsMax) {
    return turnAway(edge, connection, "limit_address_connections", out);
  }
  if (edge.connections.size > connectionsMax) {
    turnAway(edge, edge.idle.first ?? connection, "limit_connections", out);
  }
  if (connection.phase === "closed") return;
  if (edge.config.forPeers !== undefined) greet(connection, out);
  if (!isTooFast(edge, connection)) return;
  holdBack(edge, connection);
  settle(edge, connection, out);
}

/**
 * Another node sends nothing before: a connection that only the kernel has is reset with the listener, and nobody could say what
 * became of a request on it.
 */
function greet(connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  enqueue(connection.writes, { wireBytes: GREETING.length, turn: null, bodyBytes: 0 });
  out.push({ type: "connection_write", connection: connection.id, parts: [GREETING], lastUse: false });
}

/**
 * Has it end, whatever it is in the middle of. Another node is told that no request of its was taken in since the last answer: one
 * may be on its way, and is read and dropped.
 */
export function sendAway(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const { forPeers } = edge.config;
  if (forPeers === undefined || connection.phase !== "reading" || connection.turns.length > 0)
    return breakOff(edge, connection, out);
  connection.sealed = true;
  dropAhead(edge, connection);
  const headers = [...forPeers.farewell, "content-length", "0"];
  connection.lastAnswer = { status: FAREWELL_STATUS, headers, body: new Uint8Array(0) };
  proceedToEnd(edge, connection, out);
}

/** The connection is gone. */
export function removeConnection(edge: Edge, connection: EdgeConnection): void {
  edge.partingNews = true;
  const { id, address } = connection;
  connection.phase = "closed";
  connection.turns.length = 0;
  letGo(edge, connection);
  edge.connections.delete(id);
  if (address !== null) edge.addresses.take(address);
}

/** Destroys it for what it takes of the server, which the operator is told. */
export function turnAway(
  edge: Edge,
  connection: EdgeConnection,
  fault: string,
  out: Outbox<EdgeEffect>,
): void {
  out.push({ type: "connection_fault", connection: connection.id, fault });
  sendAway(edge, connection, out);
}

function addressOf({ config }: Edge, peer: string): string | null {
  const { trustedProxies } = config;
  return isTrustedProxy(peer, trustedProxies) ? null : addressKey(peer, [], trustedProxies);
}

function createConnection(
  edge: Edge,
  id: ConnectionId,
  peer: string,
  address: string | null,
): EdgeConnection {
  const connection: EdgeConnection = {
    id,
    peer,
    address,
    reader: createRequestReader(edge.config.limits.headBytesMax),
    timer: createTimer(id),
    waitsFor: null,
    phase: "reading",
    turns: [],
    incoming: null,
    asked: false,
    sealed: false,
    writes: createQueue(),
    leftBytes: 0,
    handshake: null,
    lastAnswer: null,
    ahead: createQueue(),
    aheadBytes: 0,
    grantedBytes: 0,
    readBytes: 0,
    lookMs: 0,
    startBytes: 0,
    prepaid: false,
    places: {
      idle: createPlace(),
      unread: createPlace(),
      unseen: createPlace(),
      looking: createPlace(),
      wanted: createPlace(),
      pipelined: createPlace(),
      held: createPlace(),
    },
    paused: false,
    ended: false,
  };
  edge.connections.set(id, connection);
  wait(edge, connection, "head");
  return connection;
}

/** Arms the timer for what the connection waits for now, and has the adapter read, or not, as it wants. */
export function settle(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  if (connection.phase === "closed") return;
  wait(edge, connection, patienceOf(edge, connection));
  if (connection.phase === "handed") return;
  fitGrant(edge, connection);
  const paused = isFull(edge, connection);
  if (connection.paused === paused) return;
  connection.paused = paused;
  if (paused && !edge.unread.has(connection)) awaitLook(edge, connection);
  out.push({ type: "connection_pause", connection: connection.id, paused });
}

/** It is looked at if it is not read by then. */
export function awaitLook(edge: Edge, connection: EdgeConnection): void {
  edge.looking.leave(connection);
  // Behind those that are looked at before it.
  edge.unread.leave(connection);
  edge.unread.join(connection);
  connection.readBytes = 0;
  connection.lookMs = edge.nowMs + edge.config.limits.lookMs;
}

export function forgetLook(edge: Edge, connection: EdgeConnection): void {
  edge.unread.leave(connection);
  edge.unseen.leave(connection);
}

/** No response follows but this one, which takes its turn. */
export function refuse(
  edge: Edge,
  connection: EdgeConnection,
  code: FailureCode,
  headers: HeaderList,
  out: Outbox<EdgeEffect>,
): void {
  const detail = limitDetail("headMs", edge.config.limits.headMs, "server");
  const named = code === "request_timeout" ? { detail } : {};
  const problem = problemResponse(code, { requestId: null, html: false, ...named });
  connection.sealed = true;
  dropAhead(edge, connection);
  countUnserved(edge, connection.address, connection);
  connection.lastAnswer = { ...problem, headers: [...problem.headers, ...headers] };
  proceedToEnd(edge, connection, out);
}

/** All turns are over: the connection ends, with a last answer where one is due. */
export function proceedToEnd(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const { id, turns, lastAnswer } = connection;
  if (turns.length > 0 || connection.phase !== "reading") return;
  if (lastAnswer !== null) {
    connection.lastAnswer = null;
    const { status, headers, body } = lastAnswer;
    const asked = { method: "GET", minorVersion: 1, persistent: false } as const;
    const options = { status, headers, close: true, date: edge.config.date(), idleSeconds: 0 };
    const { head } = frameResponse(asked, options);
    out.push({
      type: "connection_write",
      connection: id,
      parts: [afterStart(connection, head), body],
      lastUse: false,
    });
  }
  endSide(edge, connection, out);
}

/**
 * Ends our side and reads on: closing a connection while unread bytes wait makes the kernel reset it, and the reset can
 * overtake the response that the visitor has not read yet (RFC 9112 section 9.6).
 */
export function endSide(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  connection.phase = "lingering";
  connection.incoming = null;
  dropAhead(edge, connection);
  out.push({ type: "connection_end", connection: connection.id });
  settle(edge, connection, out);
}

/** Destroys it; its last event is still to come. */
export function closeConnection(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  if (connection.phase === "closed") return;
  connection.phase = "closed";
  letGo(edge, connection);
  out.push({ type: "connection_close", connection: connection.id });
}

/** Nothing is waited for, kept or looked for any more. */
function letGo(edge: Edge, connection: EdgeConnection): void {
  wait(edge, connection, null);
  dropAhead(edge, connection);
  forgetLook(edge, connection);
}

/**
 * Destroys it inside a response. With HTTP/1.0, and after a 101, the end of the connection may be all that ends what is sent,
 * so that only a reset tells a part from the whole. HTTP/1.1 has `content-length` or the last chunk for that, and keeps what
 * has arrived at the visitor readable.
 */
export function cutConnection(edge: Edge, turn: Turn, out: Outbox<EdgeEffect>): void {
  const { connection } = turn;
  const { minorVersion, response } = turn;
  // What has not left is dropped, and an end that was ordered behind it is said all the same.
  const isUnsaid =
    response === "ended" && connection.phase === "upgrade" && queueLength(connection.writes) > 0;
  const isRaw = response === "raw" || isUnsaid;
  if (minorVersion === 1 && !isRaw) return closeConnection(edge, connection, out);
  if (connection.phase === "closed") return;
  connection.phase = "closed";
  letGo(edge, connection);
  out.push({ type: "connection_reset", connection: connection.id });
}

/** Destroys it, whatever it is in the middle of. */
export function breakOff(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const [turn] = connection.turns;
  if (turn === undefined) closeConnection(edge, connection, out);
  else cutConnection(edge, turn, out);
}

/** The visitor has taken something, or his home has: it is waited for anew. */
export function waitAnew(edge: Edge, connection: EdgeConnection): void {
  if (connection.waitsFor !== "linger" || connection.phase !== "upgrade") return;
  wait(edge, connection, null);
  wait(edge, connection, "linger");
}

/** Has the connection wait for that from now on, in place of what it waited for. */
export function wait(edge: Edge, connection: EdgeConnection, wanted: Patience | null): void {
  const patience = edge.closing ? hastened(connection, wanted) : wanted;
  if (connection.waitsFor === patience) return;
  if (connection.waitsFor === "idle") edge.idle.leave(connection);
  connection.waitsFor = patience;
  if (patience === "idle") edge.idle.join(connection);
  if (patience === null) return disarm(edge.timers, connection.timer);
  const { headMs, idleMs, restMs, lingerMs, partingMs } = edge.config.limits;
  const ms = { head: headMs, idle: idleMs, rest: restMs, linger: lingerMs, parting: partingMs }[patience];
  arm(edge.timers, connection.timer, edge.nowMs + ms);
}

/** Whoever has no exchange here is waited for a moment only. */
function hastened({ phase, turns }: EdgeConnection, wanted: Patience | null): Patience | null {
  const isFresh = wanted === "head" && turns.length === 0;
  return isFresh || (wanted === "linger" && phase === "lingering") ? "parting" : wanted;
}

function patienceOf(edge: Edge, connection: EdgeConnection): Patience | null {
  const { phase, reader, incoming, turns, sealed, asked } = connection;
  // To his silence and the home's no end would come: a visitor who has left would only be found out by bytes for him.
  if (phase === "lingering" || (turns[0]?.upgrade === true && connection.ended)) return "linger";
  if (phase !== "reading" || connection.places.held.stands) return null;
  if (incoming?.over === true) return "rest";
  if (isInRequest(reader) || sealed) return null;
  // A head whose turn has not come is waited for as it was.
  if (edge.pipelined.has(connection)) return connection.waitsFor === "head" ? "head" : null;
  // Of a head that is not read on, all may be there.
  if (isInHead(reader) && hasRoom(edge, connection)) return "head";
  if (turns.length > 0) return null;
  // A connection that has not asked for anything yet is waited for as for the rest of a head.
  return asked ? "idle" : "head";
}

/** Whether another request may wait for its answer behind those that do. */
export function hasRoom(edge: Edge, { turns }: EdgeConnection): boolean {
  return turns.length < edge.config.limits.turnsMax;
}

/** Whether no more is to be read for now. What nobody wants is read ahead all the same, as far as there is room. */
function isFull(edge: Edge, connection: EdgeConnection): boolean {
  const { phase, ended, turns } = connection;
  if (phase !== "reading" && phase !== "upgrade") return false;
  if (connection.places.held.stands) return !ended && isGrantSpent(connection);
  return ended ? turns[0]?.pausedBody === true : isAheadFull(edge, connection);
}

/** An interim response (RFC 9110 section 15.2.1) to nothing as yet. */
const GREETING = "HTTP/1.1 100 Continue\r\n\r\n";

/** RFC 9110 section 15.5.20. */
const FAREWELL_STATUS = 421;
