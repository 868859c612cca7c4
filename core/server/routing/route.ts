/**
 * What a request asks for: the table of endpoints in protocol-moosicbox.md, and the homes' own names and paths, as a function
 * of the request alone. Control paths win over tunnelled ones with every method, so neither can shadow the other.
 */
import type { ExchangeOpened } from "../../events.ts";
import type { FailureCode } from "../../failure.ts";
import { bearerToken, type Shown, shownIn } from "../../http/authorization.ts";
import type { HeaderList } from "../../http/headers.ts";
import { asRead, headerValue, headerValues, withoutHeaders } from "../../http/headers.ts";
import { elementsOf } from "../../http/lists.ts";
import { parseOriginForm, queryValue } from "../../http/target.ts";
import type { ServerConfig } from "../config.ts";
import { type Access, parseAccess } from "./access.ts";
import { CLIENT_ID_REQUIRED, isClientId, type Place, placeOf } from "./place.ts";
import { isSignedPath } from "./signed-path.ts";

/** What opens the door to a route. */
export type Credential =
  | { readonly type: "none" }
  /** The operator's token. */
  | { readonly type: "access_token"; readonly token: string | null }
  | {
      readonly type: "client_access" | "signature";
      readonly clientId: string;
      readonly token: string | null;
    }
  /** What the home's access mode asks for, whichever that is. */
  | ({ readonly type: "home_access"; readonly clientId: string } & Shown);

export type RouteAction =
  | {
      readonly type: "failure";
      readonly code: FailureCode;
      readonly detail: string;
      readonly allow: string | null;
    }
  /** To a path of this server. */
  | { readonly type: "redirect"; readonly location: string }
  /** What this server is, for whoever named no home. */
  | { readonly type: "front_page" }
  | { readonly type: "health" }
  | { readonly type: "register_client"; readonly clientId: string }
  | { readonly type: "issue_signature"; readonly clientId: string }
  | { readonly type: "confirm_signature" }
  | { readonly type: "store_magic_token"; readonly clientId: string; readonly magicToken: string }
  /** The magic token itself says whose home it is and opens its door. */
  | { readonly type: "magic_login"; readonly magicToken: string }
  | { readonly type: "forward"; readonly clientId: string };

/** How a request names its home: `?clientId=`, the home's own host name, or `/t/CLIENT-ID/`. */
export type Way = "query" | "host" | "path";

/** What a tunnelled route sends to the home. */
export type Forward = {
  readonly way: Way;
  /** What of the path named the home; empty on the other ways. */
  readonly prefix: string;
  /** For the native protocol: in origin form, byte by byte as received, without what named the home; or `*`. */
  readonly target: string;
  /** For MoosicBox's protocol: the target's path without its leading slash. */
  readonly path: string;
  /** Decoded. Null where MoosicBox's protocol cannot carry the target: `*`, or a query that is not UTF-8. */
  readonly query: ReadonlyMap<string, string> | null;
  readonly profile: string | null;
  readonly blocking: boolean;
  /** Whether `Authorization` is meant for this server, unless the home is public. */
  readonly ownsAuthorization: boolean;
};

/** The forward of a route by `?clientId=`, whose query has been read. */
type QueryForward = Forward & { readonly query: ReadonlyMap<string, string> };

export type Route = {
  readonly action: RouteAction;
  readonly credential: Credential;
  readonly forward: Forward;
};

export type RouteConfig = Pick<ServerConfig, "domain" | "pathRouting" | "queryTokens">;

export function routeOf(request: ExchangeOpened, config: RouteConfig): Route {
  const place = placeOf(request, config);
  if (place.type === "nowhere") return refused("bad_request", place.detail);
  const { headers } = request;
  const mode = headerValue(headers, "culvert-response");
  if (mode !== undefined && mode !== "blocking" && mode !== "streaming") {
    const way = place.type === "home" ? place.way : "query";
    return refused("bad_request", "culvert-response is either streaming or blocking.", { way });
  }
  const blocking = mode === "blocking";
  if (place.type === "home") {
    // A WebSocket has no references.
    const isPage = place.elsewhere !== null && !request.upgrade;
    return isPage
      ? ownAnswer({ type: "redirect", location: place.elsewhere }, "path")
      : homeRoute(headers, place, blocking);
  }
  if (place.target === "/" && isGetOrHead(request)) return ownAnswer({ type: "front_page" }, "query");
  const target = parseOriginForm(place.target);
  if (target === null) return refused("bad_request", "The request target cannot be read.");
  const { path, query } = target;
  const profile = profileOf(query, headers);
  const shape = { way: "query", prefix: "", target: place.target, path, query, profile, blocking } as const;
  const forward: QueryForward = { ...shape, ownsAuthorization: true };
  const control = CONTROL_ROUTES.get(path);
  if (control !== undefined) return control(request, forward, config);
  const clientId = clientIdOf(query);
  if (clientId === null) return missingClientId();
  const action = { type: "forward", clientId } as const;
  if (!isSignedPath(request.method, path)) {
    const credential = { type: "client_access", clientId, token: bearerToken(headers) } as const;
    return { action, credential, forward };
  }
  const token = queryToken("signature", forward, headers, config);
  return {
    action,
    credential: { type: "signature", clientId, token },
    forward: { ...forward, ownsAuthorization: !config.queryTokens },
  };
}

