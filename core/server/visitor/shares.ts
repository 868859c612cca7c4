/** How much of a home's room one address takes: the other visitors of the home shall get in beside it. */
import { assert } from "../../assert.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";

/** Whether one more request of the exchange's address may go to its home. */
export function hasShare({ shares, config }: ServerState, exchange: Exchange): boolean {
  if (exchange.address === "") return true;
  return shares.get(shareOf(exchange)) < config.limits.addressExchangesMax;
}

/** The exchange is carried from here on. */
export function takeShare({ shares }: ServerState, exchange: Exchange): void {
  if (exchange.address !== "") shares.add(shareOf(exchange));
}

export function returnShare({ shares }: ServerState, exchange: Exchange): void {
  if (exchange.address !== "") shares.take(shareOf(exchange));
}

/** A client id has no control characters. */
function shareOf(exchange: Exchange): string {
  const { clientId, address } = exchange;
  assert(address !== null, "a share is asked for before its address is known");
  exchange.share ??= `${clientId}\n${address}`;
  return exchange.share;
}
