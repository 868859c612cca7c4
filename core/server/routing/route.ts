/**
 * What a request asks for: the table of endpoints in protocol-moosicbox.md, and the homes' own names and paths, as a function
 * of the request alone. Control paths win over tunnelled ones with every method, so neither can shadow the other.
 */
import { withoutCookies } from "../../browser/cookies.ts";
import type { ExchangeOpened } from "../../events.ts";
import { bearerToken, shownIn } from "../../http/authorization.ts";
import { asRead, type HeaderList, headerValue, withoutHeaders } from "../../http/headers.ts";
import { parseOriginForm } from "../../http/target.ts";
import type { Access } from "./access.ts";
import { CONTROL_ROUTES } from "./control.ts";
import { type Place, placeOf } from "./place.ts";
import { isSessionCookie } from "./session-cookie.ts";
import {
  clientIdOf,
  isGetOrHead,
  missingClientId,
  ownAnswer,
  profileOf,
  type QueryForward,
  queryToken,
  type Route,
  type RouteConfig,
  refused,
} from "./shape.ts";
import { isSignedPath } from "./signed-path.ts";

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
  const { path, query } = parseOriginForm(place.target);
  const profile = profileOf(query, headers);
  const shape = { way: "query", prefix: "", target: place.target, path, profile, blocking } as const;
  const forward: QueryForward = { ...shape, query, ownsAuthorization: true };
  const control = CONTROL_ROUTES.get(path);
  if (control !== undefined) return control(request, forward, config);
  const clientId = clientIdOf(query);
  if (clientId === null) return missingClientId();
  const action = { type: "forward", clientId } as const;
  if (!isSignedPath(request.method, path)) {
    const credential = { type: "visitor", clientId, token: bearerToken(headers) } as const;
    return { action, credential, forward };
  }
  const token = queryToken("signature", forward, headers, config);
  return {
    action,
    credential: { type: "media", clientId, token },
    forward: { ...forward, ownsAuthorization: !config.queryTokens },
  };
}

/** Whether `Authorization` was meant for this server: then it is not passed on. `access` is the mode that the door was opened under. */
export function spendsAuthorization({ forward: { way, ownsAuthorization } }: Route, access: Access): boolean {
  const isPublic = way !== "query" && access.type === "public";
  return ownsAuthorization && !isPublic;
}

/** The request's headers without what was meant for this server. */
export function homeHeaders(headers: HeaderList, passesAuthorization: boolean): HeaderList {
  const kept = withoutHeaders(headers, (name) => {
    return asRead(name).startsWith("culvert-") || (!passesAuthorization && name === "authorization");
  });
  return withoutCookies(kept, isSessionCookie);
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
  const { path, query } = parseOriginForm(target === "*" ? "/" : target);
  const profile = profileOf(query, headers);
  return {
    action: { type: "forward", clientId },
    credential: { type: "home_access", clientId, ...shown },
    forward: { way, prefix, target, path, profile, blocking, ownsAuthorization },
  };
}
