/** What must hold in every state between two steps. The simulator checks it after each. */
import { assert } from "../assert.ts";
import { isInRequest, waitingBytes } from "../http1/request-reader.ts";
import { isArmed } from "../timers.ts";
import { PIECE_BYTES } from "./ahead.ts";
import type { Edge, EdgeConnection } from "./state.ts";

/** The most that one read of a connection brings. */
export const READ_BYTES_MAX = 64 * 1024;

export function checkEdge(edge: Edge): void {
  let armed = 0;
  let turns = 0;
  let granted = 0;
  const byAddress = new Map<string, number>();
  edge.connections.forEach((connection) => {
    checkConnection(edge, connection);
    if (isArmed(connection.timer)) armed++;
    granted += connection.grantedBytes;
    const { address, grantedBytes } = connection;
    if (address !== null) byAddress.set(address, (byAddress.get(address) ?? 0) + grantedBytes);
    turns += connection.turns.filter((turn) => !turn.over).length;
  });
  assert(edge.grantedBytes === granted, "what all were granted is not what each was");
  assert(granted <= edge.config.limits.looksBytesTotal, "all looks together read more than they may");
  for (const [address, bytes] of byAddress) {
    const counted = edge.grantedByAddress.get(address) ?? 0;
    assert(counted === bytes, "what an address was granted is not what its connections were");
    assert(bytes <= edge.config.limits.addressLooksBytes, "the looks of an address read more than they may");
  }
  assert(edge.grantedByAddress.size <= byAddress.size, "what is granted has outlived its address");
  let waiting = 0;
  for (const { held, timer } of edge.paces.values()) {
    assert(held.size > 0 === isArmed(timer), "connections are held without a time when they go on");
    if (held.size > 0) waiting++;
  }
  assert(edge.paceTimers.heap.length === waiting, "a pace is forgotten that holds connections");
  assert(edge.timers.heap.length === armed, "a timer has outlived its connection");
  assert(edge.turns.size === turns, "an exchange has outlived its connection, or is forgotten");
}

function checkConnection(edge: Edge, connection: EdgeConnection): void {
  const { phase, turns, incoming, reader, timer, waitsFor, aheadBytes } = connection;
  const bound = edge.config.limits.readAheadBytes + READ_BYTES_MAX;
  assert(turns.length <= edge.config.limits.turnsMax, "more turns wait than may");
  assert(waitingBytes(reader) < bound, "more was read ahead than may be");
  assert(aheadBytes < bound + PIECE_BYTES + connection.grantedBytes, "more waits ahead than was granted");
  assert(connection.grantedBytes <= edge.config.limits.lookBytes, "more was granted than a look may read");
  assert(
    (waitsFor !== null && phase !== "closed") === isArmed(timer),
    "a connection waits without a deadline",
  );
  assert(
    connection.startBytes === 0 || phase !== "reading" || turns[0]?.response === "none",
    "an answer was begun that nobody waits for",
  );
  if (incoming !== null) {
    assert(isInRequest(reader), "a request is read that has come to its end");
    assert(incoming.over || turns.at(-1) === incoming, "the request that is read is not the latest");
  }
  for (const [index, turn] of turns.entries()) {
    assert(index === 0 || (turns[index - 1]?.exchange ?? 0) < turn.exchange, "turns are out of order");
    assert(index === 0 || turn.response === "none", "a response has begun before its turn");
    assert(
      index > 0 || turn.orders.length === 0 || phase !== "reading",
      "an order waits though its turn has come",
    );
  }
  const isHeld = connection.places.held.stands;
  assert(
    !isHeld || (phase === "reading" && !connection.sealed),
    "a connection is held of which nothing is wanted",
  );
  const isPipelined = edge.pipelined.has(connection);
  assert(!isHeld || !isPipelined, "a request is to be taken of a connection that is held");
  assert(
    !isPipelined || (phase === "reading" && !connection.sealed),
    "a request is to be taken that may not",
  );
  const isReading = phase === "reading" && turns.length === 0 && waitsFor === null && !isInRequest(reader);
  assert(!isReading || isPipelined || isHeld, "a connection that waits for a request waits for ever");
}
