/**
 * Whether a visitor's `Authorization` goes to his home. What opened the door here never does. Any other is the home's to
 * understand, unless it is a token of that home: the home would learn a secret that opens it, and so whoever reads its log.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import { tokensIn } from "../../http/authorization.ts";
import type { Outbox } from "../../outbox.ts";
import { type CallResult, callRegistry } from "../registry/calls.ts";
import { isTrusted, trust, trustKey } from "../registry/trust.ts";
import { TOKEN_ACCESS } from "../routing/access.ts";
import { spendsAuthorization } from "../routing/route.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState, ShownToken } from "../state/server.ts";
import { failExchange } from "./exchange.ts";
import { forwardRequest } from "./request.ts";

/** The request may go to that home. The registry is asked first where it would carry something like a token there. */
export function sendHome(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): void {
  exchange.clientId = clientId;
  const { route, request, access } = exchange;
  const isSpent = spendsAuthorization(route, access ?? TOKEN_ACCESS);
  const [token, ...others] = isSpent ? [] : tokensIn(request.headers);
  if (token === undefined) return forward(state, exchange, !isSpent, out);
  // No field holds two, and nobody's login is worth asking about each.
  if (others.length > 0) return forward(state, exchange, false, out);
  const { sha256, limits } = state.config;
  const shown: ShownToken = { door: "visitor", tokenHash: sha256(token), clientId };
  const { tokenHash } = shown;
  if (isTrusted(state, trustKey(shown.door, tokenHash, clientId), limits.tokenFreshMs)) {
    return forward(state, exchange, false, out);
  }
  const asked = callRegistry(
    state,
    { type: "check_visitor", tokenHash, clientId },
    { type: "know_authorization", exchange: exchange.id, shown },
    limits.registryVisitorMs,
    out,
  );
  if (!asked) failExchange(state, exchange, "limit_registry_calls", out);
}

/** The registry's word on what the request would carry to the home. */
export function onAuthorizationKnown(
  state: ServerState,
  exchange: Exchange,
  { door, tokenHash, clientId }: ShownToken,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type === "failed") return failExchange(state, exchange, result.cause, out);
  assert(result.type === "visitor_checked", "the registry answered another question");
  const { kind } = result;
  if (kind !== null) trust(state, trustKey(door, tokenHash, clientId), { kind, tokenHash, clientId });
  forward(state, exchange, kind === null, out);
}

function forward(state: ServerState, exchange: Exchange, passes: boolean, out: Outbox<ServerEffect>): void {
  assert(exchange.clientId !== null, "a request goes to nobody's home");
  exchange.passesAuthorization = passes;
  forwardRequest(state, exchange, exchange.clientId, out);
}
