/** What a visit sends: target, headers and body of its operation, with the credentials of the simulated world. */
import { fakeSalted, fakeSha256, isFakeSalted, tokenNamed } from "../tools/hash.ts";
import { FORWARDINGS, PEERS } from "./forwarding.ts";
import { requestBodyOf } from "./model.ts";
import { type Known, oddHead } from "./odd-requests.ts";
import { OTHER_ORIGIN, PLAYER_ORIGIN, withQuirk } from "./quirks.ts";
import type { RequestHead } from "./request-head.ts";
import type { Credential, HomeSpec, Scenario, VisitOperation } from "./scenario.ts";
import { cookieField, signedBy } from "./session.ts";

/** Homes have names below this one. */
export const DOMAIN = "tunnel.example";

/** Below it are names that a server gives to homes beside those of the domain. */
export const OWN_DOMAIN = "own.example";

/** A name of its own; null where the server gives it none. */
export function ownNameOf({ clientId, isNamed }: HomeSpec): string | null {
  return isNamed === true ? `${clientId}.${OWN_DOMAIN}` : null;
}

/** The name that its agent asks for: its own, or in vain the one of somebody else; null where it asks for none. */
export function askedNameOf(home: HomeSpec): string | null {
  return ownNameOf(home) ?? (home.hostHeader === "visitor" ? `another.${OWN_DOMAIN}` : null);
}
/** The operator's token. */
export const ACCESS_TOKEN = tokenNamed("access");
const WRONG_TOKEN = tokenNamed("wrong");
/** A client id that is registered and belongs to no home of the run. */
export const STRANGER = "stranger";

export function clientTokenOf(clientId: string): string {
  return tokenNamed(`client:${clientId}`);
}

export function signatureTokenOf(clientId: string): string {
  return tokenNamed(`signature:${clientId}`);
}

/** What its agent made for visitors. */
export function visitorTokenOf(clientId: string): string {
  return tokenNamed(`visitor:${clientId}`);
}

/** Of each home. */
export const SPARE_SIGNATURES = 3;

/** A signature that nobody has used yet; each number is another one. */
export function spareSignatureOf(clientId: string, number: number): string {
  return tokenNamed(`spare:${number}:${clientId}`);
}

export function inviteOf(clientId: string): string {
  return tokenNamed(`invite:${clientId}`);
}

/** A model agent's own, which opens no media. */
export function tunnelSignatureOf(clientId: string): string {
  return tokenNamed(`tunnel:${clientId}`);
}

export function expiredTokenOf(clientId: string): string {
  return tokenNamed(`expired:${clientId}`);
}

/** The magic token that a visit stores, and that the visit after it uses. */
export function magicTokenOf(visit: number): string {
  return tokenNamed(`magic:${visit}`);
}

export function tokenOf(scenario: Scenario, home: number, credential: Credential): string {
  const { homes } = scenario;
  const clientId = homes[home]?.clientId ?? "";
  switch (credential) {
    case "client":
    case "bare":
      return clientTokenOf(clientId);
    case "visitor":
      return visitorTokenOf(clientId);
    case "signature":
      return signatureTokenOf(clientId);
    case "access":
      return ACCESS_TOKEN;
    case "foreign":
      return clientTokenOf(homes.length > 1 ? (homes[(home + 1) % homes.length]?.clientId ?? "") : STRANGER);
    case "expired":
      return expiredTokenOf(clientId);
    case "wrong":
      return WRONG_TOKEN;
    case "none":
      return "";
  }
}

export function requestOf(scenario: Scenario, visit: VisitOperation): RequestHead {
  const { request } = visit;
  if (request.odd !== undefined) return oddHead(request.odd, knownTo(scenario, visit.home));
  const token = tokenOf(scenario, visit.home, request.credential);
  const home = scenario.homes[visit.home];
  const host = request.way === "host" ? hostFor(visit, home) : DOMAIN;
  const headers = ["host", host, "accept", "*/*"];
  const cookie = cookieOf(visit, home, token);
  if (cookie !== null) headers.push("cookie", cookie);
  const shown = cookie === null ? shownBy(visit, home, token) : "";
  // A home by its own name leaves `Authorization` to the home's service where the visitor shows the token elsewhere.
  const isLogin = request.quirks?.includes("bound_login") === true;
  const isApart = request.way !== undefined && (isLogin || visit.id % 3 === 0);
  if (isApart && isLogin) headers.push("authorization", `NTLM ${visit.id}`);
  if (shown !== "") headers.push(isApart ? "culvert-authorization" : "authorization", shown);
  if (request.upgrade === true) headers.push(...UPGRADE_HEADERS);
  if (request.range !== null) headers.push("range", `bytes=${request.range.first}-${request.range.last}`);
  if (request.blocking) headers.push("culvert-response", "blocking");
  if (request.acceptEncoding !== "") headers.push("accept-encoding", request.acceptEncoding);
  if (request.endpoint === "preflight") {
    const origin = visit.id % 4 === 0 ? OTHER_ORIGIN : PLAYER_ORIGIN;
    headers.push("origin", origin, "access-control-request-method", "GET");
  }
  const body = request.upgrade === true ? null : bodyOf(visit);
  if (body !== null) {
    headers.push("content-type", "application/json");
    if (request.expects === true) headers.push("expect", "100-continue");
    if (request.trailers === true) headers.push("transfer-encoding", "chunked", "trailer", "x-end");
    else if (isChunked(visit)) headers.push("transfer-encoding", "chunked");
    else headers.push("content-length", String(body.length));
  }
  const head: RequestHead = {
    method: request.method,
    target: targetOf(scenario, visit, request.credential === "signature" ? token : ""),
    headers,
    hasBody: body !== null,
    ...(request.upgrade === true ? { upgrade: true } : {}),
    ...(request.expects === true && body !== null ? { expectsContinue: true } : {}),
  };
  const odd = (request.quirks ?? []).reduce(withQuirk, head);
  return request.quirks?.includes("forwarded") === true ? forwarded(odd, visit.id) : odd;
}

