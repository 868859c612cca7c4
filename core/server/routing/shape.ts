/** What routes are made of, and what all of them read alike. */
import type { ExchangeOpened } from "../../events.ts";
import type { FailureCode } from "../../failure.ts";
import { bearerToken, type Shown } from "../../http/authorization.ts";
import { type HeaderList, headerValue } from "../../http/headers.ts";
import { queryValue } from "../../http/target.ts";
import type { ServerConfig } from "../config.ts";
import { CLIENT_ID_REQUIRED, isClientId } from "./place.ts";

/** What opens the door to a route. */
export type Credential =
  | { readonly type: "none" }
  /** The operator's token, or what registers that one client id: a client token of it, or an invite. */
  | { readonly type: "registration"; readonly clientId: string; readonly token: string | null }
  | TokenCredential
  /** What the home's access mode asks for, whichever that is. */
  | ({ readonly type: "home_access"; readonly clientId: string } & Shown);

/** A token that the registry is asked about. */
export type TokenCredential = {
  readonly type: TokenDoor;
  readonly clientId: string;
  readonly token: string | null;
};

/**
 * What asks for a token. `agent`: what is the agent's own to do, which takes the client token. `visitor`: a way into the home,
 * which takes that or a visitor token. `media`: the paths that take a signature. `signature`: whether it is one.
 */
export type TokenDoor = "agent" | "visitor" | "media" | "signature";

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
  | {
      readonly type: "create_visitor_token";
      readonly clientId: string;
      readonly name: string;
      readonly lifetimeMs: number | null;
    }
  | { readonly type: "list_visitor_tokens"; readonly clientId: string }
  | { readonly type: "revoke_visitor_token"; readonly clientId: string; readonly name: string }
  /** The magic token itself says whose home it is and opens its door. */
  | { readonly type: "magic_login"; readonly magicToken: string }
  | { readonly type: "forward"; readonly clientId: string }
  /** A token was posted for a cookie. `to` is the path of the home that is shown then. */
  | { readonly type: "sign_in"; readonly clientId: string; readonly to: string };

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
  readonly profile: string | null;
  readonly blocking: boolean;
  /** Whether `Authorization` is meant for this server, unless the home is public. */
  readonly ownsAuthorization: boolean;
};

/** The forward of a route by `?clientId=`, with the query as the server reads it. */
export type QueryForward = Forward & { readonly query: ReadonlyMap<string, string> };

export type Route = {
  readonly action: RouteAction;
  readonly credential: Credential;
  readonly forward: Forward;
};

export type RouteConfig = Pick<ServerConfig, "domain" | "hostnames" | "pathRouting" | "queryTokens">;

export function profileOf(query: ReadonlyMap<string, string>, headers: HeaderList): string | null {
  return queryValue(query, "moosicboxProfile") ?? headerValue(headers, "moosicbox-profile") ?? null;
}

export function clientIdOf(query: ReadonlyMap<string, string>): string | null {
  const clientId = queryValue(query, "clientId");
  return clientId !== undefined && isClientId(clientId) ? clientId : null;
}

/** A token that MoosicBox's endpoints have in the query; in `Authorization` where the operator wants no token in a URL. */
export function queryToken(
  name: "signature" | "magicToken",
  { query }: QueryForward,
  headers: HeaderList,
  { queryTokens }: RouteConfig,
): string | null {
  return queryTokens ? (queryValue(query, name) ?? null) : bearerToken(headers);
}

export function isGetOrHead({ method }: ExchangeOpened): boolean {
  return method === "GET" || method === "HEAD";
}

export function isPostOrHead({ method }: ExchangeOpened): boolean {
  return method === "POST" || method === "HEAD";
}

export function missingClientId(): Route {
  return refused("bad_request", CLIENT_ID_REQUIRED);
}

export function methodNotAllowed(allow: string): Route {
  return refused("method_not_allowed", `This path takes ${allow}.`, { allow });
}

export function refused(
  code: FailureCode,
  detail: string,
  { allow = null, way = "query" }: { readonly allow?: string | null; readonly way?: Way } = {},
): Route {
  return ownAnswer({ type: "failure", code, detail, allow }, way);
}

/** For anybody, and about no home: not even whether there is one. */
export function ownAnswer(action: RouteAction, way: Way): Route {
  return { action, credential: { type: "none" }, forward: { way, ...NOTHING } };
}

const NOTHING = {
  prefix: "",
  target: "/",
  path: "",
  profile: null,
  blocking: false,
  ownsAuthorization: true,
} as const;
