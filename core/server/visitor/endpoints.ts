/** The server's own endpoints, and the way into the tunnel, for a request whose token is good. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import { visitorSite } from "../../http/forwarded.ts";
import { prefersHtml } from "../../http/problem.ts";
import type { Outbox } from "../../outbox.ts";
import type { RegistryOperation, TokenHash } from "../../registry.ts";
import { type CallResult, callRegistry } from "../registry/calls.ts";
import { forgetToken } from "../registry/trust.ts";
import type { Exchange } from "../state/exchange.ts";
import type { CallPurpose, ServerState } from "../state/server.ts";
import { endExchange, enterPhase, failExchange } from "./exchange.ts";
import { frontPage } from "./front-page.ts";
import { forwardRequest } from "./request.ts";
import { respondJson, respondWhole } from "./respond.ts";

export function serveRoute(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { action } = exchange.route;
  const { sha256, limits } = state.config;
  switch (action.type) {
    case "failure":
      return assert(false, "a refused route is served");
    case "redirect":
      return redirect(state, exchange, action.location, out);
    case "front_page":
      return showFrontPage(state, exchange, out);
    case "health":
      return answer(state, exchange, { healthy: true, hash: state.config.build }, out);
    case "confirm_signature":
      return answer(state, exchange, { valid: true }, out);
    case "register_client":
      return issueToken(state, exchange, "client_access", action.clientId, null, out);
    case "issue_signature":
      return issueToken(state, exchange, "signature", action.clientId, limits.signatureTokenLifetimeMs, out);
    case "store_magic_token": {
      const { clientId, magicToken } = action;
      const operation = {
        type: "insert_token",
        kind: "magic",
        tokenHash: sha256(magicToken),
        clientId,
        lifetimeMs: null,
        ...shownBy(exchange),
      } as const;
      return ask(
        state,
        exchange,
        operation,
        { type: "issue_token", exchange: exchange.id, token: null },
        out,
      );
    }
    case "magic_login": {
      if (action.magicToken === "") return failExchange(state, exchange, "unauthorized", out);
      const operation = { type: "find_magic_token", tokenHash: sha256(action.magicToken) } as const;
      return ask(state, exchange, operation, { type: "find_home", exchange: exchange.id }, out);
    }
    case "forward":
      return forwardRequest(state, exchange, action.clientId, out);
  }
}

/** The token is stored, or could not be. */
export function onTokenIssued(
  state: ServerState,
  exchange: Exchange,
  token: string | null,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type !== "token_inserted") return failExchange(state, exchange, failureOf(result), out);
  if (!result.allowed) {
    // It was revoked since it let the request in.
    if (exchange.token !== null) forgetToken(state, exchange.token);
    return failExchange(state, exchange, "unauthorized", out);
  }
  answer(state, exchange, token === null ? { success: true } : { token }, out);
}

/** Whose magic token it is. */
export function onHomeFound(
  state: ServerState,
  exchange: Exchange,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type !== "magic_token_found") return failExchange(state, exchange, failureOf(result), out);
  const { clientId } = result;
  if (clientId === null) return failExchange(state, exchange, "unauthorized", out);
  const { action } = exchange.route;
  assert(action.type === "magic_login", "a home was looked for that nobody asked for");
  exchange.token = { kind: "magic", tokenHash: state.config.sha256(action.magicToken), clientId };
  forwardRequest(state, exchange, clientId, out);
}

function issueToken(
  state: ServerState,
  exchange: Exchange,
  kind: "client_access" | "signature",
  clientId: string,
  lifetimeMs: number | null,
  out: Outbox<ServerEffect>,
): void {
  // The original's routing lets a HEAD in here; it is answered, and nothing is made (protocol-moosicbox.md).
  if (exchange.request.method === "HEAD") return answer(state, exchange, {}, out);
  const token = uuidFrom(exchange.request.nonce);
  const tokenHash = state.config.sha256(token);
  ask(
    state,
    exchange,
    { type: "insert_token", kind, tokenHash, clientId, lifetimeMs, ...shownBy(exchange) },
    { type: "issue_token", exchange: exchange.id, token },
    out,
  );
}

/** The token that makes another one, which has to be good still when that is stored; nothing where it is the operator's. */
function shownBy({ token }: Exchange): { readonly by?: TokenHash } {
  return token?.kind === "client_access" ? { by: token.tokenHash } : {};
}

function ask(
  state: ServerState,
  exchange: Exchange,
  operation: RegistryOperation,
  purpose: CallPurpose,
  out: Outbox<ServerEffect>,
): void {
  if (purpose.type === "issue_token") enterPhase(exchange, "issuing");
  const asked = callRegistry(state, operation, purpose, state.config.limits.registryVisitorMs, out);
  if (!asked) failExchange(state, exchange, "limit_registry_calls", out);
}

function answer(state: ServerState, exchange: Exchange, value: object, out: Outbox<ServerEffect>): void {
  respondJson(state, exchange, value, out);
  endExchange(state, exchange, "completed", out);
}

function showFrontPage(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { request } = exchange;
  const page = frontPage(state.config, prefersHtml(request.headers));
  const body = request.method === "HEAD" ? [] : [page.body];
  respondWhole(state, exchange, { ...page, body }, out);
  endExchange(state, exchange, "completed", out);
}

/** Below what proxies in front of this server took off the path, as far as they tell. */
function redirect(state: ServerState, exchange: Exchange, location: string, out: Outbox<ServerEffect>): void {
  const { prefix } = visitorSite(exchange.request, state, "");
  const headers = ["location", prefix + location, "content-length", "0"];
  respondWhole(state, exchange, { status: 308, headers, body: [] }, out);
  endExchange(state, exchange, "completed", out);
}

function failureOf(result: CallResult): "registry_down" | "limit_registry_calls" {
  assert(result.type === "failed", "the registry answered another question");
  return result.cause;
}

/** RFC 9562 section 5.4: a version 4 UUID from 16 random bytes. */
function uuidFrom(nonce: Uint8Array): string {
  assert(nonce.length === 16, "a token needs 16 random bytes");
  let text = "";
  for (const [index, random] of nonce.entries()) {
    let byte = random;
    if (index === 6) byte = (byte & 0x0f) | 0x40;
    if (index === 8) byte = (byte & 0x3f) | 0x80;
    if (index === 4 || index === 6 || index === 8 || index === 10) text += "-";
    text += byte.toString(16).padStart(2, "0");
  }
  return text;
}
