/**
 * Who may come in. Nothing is answered and nothing is forwarded before the token is known to be good; a registry that fails
 * opens no door, except to a token that it accepted itself less than `tokenTrustMs` ago.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import { preflight } from "../../http/cors.ts";
import type { Outbox } from "../../outbox.ts";
import type { HeldToken, RegistryOperation } from "../../registry.ts";
import { disarm } from "../../timers.ts";
import { accessElsewhere, isElsewhere } from "../owner/found.ts";
import { absentAccess, liveTunnel, servesHomes } from "../owner/homes.ts";
import { noteRecalled } from "../owner/recalled.ts";
import { type CallResult, callRegistry } from "../registry/calls.ts";
import { countGuess, hasRoomAtDoor, mayGuess } from "../registry/strangers.ts";
import { distrust, isTrusted, trust, trustedToken, trustKey } from "../registry/trust.ts";
import { isSalted, stillOpens, TOKEN_ACCESS } from "../routing/access.ts";
import type { Credential, TokenCredential } from "../routing/shape.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState, ShownToken } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";
import { answerPreflight, serveRoute } from "./endpoints.ts";
import { addressOf, enterPhase, failExchange } from "./exchange.ts";
import { challenge, checkPassword } from "./passwords.ts";
import { recallAtDoor } from "./recall.ts";
import { forwardRequest } from "./request.ts";
import {
  ownPathOf,
  serveSignIn,
  serveSignOut,
  sessionOf,
  showSignIn,
  showsCredential,
  takeForm,
  targetAfter,
  wantsPage,
} from "./sign-in.ts";
import { waitAtDoor } from "./waiting.ts";

/** Takes in a request that has just been opened. */
export function admitExchange(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { request, route } = exchange;
  if (!servesHomes(state)) return failExchange(state, exchange, "draining", out);
  if (state.exchanges.size - state.untaken.size > state.config.limits.exchangesMax) {
    return failExchange(state, exchange, "limit_exchanges", out);
  }
  // On a home's own name preflights are the home's, like everything else.
  if (route.forward.way === "query") {
    const cors = preflight(request.method, request.headers, state.config.corsOrigins);
    if (cors !== null) return answerPreflight(state, exchange, cors, out);
  }
  if (route.action.type === "failure") {
    const { code, detail, allow } = route.action;
    const headers = allow === null ? [] : ["allow", allow];
    return failExchange(state, exchange, code, out, { detail, headers });
  }
  checkCredential(state, exchange, route.credential, out);
}

function checkCredential(
  state: ServerState,
  exchange: Exchange,
  credential: Credential,
  out: Outbox<ServerEffect>,
): void {
  switch (credential.type) {
    case "none":
      return serveRoute(state, exchange, out);
    case "registration":
      return checkRegistration(state, exchange, credential.token, out);
    case "home_access":
      return checkAccess(state, exchange, credential, out);
    default:
      return checkToken(state, exchange, credential, out);
  }
}

/**
 * A home's own door: a credential, or the cookie of a browser that has shown one. One that is unknown answers as one that wants
 * a token, after the same questions to the registry, so that nobody without a token can tell which homes there are. One that is
 * away and takes everybody, or a password, hides nothing.
 */
function checkAccess(
  state: ServerState,
  exchange: Exchange,
  credential: Extract<Credential, { readonly type: "home_access" }>,
  out: Outbox<ServerEffect>,
): void {
  const { clientId, bearer, basic } = credential;
  const present = liveTunnel(state, clientId)?.access ?? accessElsewhere(state, clientId);
  const access = present ?? absentAccess(state, clientId, exchange.openedMs) ?? TOKEN_ACCESS;
  exchange.access = access;
  if (present === undefined && access.type !== "token") {
    // What another node's home asks for is not what one asked for that was here before.
    if (isElsewhere(state, clientId) && recallAtDoor(state, exchange, clientId, out)) return;
    return waitAtDoor(state, exchange, clientId, out);
  }
  if (access.type === "public") return serveRoute(state, exchange, out);
  const own = ownPathOf(exchange);
  // At a home that takes everybody they are the home's.
  if (own !== null && present === undefined && recallAtDoor(state, exchange, clientId, out)) return;
  if (own === "sign_out") return serveSignOut(state, exchange, out);
  if (own === "sign_in" && access.type === "token") return serveSignIn(state, exchange, out);
  // A request comes here again when its home is back, or its mode known.
  const session = sessionOf(state, exchange, access);
  exchange.session = session;
  const isShown =
    session === null
      ? showsCredential(exchange)
      : basic !== null || (bearer !== null && state.config.sha256(bearer) === session.hash);
  const { route } = exchange;
  exchange.route = { ...route, forward: { ...route.forward, ownsAuthorization: isShown } };
  switch (access.type) {
    case "token":
      if (session === null) {
        return checkToken(state, exchange, { type: "visitor", clientId, token: bearer }, out);
      }
      return checkShown(state, exchange, { door: "visitor", tokenHash: session.hash, clientId }, out);
    case "basic": {
      // The page is the browser's own, and what it asks for is shown to this path.
      if (own === "sign_in") {
        exchange.route = {
          ...exchange.route,
          action: { type: "sign_in", clientId, to: targetAfter(exchange) },
        };
      }
      if (session !== null) return serveRoute(state, exchange, out);
      if (isSalted(access.hash)) return checkPassword(state, exchange, basic, access, out);
      const shown = basic === null ? null : `${basic.user}:${basic.password}`;
      return checkSecret(state, exchange, shown, access.hash, { headers: challenge(clientId) }, out);
    }
  }
}

