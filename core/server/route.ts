/**
 * What a request asks for: the table of endpoints in protocol-moosicbox.md as a function of the request alone.
 * Control paths win over tunnelled ones with every method, so neither can shadow the other.
 */
import type { ExchangeOpened } from "../events.ts";
import type { FailureCode } from "../failure.ts";
import type { HeaderList } from "../http/headers.ts";
import { headerValue, headerValues } from "../http/headers.ts";
import { parseTarget, queryValue } from "../http/target.ts";

/** What opens the door to a route. */
export type Credential =
  | { readonly type: "none" }
  /** The operator's token. */
  | { readonly type: "access_token"; readonly token: string | null }
  | {
      readonly type: "client_access" | "signature";
      readonly clientId: string;
      readonly token: string | null;
    };

export type RouteAction =
  | {
      readonly type: "failure";
      readonly code: FailureCode;
      readonly detail: string;
      readonly allow: string | null;
    }
  | { readonly type: "health" }
  | { readonly type: "register_client"; readonly clientId: string }
  | { readonly type: "issue_signature"; readonly clientId: string }
  | { readonly type: "confirm_signature" }
  | { readonly type: "store_magic_token"; readonly clientId: string; readonly magicToken: string }
  /** The magic token itself says whose home it is and opens its door. */
  | { readonly type: "magic_login"; readonly magicToken: string }
  | { readonly type: "forward"; readonly clientId: string };

/** What the request frame of a tunnelled route carries. */
export type Forward = {
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  readonly profile: string | null;
  readonly blocking: boolean;
};

export type Route = {
  readonly action: RouteAction;
  readonly credential: Credential;
  readonly forward: Forward;
};

export function routeOf(request: ExchangeOpened): Route {
  const target = parseTarget(request.target);
  if (target === null) return refused("bad_request", "The request target cannot be read.");
  const { path, query } = target;
  const mode = headerValue(request.headers, "culvert-response");
  const forward: Forward = {
    path,
    query,
    profile: profileOf(query, request.headers),
    blocking: mode === "blocking",
  };
  if (mode !== undefined && mode !== "blocking" && mode !== "streaming") {
    return refused("bad_request", "culvert-response is either streaming or blocking.");
  }
  const control = CONTROL_ROUTES.get(path);
  if (control !== undefined) return control(request, forward);
  const clientId = clientIdOf(query);
  if (clientId === null) return refused("bad_request", "A clientId of 1 to 64 characters is required.");
  const signed = isSignedPath(request.method, path);
  return {
    action: { type: "forward", clientId },
    credential: signed
      ? { type: "signature", clientId, token: queryValue(query, "signature") ?? null }
      : { type: "client_access", clientId, token: bearerToken(request.headers) },
    forward,
  };
}

/** The paths that the server answers itself or gives a meaning of its own. */
const CONTROL_ROUTES: ReadonlyMap<string, (request: ExchangeOpened, forward: Forward) => Route> = new Map([
  ["health", routeHealth],
  ["ws", routeSocketPath],
  ["auth/register-client", routeRegisterClient],
  ["auth/signature-token", routeIssueSignature],
  ["auth/validate-signature-token", routeConfirmSignature],
  ["auth/magic-token", routeMagicToken],
]);

function routeHealth(request: ExchangeOpened, forward: Forward): Route {
  if (request.method !== "GET" && request.method !== "HEAD") return methodNotAllowed("GET, HEAD");
  return { action: { type: "health" }, credential: { type: "none" }, forward };
}

function routeSocketPath(): Route {
  return refused("upgrade_required", "Connect to /ws as a WebSocket.");
}

function routeRegisterClient(request: ExchangeOpened, forward: Forward): Route {
  if (!isPostOrHead(request)) return methodNotAllowed("POST, HEAD");
  const clientId = clientIdOf(forward.query);
  if (clientId === null) return missingClientId();
  return {
    action: { type: "register_client", clientId },
    credential: { type: "access_token", token: bearerToken(request.headers) },
    forward,
  };
}

function routeIssueSignature(request: ExchangeOpened, forward: Forward): Route {
  if (!isPostOrHead(request)) return methodNotAllowed("POST, HEAD");
  const clientId = clientIdOf(forward.query);
  if (clientId === null) return missingClientId();
  return {
    action: { type: "issue_signature", clientId },
    credential: { type: "client_access", clientId, token: bearerToken(request.headers) },
    forward,
  };
}

