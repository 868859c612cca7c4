/** How much of a home's room one address takes: the other visitors of the home shall get in beside it. */
import { assert } from "../../assert.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";

/** Whether one more request of the exchange's address may go to its home. */
export function hasShare(state: ServerState, exchange: Exchange): boolean {
  if (exchange.address === "") return true;
  return (state.shares.get(keyOf(exchange)) ?? 0) < state.config.limits.addressExchangesMax;
}

/** The exchange is carried from here on. */
export function takeShare({ shares }: ServerState, exchange: Exchange): void {
  if (exchange.address === "") return;
  const key = keyOf(exchange);
  shares.set(key, (shares.get(key) ?? 0) + 1);
}

export function returnShare({ shares }: ServerState, exchange: Exchange): void {
  if (exchange.address === "") return;
  const key = keyOf(exchange);
  const left = (shares.get(key) ?? 0) - 1;
  assert(left >= 0, "an address gives back more room than it took");
  if (left === 0) shares.delete(key);
  else shares.set(key, left);
}

/** A client id has no control characters. */
function keyOf({ clientId, address }: Exchange): string {
  assert(address !== null, "a share is asked for before its address is known");
  return `${clientId}\n${address}`;
}