function isChunked({ request: { quirks = [] }, connection }: VisitOperation): boolean {
  // HTTP/1.0 has no chunks (RFC 9112 section 6.1).
  if (connection?.old === true) return false;
  return connection?.chunkBytesMax !== undefined || quirks.includes("empty_body");
}

const UPGRADE_HEADERS = [
  "connection",
  "Upgrade",
  "upgrade",
  "websocket",
  "sec-websocket-version",
  "13",
  "sec-websocket-key",
  "AAAAAAAAAAAAAAAAAAAAAA==",
];

function forwarded(head: RequestHead, id: number): RequestHead {
  const fields = FORWARDINGS[(id >> 1) % FORWARDINGS.length] ?? [];
  return {
    ...head,
    headers: [...head.headers, ...fields],
    peer: PEERS[(id >> 1) % PEERS.length] ?? PEERS[0],
  };
}

/** By each of its names some come. */
function hostFor({ id }: VisitOperation, home: HomeSpec | undefined): string {
  const own = home === undefined ? null : ownNameOf(home);
  return own !== null && id % 2 === 0 ? own : `${home?.clientId}.${DOMAIN}`;
}

/** Null where the visit shows its credential otherwise. A home with another access gets a cookie beside that. */
function cookieOf({ request }: VisitOperation, home: HomeSpec | undefined, token: string): string | null {
  const { quirks = [], credential, way } = request;
  if (!quirks.includes("by_cookie") || way === undefined || home === undefined || token === "") return null;
  if (home.access === "basic" || credential === "signature") return null;
  // From a page of another origin a cookie opens nothing.
  if (quirks.includes("origin")) return null;
  // Whoever has stolen the database knows the hash of a good token.
  const isForged = credential === "wrong";
  const tokenHash = fakeSha256(isForged ? clientTokenOf(home.clientId) : token);
  return cookieField(tokenHash, home.clientId, signedBy(isForged ? "forger" : ACCESS_TOKEN));
}

/** What the visit shows to be let in, as a field's value; empty for nothing. */
function shownBy({ request }: VisitOperation, home: HomeSpec | undefined, token: string): string {
  if (token === "" || request.credential === "signature") return "";
  if (request.credential === "bare") return token;
  if (request.way === undefined || home?.access !== "basic") return `Bearer ${token}`;
  const isKnown = request.credential === "client" || request.credential === "visitor";
  const password = isKnown ? passwordOf(home.clientId) : token;
  return `Basic ${btoa(`${VISITOR_NAME}:${password}`)}`;
}

/** What follows a request body that has trailers. */
export const REQUEST_TRAILERS = ["x-end", "sum", "X-End", "again"] as const;

/** `Culvert-Access` of the home's agent. */
export function accessOf({ clientId, access }: HomeSpec): string {
  if (access !== "basic") return access ?? "token";
  const password = passwordOf(clientId);
  const digits = fakeSha256(clientId);
  // Some agents are older than salted hashes.
  const isOld = Number.parseInt(digits.slice(-1), 16) % 2 === 0;
  const hash = isOld ? fakeSha256(`${VISITOR_NAME}:${password}`) : fakeSalted(password, digits.slice(0, 22));
  return `basic ${VISITOR_NAME}:${hash}`;
}

/** Asks for the same password with another salt; as before where it asks for none. */
export function saltedAnew({ clientId }: HomeSpec, access: string, salt: string): string {
  if (!access.startsWith("basic ")) return access;
  return `basic ${VISITOR_NAME}:${fakeSalted(passwordOf(clientId), fakeSha256(salt).slice(0, 22))}`;
}

