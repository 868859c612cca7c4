/** The paths that the server answers itself or gives a meaning of its own: which request asks for what. */
import type { ExchangeOpened } from "../../events.ts";
import { bearerToken } from "../../http/authorization.ts";
import { queryValue } from "../../http/target.ts";
import { isStorableName } from "./place.ts";
import {
  clientIdOf,
  isGetOrHead,
  isPostOrHead,
  methodNotAllowed,
  missingClientId,
  type QueryForward,
  queryToken,
  type Route,
  type RouteConfig,
  refused,
} from "./shape.ts";

type ControlRoute = (request: ExchangeOpened, forward: QueryForward, config: RouteConfig) => Route;

export const CONTROL_ROUTES: ReadonlyMap<string, ControlRoute> = new Map<string, ControlRoute>([
  ["health", routeHealth],
  ["ws", routeSocketPath],
  ["auth/register-client", routeRegisterClient],
  ["auth/signature-token", routeIssueSignature],
  ["auth/validate-signature-token", routeConfirmSignature],
  ["auth/magic-token", routeMagicToken],
  ["auth/visitor-tokens", routeVisitorTokens],
]);

function routeHealth(request: ExchangeOpened, forward: QueryForward): Route {
  if (!isGetOrHead(request)) return methodNotAllowed("GET, HEAD");
  return { action: { type: "health" }, credential: { type: "none" }, forward };
}

function routeSocketPath(): Route {
  return refused("upgrade_required", "Connect to /ws as a WebSocket.");
}

function routeRegisterClient(request: ExchangeOpened, forward: QueryForward): Route {
  if (!isPostOrHead(request)) return methodNotAllowed("POST, HEAD");
  const clientId = clientIdOf(forward.query);
  if (clientId === null) return missingClientId();
  return {
    action: { type: "register_client", clientId },
    credential: { type: "registration", clientId, token: bearerToken(request.headers) },
    forward,
  };
}

function routeIssueSignature(request: ExchangeOpened, forward: QueryForward): Route {
  if (!isPostOrHead(request)) return methodNotAllowed("POST, HEAD");
  const clientId = clientIdOf(forward.query);
  if (clientId === null) return missingClientId();
  return {
    action: { type: "issue_signature", clientId },
    credential: { type: "agent", clientId, token: bearerToken(request.headers) },
    forward,
  };
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
    credential: { type: "agent", clientId, token: bearerToken(request.headers) },
    forward,
  };
}

function routeVisitorTokens(request: ExchangeOpened, forward: QueryForward): Route {
  const { method, headers } = request;
  if (method !== "GET" && method !== "POST" && method !== "DELETE") {
    return methodNotAllowed("GET, POST, DELETE");
  }
  const clientId = clientIdOf(forward.query);
  if (clientId === null) return missingClientId();
  const credential = { type: "agent", clientId, token: bearerToken(headers) } as const;
  if (method === "GET") return { action: { type: "list_visitor_tokens", clientId }, credential, forward };
  const name = queryValue(forward.query, "name") ?? "";
  if (!isStorableName(name)) return refused("bad_request", "A name of 1 to 64 characters is required.");
  if (method === "DELETE") {
    return { action: { type: "revoke_visitor_token", clientId, name }, credential, forward };
  }
  const lifetime = queryValue(forward.query, "lifetimeSeconds");
  if (lifetime !== undefined && !LIFETIME.test(lifetime)) {
    return refused("bad_request", "lifetimeSeconds is a whole number of seconds, at most nine digits long.");
  }
  const lifetimeMs = lifetime === undefined ? null : Number(lifetime) * 1000;
  return { action: { type: "create_visitor_token", clientId, name, lifetimeMs }, credential, forward };
}

const LIFETIME = /^[1-9]\d{0,8}$/;
