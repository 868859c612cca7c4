/** A request that asks the registry at its door what home it is for. */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { recalledHome } from "../owner/recalled.ts";
import { callRegistry } from "../registry/calls.ts";
import { hasRoomAtDoor, mayGuess } from "../registry/strangers.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { addressOf, failExchange } from "./exchange.ts";

/**
 * Whether the registry has to say first what home that is: one that is away may want no token. It is asked about a home that is
 * here as well, or how long the answer takes would tell the two apart. Who shows nothing makes a guess with it.
 */
export function recallAtDoor(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): boolean {
  if (exchange.access === null || exchange.recalled || recalledHome(state, clientId) !== undefined)
    return false;
  // The form of a sign-in was read, which cannot be done again, at a home that was here a moment ago.
  if (exchange.route.action.type === "sign_in") return false;
  exchange.recalled = true;
  const address = addressOf(state, exchange);
  if (!mayGuess(state, address)) failExchange(state, exchange, "limit_guesses", out);
  else if (!hasRoomAtDoor(state, address)) failExchange(state, exchange, "limit_address", out);
  else {
    const asked = callRegistry(
      state,
      { type: "recall_home", clientId },
      { type: "recall_home", exchange: exchange.id, clientId, at: "door" },
      state.config.limits.registryVisitorMs,
      out,
      address === "" ? null : address,
    );
    if (!asked) failExchange(state, exchange, "limit_registry_calls", out);
  }
  return true;
}
