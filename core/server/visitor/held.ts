/**
 * Bytes held for exchanges, counted in one place so that what is added is what is taken away: per exchange and for the
 * whole server. What a bound does when it is reached is decided in `overload.ts`.
 */
import { assert } from "../../assert.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";

export function hold(state: ServerState, exchange: Exchange, bytes: number): void {
  exchange.heldBytes += bytes;
  state.heldBytes += bytes;
}

export function release(state: ServerState, exchange: Exchange, bytes: number): void {
  exchange.heldBytes -= bytes;
  state.heldBytes -= bytes;
  assert(exchange.heldBytes >= 0, "an exchange released more bytes than it held");
  assert(state.heldBytes >= 0, "the server released more bytes than it held");
}

/** Forgets everything but what the adapter has still to write: that is its, until it says so. */
export function releaseUnwritten(state: ServerState, exchange: Exchange): void {
  exchange.requestParts = [];
  exchange.requestBytes = 0;
  exchange.responseParts = [];
  release(state, exchange, exchange.heldBytes - exchange.unflushedBytes);
}
