/** An upgraded connection: raw bytes of its visitor, as far as the home takes them. */
import type { Outbox } from "../outbox.ts";
import { hasAhead, keepAhead, markWanted, takeAhead } from "./ahead.ts";
import { closeConnection, settle, waitAnew } from "./connections.ts";
import type { EdgeEffect } from "./events.ts";
import type { Edge, EdgeConnection, Turn } from "./state.ts";

export function onUpgradeBytes(
  edge: Edge,
  connection: EdgeConnection,
  bytes: Uint8Array,
  out: Outbox<EdgeEffect>,
): void {
  const turn = connection.turns[0];
  if (turn !== undefined && isOpen(turn) && !hasAhead(connection)) {
    out.push({ type: "exchange_body", exchange: turn.exchange, bytes });
    return;
  }
  keepAhead(connection, bytes);
  settle(edge, connection, out);
}

export function onUpgradeEnded(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const turn = connection.turns[0];
  // Half a connection is of no use to somebody who asked for a WebSocket.
  if (turn === undefined || turn.response === "none") return closeConnection(edge, connection, out);
  if (isOpen(turn) && !hasAhead(connection)) endUpgrade(turn, out);
  settle(edge, connection, out);
}

/** What came before the home's answer, or while it wanted no more, and then the visitor's end. */
export function deliverAhead(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): void {
  const turn = connection.turns[0];
  // Held back between two pieces, it is not gone on with by the next tick, nor by all that would follow.
  if (turn === undefined || !isOpen(turn)) markWanted(edge, connection, false);
  else {
    const bytes = takeAhead(connection);
    if (bytes !== undefined) {
      out.push({ type: "exchange_body", exchange: turn.exchange, bytes });
      waitAnew(edge, connection);
    }
    markWanted(edge, connection, true);
    if (connection.ended && !hasAhead(connection)) endUpgrade(turn, out);
  }
  settle(edge, connection, out);
}

/** Whether the home takes what the visitor of an upgrade sends. */
function isOpen({ response, pausedBody }: Turn): boolean {
  return response !== "none" && !pausedBody;
}

function endUpgrade(turn: Turn, out: Outbox<EdgeEffect>): void {
  if (turn.requestDone) return;
  turn.requestDone = true;
  out.push({ type: "exchange_body_ended", exchange: turn.exchange, trailers: [] });
}
