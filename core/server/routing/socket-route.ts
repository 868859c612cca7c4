/** What a WebSocket handshake asks for. */
import type { FailureCode } from "../../failure.ts";
import { bearerToken } from "../../http/authorization.ts";
import { type HeaderList, headerValues } from "../../http/headers.ts";
import { elementsOf } from "../../http/lists.ts";
import { parseOriginForm, queryValue } from "../../http/target.ts";
import { type Access, parseAccess, TOKEN_ACCESS } from "./access.ts";
import { CONTROL_ROUTES } from "./control.ts";
import { CLIENT_ID_REQUIRED, placeOf } from "./place.ts";
import { clientIdOf, profileOf, type RouteConfig } from "./shape.ts";

export type SocketRoute =
  | { readonly type: "failure"; readonly code: FailureCode; readonly detail: string }
  /** It is a home's: to be opened there, as an exchange. */
  | { readonly type: "forward" }
  | {
      readonly type: "tunnel";
      readonly clientId: string;
      readonly token: string | null;
      /** What the token is shown as: Culvert's own agents show their client token, MoosicBox's a signature. */
      readonly shownAs: "client_token" | "signature";
      /** Who may visit the home by its own name: who comes with a signature cannot say. */
      readonly access: Access;
      /** Which process of its agent it is of; null where the agent does not say. */
      readonly instance: string | null;
      /** The names of nodes that this process has links to already. */
      readonly linked: readonly string[];
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
  const { path, query } = parseOriginForm(place.target);
  if (path !== "ws" && CONTROL_ROUTES.has(path)) {
    return socketFailure("bad_request", "This path takes no WebSocket. The server's own is /ws.");
  }
  const clientId = clientIdOf(query);
  if (clientId === null) return socketFailure("bad_request", CLIENT_ID_REQUIRED);
  if (path !== "ws") return { type: "forward" };
  const signature = queryValue(query, "signature");
  if (queryValue(query, "sender") !== "true") {
    const token = (config.queryTokens ? signature : undefined) ?? bearerToken(headers);
    return { type: "visitor", clientId, token, profile: profileOf(query, headers) };
  }
  // Joined, several are none that could be meant.
  const said = headerValues(headers, "culvert-access");
  const access = parseAccess(said.length === 0 ? undefined : said.join(", "));
  if (access === null) {
    return socketFailure("bad_request", "Culvert-Access is token, public, or basic USER:HASH.");
  }
  const instances = headerValues(headers, "culvert-instance");
  const [instance = null] = instances;
  if (instances.length > 1 || (instance !== null && !INSTANCE.test(instance))) {
    return socketFailure("bad_request", "Culvert-Instance is 16 to 64 lower-case hex digits.");
  }
  const protocols = elementsOf(headers, "sec-websocket-protocol");
  if (signature === undefined) {
    const token = bearerToken(headers);
    const linked = elementsOf(headers, "culvert-linked");
    return { type: "tunnel", clientId, token, shownAs: "client_token", access, instance, linked, protocols };
  }
  // MoosicBox's agents can show it nowhere but in the query. It stands in links that are shared, so it opens no home to others.
  return {
    type: "tunnel",
    clientId,
    token: signature,
    shownAs: "signature",
    access: TOKEN_ACCESS,
    instance: null,
    linked: [],
    protocols,
  };
}

const INSTANCE = /^[0-9a-f]{16,64}$/;

function socketFailure(code: FailureCode, detail: string): SocketRoute {
  return { type: "failure", code, detail };
}
