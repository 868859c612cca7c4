/**
 * The edge's state machine. This file only tells events apart: `requests.ts` has the way in, `responses.ts` the way out,
 * `connections.ts` how a connection begins, what it waits for, and how it ends.
 */
import { assert, unreachable } from "../assert.ts";
import type { ConnectionId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import { fireDue, nextDeadlineMs } from "../timers.ts";
import { acceptConnection, removeConnection, sendAway, wait } from "./connections.ts";
import type { EdgeEffect, EdgeEvent } from "./events.ts";
import { grantLooks, lookDeadlineMs, lookOn } from "./looks.ts";
import { onReturned } from "./opening.ts";
import {
  closeTurn,
  onBroken,
  onBytes,
  onEnded,
  onHandshakeRefused,
  readOn,
  readOnHeld,
  seal,
  takePipelined,
} from "./requests.ts";
import { finishIfOut, isUpgradeOut, obeyOrder, onFlushed } from "./responses.ts";
import { createEdgeState, type Edge, type EdgeConfig, type EdgeConnection } from "./state.ts";

export type { Edge, EdgeConfig } from "./state.ts";

export function createEdge(config: EdgeConfig): Edge {
  return createEdgeState(config);
}

/** When the next `tick` is due, in the milliseconds of `nowMs`; Infinity when nothing is armed. */
export function edgeDeadlineMs(edge: Edge): number {
  const { timers, paceTimers, wanted, pipelined } = edge;
  if (wanted.size > 0 || pipelined.size > 0) return edge.nowMs;
  return Math.min(nextDeadlineMs(timers), nextDeadlineMs(paceTimers), lookDeadlineMs(edge));
}

/** Takes one event at one time, which never runs backwards. */
export function stepEdge(edge: Edge, nowMs: number, event: EdgeEvent, out: Outbox<EdgeEffect>): void {
  assert(nowMs >= edge.nowMs, "time went backwards");
  assert(out.count === 0, "the effects of the previous step were not carried out");
  edge.nowMs = nowMs;
  takeEvent(edge, event, out);
  if (edge.looksMayFit && edge.unseen.size > 0) grantLooks(edge, out);
  if (edge.closing && edge.partingNews) tellIfGone(edge, out);
}

function takeEvent(edge: Edge, event: EdgeEvent, out: Outbox<EdgeEffect>): void {
  switch (event.type) {
    case "tick":
      return onTick(edge, out);
    case "connection_accepted":
      assert(!edge.connections.has(event.connection), "a connection was accepted twice");
      return acceptConnection(edge, event.connection, event.peer, out);
    case "connection_bytes":
      return onBytes(edge, connectionOf(edge, event.connection), event.bytes, out);
    case "connection_flushed":
      return onFlushed(edge, connectionOf(edge, event.connection), event.bytes, out);
    case "connection_ended": {
      const connection = connectionOf(edge, event.connection);
      onEnded(edge, connection, out);
      return finishIfOut(edge, connection, out);
    }
    case "connection_closed":
      return onClosed(edge, connectionOf(edge, event.connection), event.cause === null, out);
    case "connection_returned":
      return onReturned(edge, connectionOf(edge, event.connection), out);
    case "connection_refused":
      return onHandshakeRefused(edge, connectionOf(edge, event.connection));
    case "responses_close":
      edge.responsesClose = true;
      return;
    case "proxies_trust":
      // Connections that are there stay in the share that they were counted in.
      edge.config = { ...edge.config, trustedProxies: event.proxies };
      return;
    case "listener_close":
      return onListenerClosed(edge, out);
    case "exchange_read":
    case "exchange_pause":
    case "respond":
    case "respond_interim":
    case "respond_upgrade":
    case "respond_head":
    case "respond_body":
    case "respond_end":
    case "respond_cut":
      return obeyOrder(edge, event, out);
    default:
      unreachable(event);
  }
}

function connectionOf(edge: Edge, id: ConnectionId): EdgeConnection {
  const connection = edge.connections.get(id);
  assert(connection !== undefined, "an event names a connection that is not open");
  return connection;
}

function onTick(edge: Edge, out: Outbox<EdgeEffect>): void {
  fireDue(edge.timers, edge.nowMs, (id) => onTimer(edge, id, out));
  fireDue(edge.paceTimers, edge.nowMs, (address) => readOnHeld(edge, address, out));
  lookOn(edge, out);
  if (edge.wanted.size > 0) takeWanted(edge, out);
  takePipelined(edge, out);
}

function takeWanted(edge: Edge, out: Outbox<EdgeEffect>): void {
  for (const connection of [...edge.wanted]) {
    readOn(edge, connection, out);
    finishIfOut(edge, connection, out);
  }
}

function onTimer(edge: Edge, id: ConnectionId, out: Outbox<EdgeEffect>): void {
  const connection = connectionOf(edge, id);
  const { waitsFor } = connection;
  wait(edge, connection, null);
  if (waitsFor === "head" && edge.config.forPeers === undefined)
    onBroken(edge, connection, "request_timeout", out);
  else sendAway(edge, connection, out);
}

/** The last event of a connection: whoever waited for an answer on it gets none. */
function onClosed(edge: Edge, connection: EdgeConnection, inOrder: boolean, out: Outbox<EdgeEffect>): void {
  for (const turn of connection.turns) closeTurn(edge, turn, inOrder && isUpgradeOut(turn), out);
  removeConnection(edge, connection);
}

/**
 * No connection takes another request than those it has, or its first; who waits for none is let go. Who connected just before
 * has a moment to ask, and who has his answer a moment to close.
 */
function onListenerClosed(edge: Edge, out: Outbox<EdgeEffect>): void {
  edge.closing = true;
  edge.partingNews = true;
  for (const connection of edge.connections.values()) {
    if (connection.turns.length > 0) seal(edge, connection, out);
    else if (connection.waitsFor === "idle") sendAway(edge, connection, out);
    else wait(edge, connection, connection.waitsFor);
  }
}

/** Tells the server, once, that nobody is left who might still ask, or might still read. */
function tellIfGone(edge: Edge, out: Outbox<EdgeEffect>): void {
  edge.partingNews = false;
  let isGone = true;
  edge.connections.forEach(({ phase }) => {
    if (phase === "reading" || phase === "lingering" || phase === "upgrade") isGone = false;
  });
  if (!isGone || edge.isGoneTold) return;
  edge.isGoneTold = true;
  out.push(
    edge.config.forPeers === undefined ? { type: "visitors_gone" } : { type: "visitors_gone", byPeer: true },
  );
}
