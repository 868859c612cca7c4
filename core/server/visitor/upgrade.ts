/**
 * WebSockets between a visitor and a home's service. They are exchanges whose bytes nobody here looks into, but for one thing:
 * where frames end. When one has to be closed, because the home is lost for good for example, the visitor is told so by a close
 * frame of ours with the failure's code, which can stand only between two of the home's.
 */
import type { ServerEffect } from "../../effects.ts";
import type { HeaderList } from "../../http/headers.ts";
import { upgradeFields } from "../../http/upgrade.ts";
import {
  createFrameTracker,
  type FrameTracker,
  isBetweenFrames,
  trackFrames,
} from "../../http/websocket-frames.ts";
import type { Outbox } from "../../outbox.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { detachExchange, enterPhase, failExchange, resumeRequest } from "./exchange.ts";
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
  if (exchange.leaves && isBetweenFrames(frames)) failExchange(state, exchange, "draining", out);
}

/** The server leaves: the visitor is told so behind the frame that is under way. */
export function closeUpgrade(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { frames, phase } = exchange;
  if (frames === null || phase === "closing") return;
  exchange.leaves = true;
  if (isBetweenFrames(frames)) failExchange(state, exchange, "draining", out);
}

/** Whatever carried the exchange is gone for good. */
export function loseExchange(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  detachExchange(state, exchange, out);
  resumeRequest(exchange, out);
  failExchange(state, exchange, "agent_lost", out);
}