/** A secret that this server knows by its hash: how far two hashes agree says nothing about it. */
function checkSecret(
  state: ServerState,
  exchange: Exchange,
  shown: string | null,
  hash: string,
  extra: { readonly headers?: readonly string[] },
  out: Outbox<ServerEffect>,
): void {
  if (shown === null) return failExchange(state, exchange, "unauthorized", out, extra);
  if (state.config.sha256(shown) === hash) return serveRoute(state, exchange, out);
  const address = addressOf(state, exchange);
  if (!mayGuess(state, address)) return failExchange(state, exchange, "limit_guesses", out);
  countGuess(state, address);
  failExchange(state, exchange, "unauthorized", out, extra);
}

/**
 * The operator's token is known by its hash. Whether anything else registers this client id is for the registry to say, in the
 * same call that does it: an invite is good once.
 */
function checkRegistration(
  state: ServerState,
  exchange: Exchange,
  shown: string | null,
  out: Outbox<ServerEffect>,
): void {
  if (shown === null) return failExchange(state, exchange, "unauthorized", out);
  if (state.config.sha256(shown) === state.accessTokenHash) return serveRoute(state, exchange, out);
  const address = addressOf(state, exchange);
  if (!mayGuess(state, address)) return failExchange(state, exchange, "limit_guesses", out);
  if (!hasRoomAtDoor(state, address)) return failExchange(state, exchange, "limit_address", out);
  // Nothing is to be made, so nothing is used up.
  if (exchange.request.method === "HEAD") return failExchange(state, exchange, "unauthorized", out);
  serveRoute(state, exchange, out);
}

function checkToken(
  state: ServerState,
  exchange: Exchange,
  { type: door, clientId, token }: TokenCredential,
  out: Outbox<ServerEffect>,
): void {
  if (token === null) {
    if (recallAtDoor(state, exchange, clientId, out)) return;
    return refuse(state, exchange, out);
  }
  checkShown(state, exchange, { door, tokenHash: state.config.sha256(token), clientId }, out);
}

function checkShown(
  state: ServerState,
  exchange: Exchange,
  shown: ShownToken,
  out: Outbox<ServerEffect>,
): void {
  const { limits } = state.config;
  const { clientId } = shown;
  const key = trustKey(shown.door, shown.tokenHash, clientId);
  const trusted = isTrusted(state, key, limits.tokenTrustMs);
  if (isTrusted(state, key, limits.tokenFreshMs) || (trusted && state.registryUp === false)) {
    return serveTrusted(state, exchange, key, out);
  }
  if (!trusted && recallAtDoor(state, exchange, clientId, out)) return;
  const address = addressOf(state, exchange);
  // What was accepted lately is nobody's guess, and neither is what this server has signed.
  if (!trusted && exchange.session === null && !mayGuess(state, address))
    return failExchange(state, exchange, "limit_guesses", out);
  if (!trusted && !hasRoomAtDoor(state, address)) return failExchange(state, exchange, "limit_address", out);
  const asked = callRegistry(
    state,
    questionAt(shown),
    { type: "authorize_exchange", exchange: exchange.id, shown },
    // A trusted token need not wait for a registry that fails.
    trusted ? 0 : limits.registryVisitorMs,
    out,
    trusted || address === "" ? null : address,
  );
  if (!asked) failExchange(state, exchange, "limit_registry_calls", out);
}

function questionAt({ door, tokenHash, clientId }: ShownToken): RegistryOperation {
  switch (door) {
    case "agent":
      return { type: "check_token", kind: "client_access", tokenHash, clientId };
    case "visitor":
      return { type: "check_visitor", tokenHash, clientId };
    case "media":
      return { type: "use_signature", use: "media", tokenHash, clientId };
    case "signature":
      return { type: "check_token", kind: "signature", tokenHash, clientId };
  }
}

