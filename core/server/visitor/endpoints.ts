/** The server's own endpoints, and the way into the tunnel, for a request whose token is good. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import { visitorSite } from "../../http/forwarded.ts";
import { prefersHtml } from "../../http/problem.ts";
import type { Outbox } from "../../outbox.ts";
import { type CallResult, callRegistry } from "../registry/calls.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { sendHome } from "./authorization.ts";
import { endExchange, failExchange } from "./exchange.ts";
import { frontPage } from "./front-page.ts";
import { respondWhole } from "./respond.ts";
import { signIn } from "./sign-in.ts";
import { answer, serveTokens } from "./tokens.ts";

export function serveRoute(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { action } = exchange.route;
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
    case "magic_login":
      return findHome(state, exchange, action.magicToken, out);
    case "sign_in":
      return signIn(state, exchange, action.to, out);
    case "forward":
      return sendHome(state, exchange, action.clientId, out);
    default:
      return serveTokens(state, exchange, action, out);
  }
}

function findHome(
  state: ServerState,
  exchange: Exchange,
  magicToken: string,
  out: Outbox<ServerEffect>,
): void {
  if (magicToken === "") return failExchange(state, exchange, "unauthorized", out);
  const { sha256, limits } = state.config;
  const asked = callRegistry(
    state,
    { type: "find_magic_token", tokenHash: sha256(magicToken) },
    { type: "find_home", exchange: exchange.id },
    limits.registryVisitorMs,
    out,
  );
  if (!asked) failExchange(state, exchange, "limit_registry_calls", out);
}

/** Whose magic token it is. */
export function onHomeFound(
  state: ServerState,
  exchange: Exchange,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type === "failed") return failExchange(state, exchange, result.cause, out);
  assert(result.type === "magic_token_found", "the registry answered another question");
  const { clientId } = result;
  if (clientId === null) return failExchange(state, exchange, "unauthorized", out);
  const { action } = exchange.route;
  assert(action.type === "magic_login", "a home was looked for that nobody asked for");
  exchange.token = { kind: "magic", tokenHash: state.config.sha256(action.magicToken), clientId };
  sendHome(state, exchange, clientId, out);
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

export function answerPreflight(
  state: ServerState,
  exchange: Exchange,
  headers: readonly string[],
  out: Outbox<ServerEffect>,
): void {
  exchange.headSent = true;
  exchange.status = 204;
  out.push({
    type: "respond",
    exchange: exchange.id,
    status: 204,
    headers,
    body: [],
    close: exchange.request.hasBody,
    unserved: true,
  });
  endExchange(state, exchange, "completed", out);
}
