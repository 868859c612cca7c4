/**
 * Stopping without losing anything: none -> finishing -> closing -> drained.
 *
 * finishing: nothing new is taken, agents of the native protocol are told so, what runs may run to its end, for at most
 * `drainMs`; then it is cut. closing: every socket is told 1001, so that agents move on at once, and rows are deleted.
 * drained: ordered once, when nothing is left or `CLOSING_MS` have passed.
 */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { sendDrain } from "../../session/send.ts";
import { arm, disarm } from "../../timers.ts";
import { touch } from "../owner/sessions.ts";
import type { ServerState } from "../state/server.ts";
import { cutExchange, failExchange } from "../visitor/exchange.ts";
import { failWaiting } from "../visitor/waiting.ts";
import { dismissSocket, giveUpSession } from "./close.ts";

/** A closing handshake and a deletion take no longer where the other side is there. */
const CLOSING_MS = 6_000;

export function onDrainRequested(state: ServerState, out: Outbox<ServerEffect>): void {
  if (state.drainPhase !== "none") return;
  state.drainPhase = "finishing";
  out.push({ type: "listener_close" });
  out.push({
    type: "report",
    report: { type: "draining", exchanges: state.exchanges.size, tunnels: state.tunnels },
  });
  arm(state.timers, state.drain, state.nowMs + state.config.limits.drainMs);
  // Nobody who is away will be let in again.
  failWaiting(state, out);
  for (const session of [...state.sessions.values()]) {
    if (session.tunnel === null) {
      giveUpSession(state, session, out);
    } else {
      sendDrain(session.link);
      touch(state, session);
    }
  }
}

export function onDrainTimer(state: ServerState, out: Outbox<ServerEffect>): void {
  if (state.drainPhase === "finishing") {
    for (const exchange of [...state.exchanges.values()]) {
      if (exchange.phase !== "closing") failExchange(state, exchange, "draining", out);
      else cutExchange(state, exchange, out);
    }
    beginClosing(state, out);
  } else {
    endDrain(state, out);
  }
}

/** Called after each step of a draining server. */
export function advanceDrain(state: ServerState, out: Outbox<ServerEffect>): void {
  if (state.drainPhase === "finishing" && state.exchanges.size === 0) beginClosing(state, out);
  if (state.drainPhase !== "closing" || state.exchanges.size > 0 || state.sockets.size > 0) return;
  for (const call of state.calls.values()) if (call.purpose.type === "drop_row") return;
  endDrain(state, out);
}

function beginClosing(state: ServerState, out: Outbox<ServerEffect>): void {
  state.drainPhase = "closing";
  arm(state.timers, state.drain, state.nowMs + CLOSING_MS);
  for (const socket of [...state.sockets.values()]) dismissSocket(state, socket, "draining", out);
}

function endDrain(state: ServerState, out: Outbox<ServerEffect>): void {
  state.drainPhase = "drained";
  disarm(state.timers, state.drain);
  out.push({ type: "drained" });
}
