/**
 * A server that was asked to stop says at once that its responses are the last of their connections, and serves on: its listener
 * is open until its agents have moved, or for a while, and as long as something lasts; it takes no further agent. What runs has
 * its time. When nothing is left to finish, or no time for it, it sends every socket away, also those in their handshake and those
 * that still come, and ends when its rows are deleted.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { SocketId } from "../../core/ids.ts";
import type { ServerLimits } from "../../core/limits.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Property } from "../record/checker.ts";
import { KIND } from "../wire/native.ts";
import { ofEachProcess } from "./of-each-process.ts";

/** What is still to be said and done takes no longer where the others are there. */
const CLOSING_MS = 1_000;
/** What has gone on for so long lasts, and what has not gets so long more at the end. */
const LASTING_MS = 500;
/** So soon after its agents have moved the listener is closed. */
const PARTING_MS = 1_000;

type Leaving = {
  /** Tunnels whose agent has said that it has another one, or takes nothing here. */
  readonly moved: Set<SocketId>;
  /** Since when all agents have moved; null while one has not. */
  movedMs: number | null;
  movedSleptMs: number;
  asked: boolean;
  parted: boolean;
  peersGone: boolean;
  visitorsGone: boolean;
  /** Since when it is closing. */
  closingMs: number | null;
};

export const drains: Property = {
  name: "drains",
  create: (violate, judged) => {
    let isCluster = false;
    const leavingOf = ofEachProcess(() => newLeaving(isCluster));
    /** When each deletion of a row was asked for first. */
    const deletions = new Map<string, number>();
    let limits: ServerLimits | null = null;
    /** Whether a deletion may still be answered: neither its attempt nor all the time for it is over. */
    const waitsForRows = ({ calls, nowMs }: Ledger, { registryCallMs, registryTunnelMs }: ServerLimits) => {
      for (const { operation, askedMs } of calls.values()) {
        if (operation.type !== "delete_connection" || nowMs - askedMs >= registryCallMs) continue;
        if (nowMs - (deletions.get(operation.tunnel) ?? 0) < registryTunnelMs) return true;
      }
      return false;
    };
    return {
      begun: ({ serverLimits, scenario }) => {
        limits = serverLimits;
        isCluster = scenario.peerPath !== undefined;
      },
      serverStep: (process, event, effects, count) => {
        if (limits === null) return;
        const { name, nowMs, ledger } = process;
        const leaving = leavingOf(process);
        if (event.type === "socket_bytes" && (event.bytes[0] === KIND.moved || event.bytes[0] === KIND.drain))
          leaving.moved.add(event.socket);
        for (const effect of some(effects, count)) {
          if (effect.type !== "registry_call" || effect.operation.type !== "delete_connection") continue;
          const { tunnel } = effect.operation;
          if (!deletions.has(tunnel)) deletions.set(tunnel, nowMs);
        }
        const { drainAskedMs } = ledger;
        if (drainAskedMs === null) return;
        const { unreadyMs, leaveMs, drainMs } = limits;
        const sinceMs = nowMs - drainAskedMs;
        if (event.type === "drain_requested" && !leaving.asked) {
          leaving.asked = true;
          judged();
          const says = some(effects, count).some(({ type }) => type === "responses_close");
          if (!says) violate("safety", `${name} drains and does not say so to visitors`);
        }
        if (event.type === "visitors_gone") {
          if (event.byPeer === true) leaving.peersGone = true;
          else leaving.visitorsGone = true;
        }
        noteMoves(leaving, ledger, nowMs);
        const asked = event.type === "upgrade_requested" ? ledger.sockets.get(event.socket) : undefined;
        if (asked?.kind === "tunnel" && asked.phase !== "leaving")
          violate("safety", `${name} drains and takes tunnel ${asked.id}`);
        for (const effect of some(effects, count)) {
          if (effect.type === "listener_close") {
            judged();
            leaving.parted = true;
            const mayPart = sinceMs >= drainMs || (sinceMs >= leaveMs && !lasts(ledger, nowMs));
            const isEarly = sinceMs < Math.min(unreadyMs, drainMs);
            if (isEarly || (leaving.movedMs === null && !mayPart))
              violate("safety", `${name} takes nobody in any more, after ${sinceMs} ms`);
          }
          if (
            effect.type === "drained" &&
            nowMs - (leaving.closingMs ?? nowMs) < CLOSING_MS &&
            waitsForRows(ledger, limits)
          )
            violate("safety", `${name} ends before its rows are deleted`);
          if (effect.type !== "report" || effect.report.type !== "exchange_ended") continue;
          if (effect.report.outcome !== "draining" || leaving.closingMs !== null) continue;
          const early = ledger.touched.find(
            ({ endedMs, status }) => endedMs < drainAskedMs + drainMs && status !== 101,
          );
          if (early !== undefined) violate("safety", `${name} cuts exchange ${early.id} off before its time`);
        }
        const { movedMs, movedSleptMs } = leaving;
        if (event.type === "tick" && movedMs !== null && movedSleptMs === ledger.sleptMs) {
          judged();
          if (!leaving.parted && nowMs - Math.max(movedMs, drainAskedMs + unreadyMs) > PARTING_MS)
            violate("liveness", `${name} goes on for ${nowMs - movedMs} ms although its agents have moved`);
        }
        const timeIsUp = event.type === "tick" && sinceMs >= drainMs + LASTING_MS;
        const isDone =
          ledger.exchanges.size === 0 && leaving.parted && leaving.visitorsGone && leaving.peersGone;
        if (isDone || timeIsUp) leaving.closingMs ??= nowMs;
        if (leaving.closingMs === null) return;
        for (const socket of ledger.sockets.values()) {
          judged();
          // A handshake that was accepted just before is completed, and then closed with a reason.
          if (socket.phase === "leaving" || socket.phase === "accepted") continue;
          violate("safety", `${name} is closing and keeps socket ${socket.id}, which is ${socket.phase}`);
        }
      },
    };
  },
};

function newLeaving(isCluster: boolean): Leaving {
  return {
    moved: new Set(),
    movedMs: null,
    movedSleptMs: 0,
    asked: false,
    parted: false,
    visitorsGone: false,
    peersGone: !isCluster,
    closingMs: null,
  };
}

function some(effects: readonly (ServerEffect | undefined)[], count: number): ServerEffect[] {
  return effects.slice(0, count).filter((effect) => effect !== undefined);
}

/** Agents that cannot say whether they have moved follow those that can. */
function noteMoves(leaving: Leaving, ledger: Ledger, nowMs: number): void {
  let others = 0;
  let moved = 0;
  let stay = 0;
  for (const { id, kind, phase, native } of ledger.sockets.values()) {
    if (kind !== "tunnel" || phase !== "open") continue;
    if (!native) others++;
    else if (leaving.moved.has(id)) moved++;
    else stay++;
  }
  if (stay > 0 || (others > 0 && moved === 0)) {
    leaving.movedMs = null;
  } else if (leaving.movedMs === null) {
    leaving.movedMs = nowMs;
    leaving.movedSleptMs = ledger.sleptMs;
  }
}

function lasts({ exchanges }: Ledger, nowMs: number): boolean {
  for (const { openedMs } of exchanges.values()) if (nowMs - openedMs >= LASTING_MS) return true;
  return false;
}