/** What the registry found to be good; null where that is nothing. Two kinds of tokens open a home to visitors. */
function goodToken({ door, tokenHash, clientId }: ShownToken, result: CallResult): HeldToken | null {
  const held = (kind: HeldToken["kind"]) => ({ kind, tokenHash, clientId });
  switch (result.type) {
    case "token_checked":
      return result.valid ? held(door === "agent" ? "client_access" : "signature") : null;
    case "visitor_checked":
      return result.kind === null ? null : held(result.kind);
    case "signature_used":
      return result.valid ? held("signature") : null;
    default:
      return null;
  }
}

/** By a token that the registry accepted a moment ago. */
function serveTrusted(state: ServerState, exchange: Exchange, key: string, out: Outbox<ServerEffect>): void {
  exchange.token = trustedToken(state, key);
  serveRoute(state, exchange, out);
}

/** The registry's word on the home of an exchange at its door; it may be back meanwhile. */
export function onHomeRecalled(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type === "failed") return failExchange(state, exchange, result.cause, out);
  assert(result.type === "home_recalled", "the registry answered another question");
  noteRecalled(state, clientId, result.home);
  const { credential } = exchange.route;
  assert(credential.type === "home_access", "a home was recalled at a door that it does not have");
  const isHidden = (absentAccess(state, clientId) ?? TOKEN_ACCESS).type === "token";
  const isNobody = credential.bearer === null && exchange.session === null;
  if (isHidden && isNobody) countGuess(state, addressOf(state, exchange));
  checkAccess(state, exchange, credential, out);
}

/** The home that the request waited for is back, perhaps with another mode than it had. */
export function readmitExchange(
  state: ServerState,
  exchange: Exchange,
  tunnel: Tunnel,
  out: Outbox<ServerEffect>,
): void {
  const { access, hop } = exchange;
  const isLetIn = hop !== null || (access !== null && stillOpens(access, tunnel.access));
  judgeAgain(state, exchange, tunnel.clientId, isLetIn, out);
}

/** Where its home is has become known: on its way, or where it was not let in, to the door again. */
export function judgeAgain(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  isLetIn: boolean,
  out: Outbox<ServerEffect>,
): void {
  const { credential } = exchange.route;
  if (credential.type !== "home_access" || isLetIn) return forwardRequest(state, exchange, clientId, out);
  if (exchange.phase !== "authorizing") enterPhase(exchange, "authorizing");
  disarm(state.timers, exchange.timer);
  exchange.access = null;
  exchange.token = null;
  checkAccess(state, exchange, credential, out);
}

/** The registry's word on an exchange's token. */
export function onExchangeChecked(
  state: ServerState,
  exchange: Exchange,
  shown: ShownToken,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  const token = goodToken(shown, result);
  const { door, tokenHash, clientId } = shown;
  const key = trustKey(door, tokenHash, clientId);
  if (token !== null) {
    exchange.token = token;
    trust(state, key, token);
    serveRoute(state, exchange, out);
  } else if (result.type === "failed") {
    if (isTrusted(state, key, state.config.limits.tokenTrustMs)) serveTrusted(state, exchange, key, out);
    else failExchange(state, exchange, result.cause, out);
  } else {
    distrust(state, key);
    // It was good a moment ago, so that nobody has asked yet what home that is.
    if (exchange.clientId !== null && recallAtDoor(state, exchange, exchange.clientId, out)) return;
    if (exchange.session === null) countGuess(state, addressOf(state, exchange));
    refuse(state, exchange, out);
  }
}

/** The form of a sign-in was read to its end. */
export function onFormRead(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { clientId, route } = exchange;
  assert(clientId !== null, "somebody signs in at no home");
  const { token, to } = takeForm(state, exchange);
  exchange.route = { ...route, action: { type: "sign_in", clientId, to } };
  if (token === "") return showSignIn(state, exchange, { to, isWrong: false, status: 401 }, out);
  checkToken(state, exchange, { type: "visitor", clientId, token }, out);
}

/** No token, or none that is good: a person with a browser can show one on a page. */
function refuse(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { action, forward } = exchange.route;
  if (action.type === "sign_in") {
    return showSignIn(state, exchange, { to: action.to, isWrong: true, status: 401 }, out);
  }
  if (!wantsPage(exchange)) return failExchange(state, exchange, "unauthorized", out);
  showSignIn(state, exchange, { to: forward.target, isWrong: false, status: 401 }, out);
}
