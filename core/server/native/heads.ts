/** What the two heads of an exchange become on their way: what the home is told, and what of its answer is passed on. */
import { forwardHeaders, visitorSite } from "../../http/forwarded.ts";
import {
  contentLength,
  endToEnd,
  type HeaderList,
  headerValue,
  headerValues,
  validHeaders,
  withoutHeader,
} from "../../http/headers.ts";
import { intoHome } from "../../http/home-path.ts";
import { authorityOf } from "../../http/target.ts";
import { takesHandshake, upgradeFields } from "../../http/upgrade.ts";
import type { NativeResponseHead } from "../../wire/native-head.ts";
import type { CarriedHead, OpenOrder } from "../carrier.ts";
import { homeHeaders } from "../routing/route.ts";
import type { ServerState } from "../state/server.ts";

/** What the home is told: end-to-end fields in their order, without what was meant for this server, and who asks. */
export function requestHeaders(
  state: ServerState,
  { request, route, passesAuthorization }: OpenOrder,
): HeaderList {
  const { prefix } = route.forward;
  const own = withTargetsHost(request.target, homeHeaders(request.headers, passesAuthorization));
  const headers = prefix === "" ? own : intoHome(own, visitorSite(request, state, prefix));
  const passed = forwardHeaders({ target: request.target, headers, peer: request.peer }, state, prefix);
  if (request.upgrade) return upgradeFields(passed);
  const isExpected = request.expectsContinue && request.hasBody;
  return isExpected || headerValue(passed, "expect") === undefined ? passed : withoutHeader(passed, "expect");
}

/** RFC 9112 section 3.2.2: the host of a target in absolute form counts, whatever the field says. */
function withTargetsHost(target: string, headers: HeaderList): HeaderList {
  const authority = authorityOf(target);
  if (authority === undefined) return headers;
  const replaced: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? "";
    replaced.push(name, name.toLowerCase() === "host" ? authority : (headers[index + 1] ?? ""));
  }
  return replaced;
}

/**
 * What is passed on of a head; null where it is not a final response's. 101 is one where it takes the handshake that
 * `accept` answers; null where there was none.
 */
export function responseHead(
  { status, headers }: NativeResponseHead,
  accept: string | null,
): CarriedHead | null {
  const declaredBytes = contentLength(headers);
  const isTaken = status === 101 && accept !== null && takesHandshake(headers, accept);
  const isFinal = isTaken || (status >= 200 && status <= 599);
  if (!isFinal || declaredBytes === "invalid" || !validHeaders(headers)) return null;
  return {
    status,
    headers: withFraming(headers, status, declaredBytes),
    declaredBytes,
    // Only what goes out in chunks has trailers to announce (RFC 9110 section 6.6.2).
    trailerNames: declaredBytes === null ? headerValues(headers, "trailer").join(", ") : "",
    compressible: false,
  };
}

/**
 * What may be passed on, with one way at most to tell where the body ends: its length, or else the chunks of the next hop.
 * RFC 9110 section 8.6: a 1xx and a 204 have no content-length; one value remains of a repeated one.
 */
function withFraming(headers: HeaderList, status: number, declaredBytes: number | null): HeaderList {
  const passed: string[] = [];
  const list = endToEnd(headers);
  let isFramed = status === 101 || status === 204;
  for (let index = 0; index + 1 < list.length; index += 2) {
    const name = list[index] ?? "";
    const isLength = name.toLowerCase() === "content-length";
    if (isLength && isFramed) continue;
    if (isLength) isFramed = true;
    passed.push(name, isLength ? String(declaredBytes) : (list[index + 1] ?? ""));
  }
  return passed;
}