/** Whether `USER:PASSWORD`, as somebody showed it, is what such an access asks for. */
export function isPasswordOf(access: string, shown: string): boolean {
  const [, name = "", hash = ""] = /^basic ([^:]+):(.+)$/.exec(access) ?? [];
  if (!hash.startsWith("scrypt.")) return hash === fakeSha256(shown);
  const colon = shown.indexOf(":");
  return shown.slice(0, colon) === name && isFakeSalted(shown.slice(colon + 1), hash);
}

const VISITOR_NAME = "visitor";

/** What a browser shows where a home asks for a password. */
export function passwordFieldOf({ clientId }: HomeSpec, isRight: boolean): string {
  const password = isRight ? passwordOf(clientId) : WRONG_TOKEN;
  return `Basic ${btoa(`${VISITOR_NAME}:${password}`)}`;
}

/** Another home's, where there is one, or nobody's. */
export function wrongTokenOf(clientId: string): string {
  return clientId === "home0" ? WRONG_TOKEN : visitorTokenOf("home0");
}

function passwordOf(clientId: string): string {
  return tokenNamed(`password:${clientId}`);
}

function knownTo(scenario: Scenario, home: number): Known {
  return {
    clientId: scenario.homes[home]?.clientId ?? "",
    clientToken: tokenOf(scenario, home, "client"),
    signature: tokenOf(scenario, home, "signature"),
    accessToken: ACCESS_TOKEN,
  };
}

/** The request body as text of one byte per character; null for none. */
export function bodyOf(visit: VisitOperation): string | null {
  if (visit.request.endpoint === "not_json") return NOT_JSON[(visit.id >> 1) % NOT_JSON.length] ?? "";
  return visit.request.quirks?.includes("empty_body") ? "" : requestBodyOf(visit);
}

/** No JSON, or no UTF-8: overlong, a surrogate, above the last character, cut, or begun in the middle. */
const NOT_JSON = [
  "this is not JSON",
  '{"cut":',
  '"\xc0\xaf"',
  '"\xe0\x80\xaf"',
  '"\xed\xa0\x80"',
  '"\xf4\x90\x80\x80"',
  '"\xf8\x88\x80\x80\x80"',
  '"\xe2\x82',
  '"\xe2\x41\x82"',
  '"\x80"',
];

/** Finds the visit that a request to a home belongs to as the home finds it: by the target alone. */
export class VisitIndex {
  readonly #byId = new Map<number, VisitOperation>();
  readonly #byMagic = new Map<string, VisitOperation>();

  add(visit: VisitOperation): void {
    this.#byId.set(visit.id, visit);
    if (visit.request.endpoint === "magic_token_use") this.#byMagic.set(magicTokenOf(visit.id - 1), visit);
  }

  find(target: string): VisitOperation | null {
    const id = /[?&]visit=(\d+)/.exec(target)?.[1];
    if (id !== undefined) return this.#byId.get(Number(id)) ?? null;
    const magic = /[?&]magicToken=([^&]+)/.exec(target)?.[1];
    return (magic === undefined ? undefined : this.#byMagic.get(magic)) ?? null;
  }
}

/** One of them has an origin of its own at the home, and another one's name begins like that one's. */
function shelfOf({ id }: VisitOperation): string {
  return `/library/${SHELVES[id % SHELVES.length] ?? 0}`;
}

const SHELVES = [0, 1, 2, 3, 4, 5, 30];

function targetOf(scenario: Scenario, visit: VisitOperation, signature: string): string {
  const clientId = scenario.homes[visit.home]?.clientId ?? "";
  const who = `clientId=${clientId}`;
  const signed = signature === "" ? "" : `&signature=${signature}`;
  switch (visit.request.endpoint) {
    case "tunnel":
      if (visit.request.way === "host") return `${shelfOf(visit)}?visit=${visit.id}`;
      if (visit.request.way === "path") return `/t/${clientId}${shelfOf(visit)}?visit=${visit.id}`;
      return `${shelfOf(visit)}?visit=${visit.id}&${who}${signed}`;
    case "preflight":
    case "not_json":
      return `${shelfOf(visit)}?visit=${visit.id}&${who}${signed}`;
    case "track":
      return `/files/track?${who}${signed}&visit=${visit.id}`;
    case "health":
      return "/health";
    case "register":
      return `/auth/register-client?${who}`;
    case "signature_token":
      return `/auth/signature-token?${who}`;
    case "validate_signature":
      return `/auth/validate-signature-token?${who}${signed}`;
    case "magic_token_store":
      return `/auth/magic-token?${who}&magicToken=${magicTokenOf(visit.id)}`;
    case "magic_token_use":
      return `/auth/magic-token?magicToken=${magicTokenOf(visit.id - 1)}&then=player`;
    case "bad_target":
      return `/library?visit=${visit.id}&${who}#fragment`;
    case "no_client_id":
    case "odd":
      return `/library?visit=${visit.id}`;
  }
}
