/** The server's endpoints that make, list and end tokens: what they ask the registry, and what they answer. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { FailureCode } from "../../failure.ts";
import type { Outbox } from "../../outbox.ts";
import { REGISTER_AGAIN_HELP } from "../../registry/credentials.ts";
import type { RegistryOperation, TokenHash } from "../../registry.ts";
import { type CallResult, callRegistry } from "../registry/calls.ts";
import { countGuess } from "../registry/strangers.ts";
import { forgetToken } from "../registry/trust.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { addressOf, endExchange, enterPhase, failExchange } from "./exchange.ts";
import { respondJson } from "./respond.ts";

/** The actions of a route that come to one operation of the registry, and its answer to the visitor. */
export type TokenAction = Extract<
  Exchange["route"]["action"],
  {
    readonly type:
      | "register_client"
      | "issue_signature"
      | "store_magic_token"
      | "create_visitor_token"
      | "list_visitor_tokens"
      | "revoke_visitor_token";
  }
>;

/** What is shown for it is known to be good, but what `register_client` shows is for the registry to judge. */
export function serveTokens(
  state: ServerState,
  exchange: Exchange,
  action: TokenAction,
  out: Outbox<ServerEffect>,
): void {
  // The original's routing lets a HEAD in here; it is answered, and nothing is made (protocol-moosicbox.md).
  if (exchange.request.method === "HEAD") return answer(state, exchange, {}, out);
  enterPhase(exchange, "issuing");
  const { sha256, limits } = state.config;
  const token = makesToken(action) ? uuidFrom(exchange.request.nonce) : null;
  const operation = operationOf(state, exchange, action, token === null ? "" : sha256(token));
  // Who shows something else than the operator's token may be anybody.
  const isStranger = operation.type === "register_client" && operation.shownHash !== null;
  const asked = callRegistry(
    state,
    operation,
    { type: "issue_token", exchange: exchange.id, token },
    limits.registryVisitorMs,
    out,
    isStranger ? addressOf(state, exchange) || null : null,
  );
  if (!asked) failExchange(state, exchange, "limit_registry_calls", out);
}

/** The registry has done it, or could not. */
export function onTokenIssued(
  state: ServerState,
  exchange: Exchange,
  token: string | null,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  switch (result.type) {
    case "failed":
      return failExchange(state, exchange, result.cause, out);
    case "token_inserted":
      if (!result.allowed) return refuseRevoked(state, exchange, out);
      if (token === null) return confirmMagicToken(state, exchange, out);
      return answer(state, exchange, { token }, out);
    case "client_registered":
      return onRegistered(state, exchange, token, result.result, out);
    case "visitor_token_inserted": {
      if (result.result === "inserted") return answer(state, exchange, { token }, out);
      if (result.result === "unauthorized") return refuseRevoked(state, exchange, out);
      const code: FailureCode = result.result === "name_taken" ? "name_taken" : "limit_visitor_tokens";
      return failExchange(state, exchange, code, out);
    }
    case "visitor_tokens_listed":
      return answer(state, exchange, { tokens: result.tokens }, out);
    case "visitor_token_revoked":
      return answer(state, exchange, { revoked: result.found }, out);
    default:
      assert(false, "the registry answered another question");
  }
}

/** It stays whose it was, and of two who store it at once one has it: now it is clear which. */
function confirmMagicToken(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { action } = exchange.route;
  assert(action.type === "store_magic_token", "a token was made that nobody is shown");
  const asked = callRegistry(
    state,
    { type: "find_magic_token", tokenHash: state.config.sha256(action.magicToken) },
    { type: "confirm_magic_token", exchange: exchange.id },
    state.config.limits.registryVisitorMs,
    out,
  );
  if (!asked) failExchange(state, exchange, "limit_registry_calls", out);
}

/** Whose magic token it is that a client has stored. Null where it has run out, which no storing changes. */
export function onMagicTokenConfirmed(
  state: ServerState,
  exchange: Exchange,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type === "failed") return failExchange(state, exchange, result.cause, out);
  assert(result.type === "magic_token_found", "the registry answered another question");
  const { action } = exchange.route;
  assert(action.type === "store_magic_token", "a magic token is confirmed that nobody stored");
  if (result.clientId !== action.clientId) return failExchange(state, exchange, "magic_token_taken", out);
  answer(state, exchange, { success: true }, out);
}

function onRegistered(
  state: ServerState,
  exchange: Exchange,
  token: string | null,
  result: "registered" | "known" | "unauthorized",
  out: Outbox<ServerEffect>,
): void {
  if (result === "registered") return answer(state, exchange, { token }, out);
  if (result === "known") {
    return failExchange(state, exchange, "already_registered", out, { detail: REGISTER_AGAIN_HELP });
  }
  countGuess(state, addressOf(state, exchange));
  failExchange(state, exchange, "unauthorized", out);
}

/** What makes another token was revoked since it let the request in. */
function refuseRevoked(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  if (exchange.token !== null) forgetToken(state, exchange.token);
  failExchange(state, exchange, "unauthorized", out);
}

function makesToken({ type }: TokenAction): boolean {
  return type === "register_client" || type === "issue_signature" || type === "create_visitor_token";
}

function operationOf(
  { config, accessTokenHash }: ServerState,
  { route, token }: Exchange,
  action: TokenAction,
  tokenHash: string,
): RegistryOperation {
  const { clientId } = action;
  switch (action.type) {
    case "register_client": {
      const { credential } = route;
      assert(credential.type === "registration" && credential.token !== null, "nothing is shown to register");
      const shown = config.sha256(credential.token);
      const shownHash = shown === accessTokenHash ? null : shown;
      return { type: "register_client", clientId, tokenHash, shownHash, again: config.registerAgain };
    }
    case "issue_signature": {
      const lifetimeMs = config.limits.signatureTokenLifetimeMs;
      return { type: "insert_token", kind: "signature", tokenHash, clientId, lifetimeMs, by: makerIn(token) };
    }
    case "store_magic_token": {
      const magicHash = config.sha256(action.magicToken);
      const by = makerIn(token);
      return { type: "insert_token", kind: "magic", tokenHash: magicHash, clientId, lifetimeMs: null, by };
    }
    case "create_visitor_token": {
      const { name, lifetimeMs } = action;
      return { type: "insert_visitor_token", tokenHash, clientId, name, lifetimeMs, by: makerIn(token) };
    }
    case "list_visitor_tokens":
      return { type: "list_visitor_tokens", clientId };
    case "revoke_visitor_token":
      return { type: "revoke_visitor_token", clientId, name: action.name };
  }
}

/** The token that makes another one, which has to be good still when that is stored. */
function makerIn(token: Exchange["token"]): TokenHash {
  assert(token?.kind === "client_access", "a token is made by nobody");
  return token.tokenHash;
}

export function answer(
  state: ServerState,
  exchange: Exchange,
  value: object,
  out: Outbox<ServerEffect>,
): void {
  respondJson(state, exchange, value, out);
  endExchange(state, exchange, "completed", out);
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
