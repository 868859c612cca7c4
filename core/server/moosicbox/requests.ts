/** The way of a request to a home whose agent speaks MoosicBox's protocol: it is one frame, with the whole body in it. */
import { assert, unreachable } from "../../assert.ts";
import { concatBytes } from "../../bytes.ts";
import type { ServerEffect } from "../../effects.ts";
import type { ExchangeOpened } from "../../events.ts";
import { headerValue, headerValues } from "../../http/headers.ts";
import { escapedQuery } from "../../http/target.ts";
import type { Outbox } from "../../outbox.ts";
import { createResequencer } from "../../resequencer.ts";
import { encodeHttpFrame } from "../../wire/frames.ts";
import { parseJson } from "../../wire/json.ts";
import { decodeUtf8 } from "../../wire/utf8.ts";
import { type CarrierOrder, type OpenOrder, type Refusal, refusal } from "../carrier.ts";
import { fitsSending, sendText } from "../sockets/sending.ts";
import type { ServerState } from "../state/server.ts";
import type { MoosicBoxCarried, Tunnel } from "../state/tunnels.ts";
import { sendAbort } from "./aborts.ts";
import { onLagGrown, onLagShrunk, updatePause } from "./backpressure.ts";

/** A gathered body as the frame has it: JSON text, null where it is empty. */
export function payloadOf(parts: readonly Uint8Array[]): string | null | Refusal {
  if (parts.length === 0) return null;
  const payload = decodeUtf8(concatBytes(parts));
  if (payload !== null && parseJson(payload) !== undefined) return payload;
  return refusal("not_json", "A request body must be JSON: the home's agent takes nothing else.");
}

/** Why the protocol has no frame for the request, whatever its body; null where it has one. */
export function moosicBoxRefusal({ method, upgrade }: ExchangeOpened, target: string): Refusal | null {
  // Of an upgrade there is no whole.
  if (upgrade) return refusal("upgrade_unsupported");
  if (!METHODS.includes(method)) {
    const allow = METHODS.join(", ");
    return refusal("method_not_allowed", `The home's agent takes ${allow} only.`, ["allow", allow]);
  }
  if (target !== "*") return null;
  return refusal("bad_request", "The home's agent takes no request target but a path and a query.");
}

/** What agents of all versions can read. A frame with another method they drop, and never answer. */
const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

export function openMoosicBox(
  state: ServerState,
  tunnel: Tunnel,
  { exchange, request, route, payload }: OpenOrder,
  out: Outbox<ServerEffect>,
): MoosicBoxCarried | Refusal {
  const { limits, idBase } = state.config;
  if (tunnel.exchanges.size >= limits.tunnelExchangesMax) return refusal("limit_tunnel_exchanges");
  const { path, target, profile } = route.forward;
  const refused = moosicBoxRefusal(request, target);
  if (refused !== null) return refused;
  const range = headerValues(request.headers, "range");
  if (range.length > 1) return refusal("bad_request", "A request has one Range at most.");
  // The protocol has no place for If-Range, and without its condition a range of a newer version would be joined to parts of
  // an older one: the home is asked for the whole, which RFC 9110 section 13.1.5 has for a condition that does not hold.
  const isRanged = headerValue(request.headers, "if-range") === undefined;
  const accept = headerValues(request.headers, "accept");
  const frame = encodeHttpFrame({
    requestId: idBase + exchange,
    method: request.method,
    path,
    query: escapedQuery(target),
    payload,
    accept: accept.length === 0 ? null : accept.join(", "),
    range: isRanged ? (range[0] ?? null) : null,
    profile,
  });
  if (!fitsSending(tunnel, frame, limits.tunnelSendBytesMax)) return refusal("limit_slow_agent");
  sendText(tunnel, frame, out);
  const carried = { carrier: "moosicbox", exchange, tunnel, order: createResequencer() } as const;
  tunnel.exchanges.set(exchange, carried);
  // Somebody waits for bytes again: a slow neighbour must not keep the tunnel paused.
  updatePause(state, tunnel, out);
  return carried;
}

export function obeyMoosicBox(
  state: ServerState,
  carried: MoosicBoxCarried,
  order: CarrierOrder,
  out: Outbox<ServerEffect>,
): void {
  const { tunnel, exchange } = carried;
  switch (order.type) {
    case "end":
    case "answered":
      // The request went out whole.
      return;
    case "body":
    case "await_room":
      return assert(false, "a request that went out whole goes on");
    case "given":
      return onLagGrown(state, carried, order.unflushedBytes, out);
    case "credit":
      return onLagShrunk(state, carried, order.unflushedBytes, out);
    case "abort":
      if (tunnel.phase === "live") sendAbort(state, tunnel, state.config.idBase + exchange, out);
      return;
    case "leave":
      tunnel.exchanges.delete(exchange);
      tunnel.slow.delete(exchange);
      return updatePause(state, tunnel, out);
    default:
      unreachable(order);
  }
}
