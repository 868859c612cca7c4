/**
 * WebSockets between a visitor and a home's service. They are exchanges of the native protocol whose bytes nobody here looks
 * into, but for one thing: where frames end. When the home is lost for good, a visitor is told so by a close frame of ours
 * with 1012, which can stand only between two of the home's.
 */
import { assert } from "../assert.ts";
import type { ServerEffect } from "../effects.ts";
import { failureOf } from "../failure.ts";
import { endToEnd, type HeaderList, withoutHeader } from "../http/headers.ts";
import {
  closeFrame,
  createFrameTracker,
  type FrameTracker,
  isBetweenFrames,
  trackFrames,
} from "../http/websocket-frames.ts";
import type { Outbox } from "../outbox.ts";
import { endExchange, enterPhase, failExchange } from "./exchange.ts";
import { write } from "./response.ts";
import type { Exchange, NativeExchange, ServerState } from "./state.ts";

/**
 * The list with the two fields that make it an upgrade (RFC 9110 section 7.8), which are of this connection and were removed
 * with the others of their kind. A visitor may have named other protocols beside: a home that took one of those would talk
 * past everything that holds for requests.
 */
export function withUpgrade(passed: HeaderList): HeaderList {
  return ["Upgrade", "websocket", "Connection", "Upgrade", ...passed];
}

/** The home took the upgrade: from here on bytes flow both ways. */
export function openUpgrade(
  exchange: Exchange,
  native: NativeExchange,
  headers: HeaderList,
  out: Outbox<ServerEffect>,
): void {
  const passed = withUpgrade(withoutHeader(endToEnd(headers), "content-length"));
  enterPhase(exchange, "responding");
  exchange.head = { status: 101, headers: passed, declaredBytes: null, hasBody: true };
  exchange.headSent = true;
  exchange.status = 101;
  native.reads = true;
  native.frames = createFrameTracker();
  out.push({ type: "respond_upgrade", exchange: exchange.id, headers: passed });
}

/** Bytes of the home's WebSocket for the visitor. */
export function writeUpgraded(
  state: ServerState,
  exchange: Exchange,
  frames: FrameTracker,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  trackFrames(frames, bytes);
  write(state, exchange, bytes, out);
}

/** The session that the exchange was on has ended, and its stream with it. */
export function loseExchange(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { native } = exchange;
  assert(native !== null, "an exchange is lost with a session that it is not on");
  native.session.exchanges.delete(exchange.id);
  exchange.native = null;
  if (native.stream.sourcePaused) {
    out.push({ type: "exchange_pause", exchange: exchange.id, paused: false });
  }
  const { frames } = native;
  if (frames === null || !isBetweenFrames(frames)) return failExchange(state, exchange, "agent_lost", out);
  if (!frames.isClosed) write(state, exchange, closeFrame(LOST_CODE, "The home was lost."), out);
  out.push({ type: "respond_end", exchange: exchange.id, trailers: [] });
  endExchange(state, exchange, "agent_lost", out);
}

/** Service restart (RFC 6455's registry): the visitor may connect again. */
const LOST_CODE = failureOf("agent_lost").closeCode;