/** The request's headers without what was meant for this server. `access` is the mode that the door was opened under. */
export function homeHeaders(route: Route, access: Access, headers: HeaderList): HeaderList {
  const { way, ownsAuthorization } = route.forward;
  const isPublic = way !== "query" && access.type === "public";
  const isSpent = ownsAuthorization && !isPublic;
  return withoutHeaders(headers, (name) => {
    return asRead(name).startsWith("culvert-") || (isSpent && name === "authorization");
  });
}

/** A request that is a home's own: whoever may come in is for the home to say, and so is everything else. */
function homeRoute(
  headers: HeaderList,
  place: Extract<Place, { readonly type: "home" }>,
  blocking: boolean,
): Route {
  const { clientId, way, prefix, target } = place;
  // With a field of our own for this door, `Authorization` is left for the home's.
  const ownsAuthorization = headerValue(headers, "culvert-authorization") === undefined;
  const shown = shownIn(headers, ownsAuthorization ? "authorization" : "culvert-authorization");
  const parsed = target === "*" ? null : parseOriginForm(target);
  const query = parsed?.query ?? null;
  const profile = profileOf(query ?? new Map(), headers);
  const path = parsed?.path ?? "";
  return {
    action: { type: "forward", clientId },
    credential: { type: "home_access", clientId, ...shown },
    forward: { way, prefix, target, path, query, profile, blocking, ownsAuthorization },
  };
}

type ControlRoute = (request: ExchangeOpened, forward: QueryForward, config: RouteConfig) => Route;

/** The paths that the server answers itself or gives a meaning of its own. */
const CONTROL_ROUTES: ReadonlyMap<string, ControlRoute> = new Map<string, ControlRoute>([
  ["health", routeHealth],
  ["ws", routeSocketPath],
  ["auth/register-client", (request, forward) => routeToken("register_client", request, forward)],
  ["auth/signature-token", (request, forward) => routeToken("issue_signature", request, forward)],
  ["auth/validate-signature-token", routeConfirmSignature],
  ["auth/magic-token", routeMagicToken],
]);

function routeHealth(request: ExchangeOpened, forward: QueryForward): Route {
  if (!isGetOrHead(request)) return methodNotAllowed("GET, HEAD");
  return { action: { type: "health" }, credential: { type: "none" }, forward };
}

function routeSocketPath(): Route {
  return refused("upgrade_required", "Connect to /ws as a WebSocket.");
}

/** Of a token that the server makes. */
function routeToken(
  type: "register_client" | "issue_signature",
  request: ExchangeOpened,
  forward: QueryForward,
): Route {
  if (!isPostOrHead(request)) return methodNotAllowed("POST, HEAD");
  const clientId = clientIdOf(forward.query);
  if (clientId === null) return missingClientId();
  const token = bearerToken(request.headers);
  const isFirst = type === "register_client";
  const credential = isFirst
    ? ({ type: "access_token", token } as const)
    : ({ type: "client_access", clientId, token } as const);
  return { action: { type, clientId }, credential, forward };
}

function routeConfirmSignature(request: ExchangeOpened, forward: QueryForward, config: RouteConfig): Route {
  if (!isPostOrHead(request)) return methodNotAllowed("POST, HEAD");
  const clientId = clientIdOf(forward.query);
  if (clientId === null) return missingClientId();
  const token = queryToken("signature", forward, request.headers, config);
  return {
    action: { type: "confirm_signature" },
    credential: { type: "signature", clientId, token },
    forward,
  };
}

function routeMagicToken(request: ExchangeOpened, forward: QueryForward, config: RouteConfig): Route {
  if (request.method === "GET") {
    const magicToken = queryToken("magicToken", forward, request.headers, config) ?? "";
    const { path } = forward;
    return {
      action: { type: "magic_login", magicToken },
      credential: { type: "none" },
      // Nothing but the magic token reaches the home: other query keys may be meant for this server.
      forward: {
        ...forward,
        target: `/${path}?magicToken=${encodeURIComponent(magicToken)}`,
        query: new Map([["magicToken", magicToken]]),
        ownsAuthorization: !config.queryTokens,
      },
    };
  }
  const magicToken = queryValue(forward.query, "magicToken") ?? "";
  if (request.method !== "POST") return methodNotAllowed("GET, POST");
  const clientId = clientIdOf(forward.query);
  if (clientId === null) return missingClientId();
  if (magicToken === "") return refused("bad_request", "A magicToken is required.");
  return {
    action: { type: "store_magic_token", clientId, magicToken },
    credential: { type: "client_access", clientId, token: bearerToken(request.headers) },
    forward,
  };
}

