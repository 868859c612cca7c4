/** What is unusual about a tunnelled request or a visitor socket, each under a name that a scenario lists. */
import type { RequestHead } from "./request-head.ts";

/** Changes how a tunnelled request is put, and nothing of what it comes to. */
export type RequestQuirk =
  | "accepts_html"
  | "accepts_nothing"
  | "weighs_oddly"
  | "absolute_target"
  | "spelled_otherwise"
  | "more_query"
  /** It asks in UTF-8 as it is, without escapes. */
  | "raw_target"
  | "profile_in_header"
  | "profile_in_query"
  | "origin"
  | "if_range"
  /** Of the media paths: a cover in place of a track. */
  | "cover"
  /** Its body is announced and then empty. */
  | "empty_body"
  /** Its body is JSON with characters of two, three and four bytes, and escapes. */
  | "wide_body"
  /** Its body is a number, which may end anywhere, and comes in small pieces. */
  | "number_body"
  /** Its body is bytes of any kind. */
  | "raw_body"
  /** Fields that come twice, in capitals, and with characters beyond ASCII. */
  | "list_headers"
  /** A field that the agent may be set up to send itself. */
  | "agents_field"
  /** A field of some kilobytes. */
  | "long_header"
  /** It shows the home's service a login of the kind that is bound to its connection. */
  | "bound_login"
  /** It has fields that only Culvert itself may set. */
  | "speaks_as_culvert"
  /** Shows the cookie of a sign-in in place of its token: a forged one, where that would be a wrong one. */
  | "by_cookie"
  /** It names the place that it asks for in other fields, too. */
  | "names_places"
  /** It says that it comes by way of proxies. */
  | "forwarded"
  /** It comes over a connection that was there before the server began to drain. */
  | "kept_connection";

export const TUNNEL_QUIRKS = [
  "accepts_html",
  "accepts_nothing",
  "weighs_oddly",
  "absolute_target",
  "spelled_otherwise",
  "more_query",
  "raw_target",
  "profile_in_header",
  "profile_in_query",
  "origin",
  "if_range",
  "kept_connection",
  "speaks_as_culvert",
] as const satisfies readonly RequestQuirk[];

/** The origin of pages that may read answers, where a run allows one only. */
export const PLAYER_ORIGIN = "https://player.example";
export const OTHER_ORIGIN = "https://other.example";

export function withQuirk(head: RequestHead, quirk: RequestQuirk): RequestHead {
  const { headers, target } = head;
  switch (quirk) {
    case "accepts_html":
      return {
        ...head,
        headers: [...without(headers, "accept"), "accept", "text/html,application/json;q=0.5"],
      };
    case "accepts_nothing":
      return { ...head, headers: without(headers, "accept") };
    case "weighs_oddly":
      return {
        ...head,
        headers: [...headers, "accept-encoding", "gzip;q=0.5;x=1, ;q=1, br;q=2, x-gzip, *;q=0"],
      };
    case "absolute_target":
      return { ...head, target: `http://tunnel.example${target}` };
    case "spelled_otherwise":
      return {
        ...head,
        target: target.replace("clientId=", "CLIENTID=").replace("signature=", "Signature="),
      };
    case "more_query":
      return {
        ...head,
        target: `${target}&&bare&two+words=%C3%A9%20%F0%9F%98%80&bare=again&100%=%2B%z&not=%ff%41`,
      };
    case "raw_target":
      return { ...head, target: `${target}&caf\u00c3\u00a9=\u00e2\u0082\u00ac%20\u00ff` };
    case "profile_in_header":
      return { ...head, headers: [...headers, "MoosicBox-Profile", "family"] };
    case "profile_in_query":
      return { ...head, target: `${target}&moosicboxProfile=family` };
    case "origin":
      return { ...head, headers: [...headers, "origin", PLAYER_ORIGIN] };
    case "if_range":
      return { ...head, headers: [...headers, "if-range", '"v1"'] };
    case "cover":
      return { ...head, target: target.replace("/files/track?", "/files/albums/7/300?") };
    case "list_headers":
      return { ...head, headers: [...headers, ...LIST_HEADERS] };
    case "agents_field":
      return { ...head, headers: [...headers, AGENTS_FIELD, "by the visitor"] };
    case "long_header":
      return { ...head, headers: [...headers, "x-long", "l".repeat(LONG_HEADER_CHARACTERS)] };
    case "speaks_as_culvert":
      return { ...head, headers: [...headers, ...CULVERTS_FIELDS] };
    case "names_places":
      return { ...head, headers: [...headers, ...namingPlaces(head)] };
    case "empty_body":
    case "forwarded":
    case "bound_login":
    case "by_cookie":
    case "number_body":
    case "raw_body":
    case "wide_body":
    case "kept_connection":
      return head;
  }
}

/** As browsers and clients of WebDAV do (RFC 4918 sections 10.3 and 10.4). */
function namingPlaces({ headers: [, host = ""], target }: RequestHead): readonly string[] {
  const [path = ""] = target.split("?");
  const site = `http://${host}`;
  return [
    ...["origin", site, "referer", `${site}${path}?from=here`, "destination", `${site}${path}`],
    ...["if", `<${site}${path}> (["<a>"]) <${path}> (<urn:uuid:1> ["b"])`],
  ];
}

/** As the visitor spells it; agents that set it spell it otherwise. */
export const AGENTS_FIELD = "x-set";
const CULVERTS_FIELDS = ["Culvert-Access", "public", "culvert_client_id", "other", "CULVERT-Fence", "9"];
/** As much as the shipped server takes of a head, nearly. */
const LONG_HEADER_CHARACTERS = 12_000;

export const LIST_HEADERS = ["X-List", "a", "x-other", "caf\u00e9", "X-List", "b", "x-list", ""] as const;

function without(headers: readonly string[], name: string): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index] !== name) kept.push(headers[index] ?? "", headers[index + 1] ?? "");
  }
  return kept;
}

/** What is unusual about a visitor socket's handshake, or about the visitor. */
export type SocketQuirk =
  | "bad_target"
  | "other_path"
  | "no_client_id"
  | "origin"
  | "other_origin"
  | "profile"
  /** Says something that is no text. */
  | "sends_bytes"
  | "reads_nothing"
  | "kept_connection";

export const SOCKET_QUIRKS = [
  "bad_target",
  "other_path",
  "no_client_id",
  "origin",
  "other_origin",
  "profile",
  "sends_bytes",
  "reads_nothing",
  "kept_connection",
] as const satisfies readonly SocketQuirk[];

/** The target and the headers of a visitor socket's handshake. */
export function handshakeOf(
  quirk: SocketQuirk | null,
  { clientId, token }: { readonly clientId: string; readonly token: string },
): { readonly target: string; readonly headers: readonly string[] } {
  const signed = token === "" ? "" : `&signature=${token}`;
  const target = `/ws?clientId=${clientId}${signed}`;
  const headers = ["host", "tunnel.example"];
  switch (quirk) {
    case "bad_target":
      return { target: `${target}#fragment`, headers };
    case "other_path":
      return { target: target.replace("/ws", "/auth/magic-token"), headers };
    case "no_client_id":
      return { target: `/ws?${signed}`, headers };
    case "origin":
      return { target, headers: [...headers, "origin", PLAYER_ORIGIN] };
    case "other_origin":
      return { target, headers: [...headers, "origin", OTHER_ORIGIN] };
    case "profile":
      return { target: `${target}&moosicboxProfile=family`, headers };
    default:
      return { target, headers };
  }
}