function routeConfirmSignature(request: ExchangeOpened, forward: Forward): Route {
  if (!isPostOrHead(request)) return methodNotAllowed("POST, HEAD");
  const clientId = clientIdOf(forward.query);
  if (clientId === null) return missingClientId();
  return {
    action: { type: "confirm_signature" },
    credential: { type: "signature", clientId, token: queryValue(forward.query, "signature") ?? null },
    forward,
  };
}

function routeMagicToken(request: ExchangeOpened, forward: Forward): Route {
  const magicToken = queryValue(forward.query, "magicToken") ?? "";
  if (request.method === "GET") {
    return {
      action: { type: "magic_login", magicToken },
      credential: { type: "none" },
      // Nothing but the magic token reaches the home: other query keys may be meant for this server.
      forward: { ...forward, query: new Map([["magicToken", magicToken]]) },
    };
  }
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

/** The media paths, which elements of a page fetch without headers, are opened by the signature in the query. */
function isSignedPath(method: string, path: string): boolean {
  if (path === "files/track") return method === "GET" || method === "HEAD" || method === "OPTIONS";
  return (method === "GET" || method === "HEAD") && COVER_PATH.test(path);
}

const COVER_PATH = /^files\/(?:artists|albums)\/[^/]+\/[^/]+$/;

/** What a WebSocket handshake asks for. */
export type SocketRoute =
  | { readonly type: "failure"; readonly code: FailureCode; readonly detail: string }
  | {
      readonly type: "tunnel" | "visitor";
      readonly clientId: string;
      readonly token: string | null;
      readonly profile: string | null;
    };

export function socketRouteOf(target: string, headers: HeaderList): SocketRoute {
  const parsed = parseTarget(target);
  if (parsed === null) return socketFailure("bad_request", "The request target cannot be read.");
  const { path, query } = parsed;
  if (path !== "ws") {
    return socketFailure("bad_request", "The MoosicBox protocol carries no WebSocket but the one at /ws.");
  }
  const clientId = clientIdOf(query);
  if (clientId === null) return socketFailure("bad_request", "A clientId of 1 to 64 characters is required.");
  return {
    type: queryValue(query, "sender") === "true" ? "tunnel" : "visitor",
    clientId,
    token: queryValue(query, "signature") ?? null,
    profile: profileOf(query, headers),
  };
}

function socketFailure(code: FailureCode, detail: string): SocketRoute {
  return { type: "failure", code, detail };
}

function profileOf(query: ReadonlyMap<string, string>, headers: HeaderList): string | null {
  return queryValue(query, "moosicboxProfile") ?? headerValue(headers, "moosicbox-profile") ?? null;
}

/** Any text is plain data as a client id, as long as the registry can keep it and a log line can show it. */
function clientIdOf(query: ReadonlyMap<string, string>): string | null {
  const clientId = queryValue(query, "clientId");
  if (clientId === undefined || clientId === "" || codePoints(clientId) > CLIENT_ID_LENGTH_MAX) return null;
  return CONTROL_CHARACTER.test(clientId) || !clientId.isWellFormed() ? null : clientId;
}

/** What the registry's column counts as characters (protocol-moosicbox.md, MySQL tables). */
export const CLIENT_ID_LENGTH_MAX = 64;

function codePoints(text: string): number {
  // A long text is not worth spreading out to be counted: it has at least half as many code points as units.
  return text.length > 2 * CLIENT_ID_LENGTH_MAX ? text.length : [...text].length;
}

const CONTROL_CHARACTER = /\p{Cc}/u;

/**
 * The token of `Authorization`, as `Bearer TOKEN` or, as deployed agents send it, bare. Null where there is none, where
 * it is of another scheme, or where two fields leave open which one counts.
 */
function bearerToken(headers: HeaderList): string | null {
  const values = headerValues(headers, "authorization");
  const value = values[0]?.trim();
  if (values.length !== 1 || value === undefined || value === "") return null;
  const space = value.indexOf(" ");
  if (space < 0) return value.toLowerCase() === "bearer" ? null : value;
  if (value.slice(0, space).toLowerCase() !== "bearer") return null;
  const token = value.slice(space + 1).trim();
  return token === "" || token.includes(" ") ? null : token;
}

function isPostOrHead(request: ExchangeOpened): boolean {
  return request.method === "POST" || request.method === "HEAD";
}

function missingClientId(): Route {
  return refused("bad_request", "A clientId of 1 to 64 characters is required.");
}

function methodNotAllowed(allow: string): Route {
  return refused("method_not_allowed", `This path takes ${allow}.`, allow);
}

function refused(code: FailureCode, detail: string, allow: string | null = null): Route {
  return {
    action: { type: "failure", code, detail, allow },
    credential: { type: "none" },
    forward: { path: "", query: new Map(), profile: null, blocking: false },
  };
}