/** What a WebSocket handshake asks for. */
export type SocketRoute =
  | { readonly type: "failure"; readonly code: FailureCode; readonly detail: string }
  /** It is a home's: to be opened there, as an exchange. */
  | { readonly type: "forward" }
  | {
      readonly type: "tunnel";
      readonly clientId: string;
      readonly token: string | null;
      readonly profile: string | null;
      /** Who may visit the home by its own name. */
      readonly access: Access;
      /** The subprotocols that are offered, the preferred one first. */
      readonly protocols: readonly string[];
    }
  | {
      readonly type: "visitor";
      readonly clientId: string;
      readonly token: string | null;
      readonly profile: string | null;
    };

export function socketRouteOf(target: string, headers: HeaderList, config: RouteConfig): SocketRoute {
  const place = placeOf({ method: "GET", target, headers }, config);
  if (place.type === "nowhere") return socketFailure("bad_request", place.detail);
  if (place.type === "home") return { type: "forward" };
  const parsed = parseOriginForm(place.target);
  if (parsed === null) return socketFailure("bad_request", "The request target cannot be read.");
  const { path, query } = parsed;
  if (path !== "ws" && CONTROL_ROUTES.has(path)) {
    return socketFailure("bad_request", "This path takes no WebSocket. The server's own is /ws.");
  }
  const clientId = clientIdOf(query);
  if (clientId === null) return socketFailure("bad_request", CLIENT_ID_REQUIRED);
  if (path !== "ws") return { type: "forward" };
  const profile = profileOf(query, headers);
  const signature = queryValue(query, "signature");
  if (queryValue(query, "sender") !== "true") {
    const token = (config.queryTokens ? signature : undefined) ?? bearerToken(headers);
    return { type: "visitor", clientId, token, profile };
  }
  // Joined, several are none that could be meant.
  const said = headerValues(headers, "culvert-access");
  const access = parseAccess(said.length === 0 ? undefined : said.join(", "));
  if (access === null) {
    return socketFailure("bad_request", "Culvert-Access is token, public, or basic USER:HASH.");
  }
  // MoosicBox's agents can show it nowhere but in the query, and no browser keeps or tells where an agent went.
  const token = signature ?? bearerToken(headers);
  const protocols = elementsOf(headers, "sec-websocket-protocol");
  return { type: "tunnel", clientId, token, profile, access, protocols };
}

function socketFailure(code: FailureCode, detail: string): SocketRoute {
  return { type: "failure", code, detail };
}

function profileOf(query: ReadonlyMap<string, string>, headers: HeaderList): string | null {
  return queryValue(query, "moosicboxProfile") ?? headerValue(headers, "moosicbox-profile") ?? null;
}

function clientIdOf(query: ReadonlyMap<string, string>): string | null {
  const clientId = queryValue(query, "clientId");
  return clientId !== undefined && isClientId(clientId) ? clientId : null;
}

/** A token that MoosicBox's endpoints have in the query; in `Authorization` where the operator wants no token in a URL. */
function queryToken(
  name: "signature" | "magicToken",
  { query }: QueryForward,
  headers: HeaderList,
  { queryTokens }: RouteConfig,
): string | null {
  return queryTokens ? (queryValue(query, name) ?? null) : bearerToken(headers);
}

function isGetOrHead({ method }: ExchangeOpened): boolean {
  return method === "GET" || method === "HEAD";
}

function isPostOrHead({ method }: ExchangeOpened): boolean {
  return method === "POST" || method === "HEAD";
}

function missingClientId(): Route {
  return refused("bad_request", CLIENT_ID_REQUIRED);
}

function methodNotAllowed(allow: string): Route {
  return refused("method_not_allowed", `This path takes ${allow}.`, { allow });
}

function refused(
  code: FailureCode,
  detail: string,
  { allow = null, way = "query" }: { readonly allow?: string | null; readonly way?: Way } = {},
): Route {
  return ownAnswer({ type: "failure", code, detail, allow }, way);
}

/** For anybody, and about no home: not even whether there is one. */
function ownAnswer(action: RouteAction, way: Way): Route {
  return { action, credential: { type: "none" }, forward: { way, ...NOTHING } };
}

const NOTHING = {
  prefix: "",
  target: "/",
  path: "",
  query: null,
  profile: null,
  blocking: false,
  ownsAuthorization: true,
} as const;
