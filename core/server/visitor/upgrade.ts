/**
 * WebSockets between a visitor and a home's service. They are exchanges whose bytes nobody here looks into, but for one thing:
 * where frames end. When the home is lost for good, or the visitor's token revoked, he is told so by a close frame of ours with
 * 1012 or 1008, which can stand only between two of the home's.
 */
import type { ServerEffect } from "../../effects.ts";
import { type FailureCode, failureOf } from "../../failure.ts";
import type { HeaderList } from "../../http/headers.ts";
import { upgradeFields } from "../../http/upgrade.ts";
import {
  closeFrame,
  createFrameTracker,
  type FrameTracker,
  isBetweenFrames,
  trackFrames,
} from "../../http/websocket-frames.ts";
import type { Outbox } from "../../outbox.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import {
  abortExchange,
  detachExchange,
  endExchange,
  enterPhase,
  failExchange,
  giveUpExchange,
  resumeRequest,
} from "./exchange.ts";
import { write } from "./respond.ts";

/** The home took the upgrade: from here on bytes flow both ways. */
export function openUpgrade(exchange: Exchange, headers: HeaderList, out: Outbox<ServerEffect>): void {
  const passed = upgradeFields(headers);
  enterPhase(exchange, "responding");
  exchange.head = { status: 101, headers: passed, declaredBytes: null, hasBody: true };
  exchange.headSent = true;
  exchange.status = 101;
  exchange.requestAsked = true;
  exchange.frames = createFrameTracker();
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
  write(state, exchange, bytes, false, out);
}

/** Whatever carried the exchange is gone for good. */
export function loseExchange(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  detachExchange(state, exchange, out);
  resumeRequest(exchange, out);
  const { frames } = exchange;
  if (frames === null || !isBetweenFrames(frames)) return failExchange(state, exchange, "agent_lost", out);
  endUpgraded(state, exchange, frames, { code: "agent_lost", reason: "The home was lost." }, out);
}

/** What let the visitor in is good no longer: he gets nothing more, not even what waits to be written to him. */
export function revokeExchange(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { frames, unflushedBytes } = exchange;
  const mayBeTold = frames !== null && isBetweenFrames(frames) && unflushedBytes === 0;
  if (exchange.phase === "closing" || !mayBeTold) return giveUpExchange(state, exchange, "revoked", out);
  abortExchange(state, exchange, "revoked", out);
  endUpgraded(state, exchange, frames, { code: "revoked", reason: "The token was revoked." }, out);
}

/** Ends a WebSocket between two frames of the home, with the failure's close code and a reason in ASCII. */
function endUpgraded(
  state: ServerState,
  exchange: Exchange,
  frames: FrameTracker,
  { code, reason }: { readonly code: FailureCode; readonly reason: string },
  out: Outbox<ServerEffect>,
): void {
  if (!frames.isClosed) write(state, exchange, closeFrame(failureOf(code).closeCode, reason), false, out);
  out.push({ type: "respond_end", exchange: exchange.id, trailers: [] });
  endExchange(state, exchange, code, out);
}
