/** The way of a tunnelled request to its home: find the tunnel, gather the body, send the frame. */
import { assert } from "../assert.ts";
import { concatBytes, retain } from "../bytes.ts";
import type { ServerEffect } from "../effects.ts";
import { type HeaderList, headerValue, headerValues } from "../http/headers.ts";
import type { Outbox } from "../outbox.ts";
import { encodeHttpFrame } from "../wire/frames.ts";
import { parseJson } from "../wire/json.ts";
import { decodeUtf8 } from "../wire/utf8.ts";
import { stillOpens } from "./access.ts";
import { updatePause } from "./backpressure.ts";
import { armDeadline, enterPhase, failExchange } from "./exchange.ts";
import { hold, releaseUnwritten } from "./held.ts";
import { liveTunnel } from "./homes.ts";
import { onNativeBody, onNativeBodyEnded, openNativeRequest } from "./native-request.ts";
import { giveUpOverLimit } from "./overload.ts";
import { fitsSending, sendText } from "./sending.ts";
import { sendableSession } from "./sessions.ts";
import type { Exchange, ServerState, Tunnel } from "./state.ts";
import { waitForHome } from "./waiting.ts";

/** The request is authorized, and whose home it is for is known. Called again when a home that was waited for is back. */
export function forwardRequest(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): void {
  exchange.clientId = clientId;
  const tunnel = liveTunnel(state, clientId);
  if (tunnel === undefined) return waitForHome(state, exchange, clientId, out);
  if (!isLetIn(exchange, tunnel)) return failExchange(state, exchange, "unauthorized", out);
  if (tunnel.native !== null) {
    const session = sendableSession(tunnel);
    if (session === undefined) waitForHome(state, exchange, clientId, out);
    else openNativeRequest(state, exchange, session, out);
  } else if (exchange.request.upgrade) {
    failExchange(state, exchange, "upgrade_unsupported", out);
  } else if (exchange.request.hasBody) {
    enterPhase(exchange, "reading");
    armDeadline(state, exchange, state.config.limits.requestIdleMs);
    out.push({ type: "exchange_read", exchange: exchange.id });
  } else {
    sendRequest(state, exchange, clientId, null, out);
  }
}

export function onRequestBody(
  state: ServerState,
  exchange: Exchange,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  if (exchange.native !== null) return onNativeBody(state, exchange, exchange.native, bytes, out);
  if (!isReading(exchange)) return;
  exchange.lastProgressMs = state.nowMs;
  exchange.requestBytes += bytes.length;
  if (exchange.requestBytes > state.config.limits.requestBodyBytesMax) {
    return failExchange(state, exchange, "limit_request_body", out);
  }
  exchange.requestParts.push(retain(bytes));
  hold(state, exchange, bytes.length);
  giveUpOverLimit(state, exchange, out);
}

export function onRequestEnded(
  state: ServerState,
  exchange: Exchange,
  trailers: HeaderList,
  out: Outbox<ServerEffect>,
): void {
  if (exchange.native !== null) return onNativeBodyEnded(state, exchange, exchange.native, trailers);
  if (!isReading(exchange)) return;
  assert(exchange.clientId !== null, "a request is read for nobody");
  exchange.requestRead = true;
  exchange.requestTrailers = trailers;
  // A native tunnel may have taken over while the body came in: it takes any.
  if (liveTunnel(state, exchange.clientId)?.native) {
    return forwardRequest(state, exchange, exchange.clientId, out);
  }
  if (exchange.requestBytes === 0) return sendRequest(state, exchange, exchange.clientId, null, out);
  const payload = decodeUtf8(concatBytes(exchange.requestParts));
  if (payload === null || parseJson(payload) === undefined) {
    return failExchange(state, exchange, "not_json", out, {
      detail: "A request body must be JSON: the home's agent takes nothing else.",
    });
  }
  sendRequest(state, exchange, exchange.clientId, payload, out);
}

/** The home may be back, or have another agent, with another mode than the one that let this visitor in. */
function isLetIn({ access }: Exchange, tunnel: Tunnel): boolean {
  return access === null || stillOpens(access, tunnel.access);
}

/** False where what came was on its way when the exchange ended: it falls on the floor. */
function isReading(exchange: Exchange): boolean {
  if (exchange.phase === "closing") return false;
  assert(exchange.phase === "reading", "a request body came that was not asked for");
  return true;
}

function sendRequest(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  payload: string | null,
  out: Outbox<ServerEffect>,
): void {
  const { limits, idBase } = state.config;
  const { request, route } = exchange;
  // The home may have left while the body came in.
  const tunnel = liveTunnel(state, clientId);
  if (tunnel === undefined) return failExchange(state, exchange, "agent_not_connected", out);
  if (!isLetIn(exchange, tunnel)) return failExchange(state, exchange, "unauthorized", out);
  if (tunnel.exchanges.size >= limits.tunnelExchangesMax) {
    return failExchange(state, exchange, "limit_tunnel_exchanges", out);
  }
  const { path, query, profile } = route.forward;
  if (query === null) {
    return failExchange(state, exchange, "bad_request", out, {
      detail: "The home's agent takes no request target but a path and a query in UTF-8.",
    });
  }
  const range = headerValues(request.headers, "range");
  if (range.length > 1) {
    return failExchange(state, exchange, "bad_request", out, { detail: "A request has one Range at most." });
  }
  // The protocol has no place for If-Range, and without its condition a range of a newer version would be joined to parts of
  // an older one: the home is asked for the whole, which RFC 9110 section 13.1.5 has for a condition that does not hold.
  const isRanged = headerValue(request.headers, "if-range") === undefined;
  const accept = headerValues(request.headers, "accept");
  const frame = encodeHttpFrame({
    requestId: idBase + exchange.id,
    method: request.method,
    path,
    query,
    payload,
    accept: accept.length === 0 ? null : accept.join(", "),
    range: isRanged ? (range[0] ?? null) : null,
    profile,
  });
  if (!fitsSending(tunnel, frame, limits.tunnelSendBytesMax)) {
    return failExchange(state, exchange, "limit_slow_agent", out);
  }
  sendText(tunnel, frame, out);
  releaseUnwritten(state, exchange);
  exchange.tunnel = tunnel.id;
  tunnel.exchanges.add(exchange.id);
  enterPhase(exchange, "waiting");
  armDeadline(state, exchange, limits.responseHeadMs);
  // Somebody waits for bytes again: a slow neighbour must not keep the tunnel paused.
  updatePause(state, tunnel, out);
}
