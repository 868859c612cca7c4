/**
 * How a person signs in at a home with a browser, which can show no token of itself. Where a home is closed, a page asks for the
 * token; it is posted to a path of the home that is the server's own, and a cookie lets the browser in from then on
 * (`routing/session-cookie.ts`). To sign out is to have the cookie deleted.
 *
 * - A cookie comes along with whatever any page makes the browser send, so one that opens a home is honoured for pages of that
 *   home's own origin and for links that are followed, not for forms, scripts and sockets of other homes or sites.
 * - The forms are taken from pages of the same origin only, and only where the browser says so: else another site could sign
 *   somebody in as somebody else.
 * - While a cookie opens the door, `Authorization` is the home's.
 */
import { assert } from "../../assert.ts";
import { cookiesNamed } from "../../browser/cookies.ts";
import { isNavigation, senderOf } from "../../browser/sender.ts";
import { concatBytes } from "../../bytes.ts";
import type { ServerEffect } from "../../effects.ts";
import { visitorSite } from "../../http/forwarded.ts";
import { headerValue } from "../../http/headers.ts";
import { prefersHtml } from "../../http/problem.ts";
import type { Site } from "../../http/site.ts";
import { originForm, parseForm, parseOriginForm } from "../../http/target.ts";
import { trimmed } from "../../http/whitespace.ts";
import type { Outbox } from "../../outbox.ts";
import { disarm } from "../../timers.ts";
import { decodeUtf8 } from "../../wire/utf8.ts";
import { type Access, accessText } from "../routing/access.ts";
import { readSession, type Session, sessionCookieName, writeSession } from "../routing/session-cookie.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { addressOf, endExchange, enterPhase, failExchange } from "./exchange.ts";
import { releaseUnwritten } from "./held.ts";
import { askForBody } from "./request.ts";
import { respondWhole } from "./respond.ts";
import { type Page, signInPage, signOutPage } from "./sign-in-page.ts";

/** Paths of a home that is not public, below what names it: a service that has well-known ones has others (RFC 8615). */
const SIGN_IN = "/.well-known/culvert/sign-in";
const SIGN_OUT = "/.well-known/culvert/sign-out";

/** The cookie of a sign-in under that mode which the request shows, if it may count; null else. */
export function sessionOf(state: ServerState, exchange: Exchange, access: Access): Session | null {
  const { request, route, clientId } = exchange;
  const { way } = route.forward;
  if (way === "query" || clientId === null || !showsCredential(exchange)) return null;
  const site = visitorSite(request, state, "");
  const cookies = cookiesNamed(request.headers, sessionCookieName(site.scheme, way));
  if (cookies.length === 0 || !mayShow(exchange, site)) return null;
  const { sign, sha256, epochMs } = state.config;
  const nowSeconds = Math.floor((epochMs + state.nowMs) / 1000);
  // Others of the name may stand beside it: longer paths come first, and not all are ours.
  for (const cookie of cookies.slice(0, COOKIES_MAX)) {
    const session = readSession(cookie, clientId, { nowSeconds, sign, sha256 });
    const isMeant =
      access.type === "token" ? session?.kind === "token" : session?.hash === passwordHash(state, access);
    if (isMeant) return session;
  }
  return null;
}

const COOKIES_MAX = 4;

/** Whether `Authorization` is the field for this door: who shows a credential in the field of our own means that. */
export function showsCredential({ request }: Exchange): boolean {
  return headerValue(request.headers, "culvert-authorization") === undefined;
}

function mayShow({ request: { method, headers } }: Exchange, site: Site): boolean {
  return senderOf(headers, site) !== "other" || isNavigation(method, headers);
}

/** Whether a closed home's visitor is shown a page in place of a problem. */
export function wantsPage({ request, access, route }: Exchange): boolean {
  const { method, headers, upgrade } = request;
  const isRead = method === "GET" || method === "HEAD";
  return (
    route.forward.way !== "query" && access?.type === "token" && isRead && !upgrade && prefersHtml(headers)
  );
}

export function showSignIn(
  state: ServerState,
  exchange: Exchange,
  shown: { readonly to: string; readonly isWrong: boolean; readonly status: 200 | 401 },
  out: Outbox<ServerEffect>,
): void {
  const action = urlOf(state, exchange, SIGN_IN);
  const signOut = urlOf(state, exchange, SIGN_OUT);
  respondPage(state, exchange, signInPage({ ...shown, action, signOut }), out);
  endExchange(state, exchange, shown.status === 401 ? "unauthorized" : "completed", out);
}

/** The page by its own path: who asks for it has not been refused anything. */
export function serveSignIn(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { method } = exchange.request;
  if (method === "POST") return readForm(state, exchange, out);
  if (method !== "GET" && method !== "HEAD") return refuseMethod(state, exchange, out);
  showSignIn(state, exchange, { to: targetAfter(exchange), isWrong: false, status: 200 }, out);
}

/** Which of the server's own paths of a closed home is asked for. */
export function ownPathOf({ route }: Exchange): "sign_in" | "sign_out" | null {
  const [path] = route.forward.target.split("?", 1);
  return path === SIGN_IN ? "sign_in" : path === SIGN_OUT ? "sign_out" : null;
}

/** The path of the home that the sign-in page is to lead to. */
export function targetAfter({ route }: Exchange): string {
  return safeTarget(parseOriginForm(route.forward.target).query.get("to"));
}

