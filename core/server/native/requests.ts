/**
 * The way of a request to its home over the native protocol: the head at once, the body as it comes, as fast as the home
 * takes it. What waits for credit or for an acknowledgement is held by the session, and counted in `sessionBytes` and not in
 * the exchange's `heldBytes`. It is bounded by `queueBytesMax` and one read beyond it, by less where many of a tunnel wait, by
 * the window that the agent gives, and where many agents give much, by `heldBytesTotal`.
 */
import { unreachable } from "../../assert.ts";
import { retain } from "../../bytes.ts";
import { acceptFor } from "../../http/upgrade.ts";
import { passTime } from "../../session/budget.ts";
import { consume } from "../../session/credit.ts";
import { isFull, openStream, resetStream, sendBody, sendEnd } from "../../session/send.ts";
import { type CarrierOrder, type OpenOrder, type Refusal, refusal } from "../carrier.ts";
import { touch } from "../owner/sessions.ts";
import type { ServerState } from "../state/server.ts";
import type { NativeCarried, TunnelSession } from "../state/tunnels.ts";
import { requestHeaders } from "./heads.ts";

export function openNative(
  state: ServerState,
  session: TunnelSession,
  order: OpenOrder,
): NativeCarried | Refusal {
  if (session.exchanges.size >= state.config.limits.tunnelExchangesMax) {
    return refusal("limit_tunnel_exchanges");
  }
  const { exchange, request, route } = order;
  const { method, peer, upgrade } = request;
  const { target } = route.forward;
  const headers = requestHeaders(state, order);
  passTime(session.link, state.nowMs);
  const stream = openStream(session.link, exchange, { method, target, peer, upgrade, headers });
  const accept = upgrade ? acceptFor(headers) : null;
  const carried = { carrier: "native", exchange, session, stream, accept } as const;
  session.exchanges.set(exchange, carried);
  touch(state, session);
  return carried;
}

export function obeyNative(
  state: ServerState,
  { exchange, session, stream }: NativeCarried,
  order: CarrierOrder,
): void {
  const { link } = session;
  switch (order.type) {
    case "given":
      // Credit keeps the home's pace: it is given back when the visitor has taken something.
      return;
    case "leave":
      session.exchanges.delete(exchange);
      return;
    case "await_room":
      stream.sourcePaused = true;
      return;
    case "body":
      sendBody(link, stream, retain(order.bytes));
      break;
    case "end":
      sendEnd(link, stream, order.trailers);
      break;
    case "credit":
      consume(link, stream, order.bytes);
      break;
    case "answered":
      if (stream.send.ended && stream.send.queuedBytes === 0) return;
      stream.sourcePaused = false;
      resetStream(link, stream, "response_complete");
      break;
    case "abort":
      stream.sourcePaused = false;
      resetStream(link, stream, order.code);
      break;
    default:
      unreachable(order);
  }
  touch(state, session);
}

/** Whether more of the body may be queued without an end. */
export function hasRoom({ session, stream }: NativeCarried): boolean {
  return !isFull(session.link, stream);
}

/** Of the request: queued, and sent but not acknowledged. */
export function queuedBytesOf({ stream }: NativeCarried): number {
  return stream.send.queuedBytes + stream.send.retainedBytes;
}