/** Begins to read the form; `onFormRead` in `door.ts` goes on. */
function readForm(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  if (!comesFromHome(state, exchange)) return failExchange(state, exchange, "cross_site", out);
  if (!exchange.request.hasBody) {
    return showSignIn(state, exchange, { to: "/", isWrong: false, status: 401 }, out);
  }
  const { limits } = state.config;
  const address = addressOf(state, exchange);
  let ofAddress = 0;
  state.signIns.forEach((other) => {
    if (other.address === address) ofAddress++;
  });
  if (address !== "" && ofAddress >= limits.addressSignInsMax) {
    return failExchange(state, exchange, "limit_address", out);
  }
  if (state.signIns.size >= limits.signInsMax) return failExchange(state, exchange, "limit_exchanges", out);
  enterPhase(exchange, "reading");
  state.signIns.set(exchange.id, exchange);
  askForBody(state, exchange, out);
}

/** What the form that was read says. The exchange is as it was before, but for its body. */
export function takeForm(
  state: ServerState,
  exchange: Exchange,
): { readonly token: string; readonly to: string } {
  assert(state.signIns.delete(exchange.id), "a form was read that nobody asked for");
  disarm(state.timers, exchange.timer);
  enterPhase(exchange, "authorizing");
  exchange.requestRead = true;
  const form = parseForm(decodeUtf8(concatBytes(exchange.requestParts)) ?? "");
  releaseUnwritten(state, exchange);
  return { token: trimmed(form.get("token") ?? ""), to: safeTarget(form.get("to")) };
}

/** What was shown is good: the browser gets its cookie, and what it asked for. */
export function signIn(state: ServerState, exchange: Exchange, to: string, out: Outbox<ServerEffect>): void {
  const { token, access, clientId } = exchange;
  assert(clientId !== null && access !== null, "somebody signs in at no home");
  const { config, nowMs } = state;
  const lifetimeSeconds = Math.floor(config.limits.sessionLifetimeMs / 1000);
  const expiresSeconds = Math.floor((config.epochMs + nowMs) / 1000) + lifetimeSeconds;
  const session: Session =
    access.type === "basic"
      ? { kind: "password", hash: passwordHash(state, access) }
      : { kind: "token", hash: tokenHashOf(token) };
  const value = writeSession(session, clientId, expiresSeconds, config.sign);
  leadOn(state, exchange, to, cookieOf(state, exchange, value, lifetimeSeconds), out);
}

function tokenHashOf(token: Exchange["token"]): string {
  assert(token !== null, "somebody has signed in with nothing");
  return token.tokenHash;
}

export function serveSignOut(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { method } = exchange.request;
  if (method === "GET" || method === "HEAD") {
    respondPage(state, exchange, signOutPage(urlOf(state, exchange, SIGN_OUT)), out);
    return endExchange(state, exchange, "completed", out);
  }
  if (method !== "POST") return refuseMethod(state, exchange, out);
  if (!comesFromHome(state, exchange)) return failExchange(state, exchange, "cross_site", out);
  leadOn(state, exchange, SIGN_IN, cookieOf(state, exchange, "", 0), out);
}

function refuseMethod(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  failExchange(state, exchange, "method_not_allowed", out, { headers: ["allow", "GET, HEAD, POST"] });
}

function leadOn(
  state: ServerState,
  exchange: Exchange,
  to: string,
  cookie: string,
  out: Outbox<ServerEffect>,
): void {
  const headers = [
    ...["location", urlOf(state, exchange, to), "set-cookie", cookie],
    ...["cache-control", "no-store", "content-length", "0"],
  ];
  respondWhole(state, exchange, { status: 303, headers, body: [] }, out);
  endExchange(state, exchange, "completed", out);
}

function cookieOf(state: ServerState, exchange: Exchange, value: string, maxAgeSeconds: number): string {
  const { request, route } = exchange;
  const { way, prefix } = route.forward;
  assert(way !== "query", "nobody signs in by a client id in the query");
  const { scheme, prefix: before } = visitorSite(request, state, "");
  const path = way === "host" ? "/" : `${before}${prefix}/`;
  const secure = scheme === "https" ? "; Secure" : "";
  const name = sessionCookieName(scheme, way);
  return `${name}=${value}; Path=${path}; Max-Age=${maxAgeSeconds}; HttpOnly${secure}; SameSite=Lax`;
}

function comesFromHome(state: ServerState, { request }: Exchange): boolean {
  return senderOf(request.headers, visitorSite(request, state, "")) === "own";
}

/** A path of the home as its visitor calls it. */
function urlOf(state: ServerState, { request, route }: Exchange, local: string): string {
  return `${visitorSite(request, state, "").prefix}${route.forward.prefix}${local}`;
}

/** One that leads to another origin in no browser's reading, which take a backslash for a slash. */
function safeTarget(to: string | undefined): string {
  const isPath = to?.startsWith("/") && !/^\/[/\\]/.test(to) && originForm(to) === to;
  return isPath && !to.startsWith("/.well-known/culvert/") ? to : "/";
}

function passwordHash(state: ServerState, access: Access): string {
  return state.config.sha256(accessText(access));
}

function respondPage(state: ServerState, exchange: Exchange, page: Page, out: Outbox<ServerEffect>): void {
  const body = exchange.request.method === "HEAD" ? [] : [page.body];
  respondWhole(state, exchange, { ...page, body }, out);
}
