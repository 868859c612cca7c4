/**
 * An agent waits for nobody longer than its limits: neither for its home's answer nor for a server that is gone. And it
 * drops no server for a silence that was its own, and no WebSocket for any silence.
 */
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import type { AgentLimits } from "../../core/limits.ts";
import type { Property } from "../record/checker.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import { ofEachProcess } from "./of-each-process.ts";
import { homeOfLinks } from "./of-one-link.ts";

type Origin = {
  headed: boolean;
  paused: boolean;
  /** More of the request is to come, and that is the visitor's to send. */
  streams: boolean;
  heardMs: number;
  /** How long it may say nothing. */
  idleMs: number;
  /** Whether it took an upgrade, and bytes that were sent to it and not taken. */
  upgraded: boolean;
  unflushedBytes: number;
};

type Waits = {
  socket: number | null;
  /** How long origins may say nothing: what the server tells on a socket of the native protocol, else the agent's own. */
  idleMs: number;
  /** The server has said something on it; on a socket of the native protocol that is the welcome. */
  greeted: boolean;
  heardMs: number;
  /** Until then its own stall excuses the server's silence. */
  excusedMs: number;
  /** And until then it surely does. */
  grantedMs: number;
  lastMs: number;
  drainAskedMs: number | null;
  readonly origins: Map<number, Origin>;
};

/** The closing handshake of a drained agent gets this long. */
const CLOSING_MS = 6_000;

export const agentDeadlines: Property = {
  name: "agent_deadlines",
  create: (violate, judged) => {
    let limits: AgentLimits | null = null;
    let toldIdleMs = 0;
    const waitsOf = ofEachProcess(({ nowMs }) => newWaits(nowMs));
    let homes: readonly HomeSpec[] = [];
    return {
      begun: ({ agentLimits, serverLimits, scenario }) => {
        homes = scenario.homes;
        limits = agentLimits;
        toldIdleMs = serverLimits.exchangeIdleMs;
        // A welcome that somebody else wrote may tell nothing, and be taken.
        if (scenario.faults.some(({ kind }) => kind === "native_nonsense_for_welcome")) {
          toldIdleMs = Math.max(toldIdleMs, agentLimits.originIdleMs);
        }
      },
      agentStep: (process, event, effects, count) => {
        if (homeOfLinks(homes, process.name) !== null) return;
        if (limits === null) return;
        const { name, nowMs } = process;
        const waits = waitsOf(process);
        if (nowMs - waits.lastMs > limits.stallMs / 2) waits.excusedMs = nowMs + limits.pingMs;
        if (nowMs - waits.lastMs > limits.stallMs + limits.pingMs) waits.grantedMs = nowMs + limits.pingMs;
        waits.lastMs = nowMs;
        if (event.type === "socket_opened") {
          waits.idleMs = event.protocol === null ? limits.originIdleMs : toldIdleMs;
        }
        hear(waits, event, nowMs);
        let silentAborted = 0;
        let gaveTunnelUp = false;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect === undefined) continue;
          const silentMs = nowMs - waits.heardMs;
          if (
            effect.type === "socket_terminate" &&
            effect.socket === waits.socket &&
            // Told by a person, it needs no deadline for it.
            event.type !== "drain_requested" &&
            event.type !== "settings_changed"
          ) {
            const patienceMs = waits.greeted ? limits.silenceMs : limits.helloMs;
            if (silentMs < patienceMs || (waits.greeted && nowMs < waits.grantedMs))
              violate(
                "safety",
                `${name} drops its tunnel, which was silent for ${silentMs} ms while it listened`,
              );
          }
          const origin = effect.type === "origin_abort" ? waits.origins.get(effect.exchange) : undefined;
          if (origin?.upgraded === true && origin.unflushedBytes === 0) silentAborted++;
          // That of a server that leaves, perhaps, with a newer one beside it.
          gaveTunnelUp ||= effect.type === "socket_terminate";
          note(waits, effect, nowMs);
        }
        if (event.type !== "tick") return;
        judged();
        // All end with a tunnel that is given up, and with a drain.
        const isEnding = gaveTunnelUp || waits.socket === null || waits.drainAskedMs !== null;
        if (silentAborted > 0 && !isEnding) {
          violate(
            "safety",
            `${name} gives ${silentAborted} WebSockets up although nothing waits for their origins`,
          );
        }
        for (const late of lateIn(waits, nowMs, limits)) violate("liveness", `${name} ${late}`);
      },
    };
  },
};

function newWaits(nowMs: number): Waits {
  return {
    socket: null,
    idleMs: 0,
    greeted: false,
    heardMs: nowMs,
    excusedMs: 0,
    grantedMs: 0,
    lastMs: nowMs,
    drainAskedMs: null,
    origins: new Map(),
  };
}

function hear(waits: Waits, event: AgentEvent, nowMs: number): void {
  switch (event.type) {
    case "drain_requested":
      waits.drainAskedMs ??= nowMs;
      break;
    case "socket_opened":
      waits.socket = event.socket;
      waits.greeted = event.protocol === null;
      waits.heardMs = nowMs;
      break;
    case "socket_text":
    case "socket_bytes":
    case "socket_heard":
      if (event.socket !== waits.socket) break;
      if (event.type === "socket_bytes") waits.greeted = true;
      // Only the welcome is waited for at first.
      if (waits.greeted) waits.heardMs = nowMs;
      break;
    case "socket_closed":
      if (event.socket === waits.socket) waits.socket = null;
      break;
    case "origin_flushed":
    case "origin_interim":
    case "origin_head":
    case "origin_body": {
      const origin = waits.origins.get(event.exchange);
      if (origin === undefined) break;
      origin.headed ||= event.type === "origin_head";
      origin.upgraded ||= event.type === "origin_head" && event.status === 101;
      if (event.type === "origin_flushed") origin.unflushedBytes -= event.bytes;
      origin.heardMs = nowMs;
      break;
    }
    case "origin_ended":
    case "origin_failed":
      waits.origins.delete(event.exchange);
      break;
    default:
  }
}

function note(waits: Waits, effect: AgentEffect, nowMs: number): void {
  switch (effect.type) {
    case "socket_terminate":
    case "socket_close":
      if (effect.socket === waits.socket) waits.socket = null;
      break;
    case "origin_request":
      waits.origins.set(effect.exchange, {
        headed: false,
        paused: false,
        streams: effect.body === "streamed",
        heardMs: nowMs,
        idleMs: waits.idleMs,
        upgraded: false,
        unflushedBytes: 0,
      });
      break;
    case "origin_send":
    case "origin_send_end": {
      const origin = waits.origins.get(effect.exchange);
      if (origin === undefined) break;
      if (effect.type === "origin_send_end") origin.streams = false;
      else origin.unflushedBytes += effect.bytes.length;
      origin.heardMs = nowMs;
      break;
    }
    case "origin_abort":
      waits.origins.delete(effect.exchange);
      break;
    case "origin_pause": {
      const origin = waits.origins.get(effect.exchange);
      if (origin === undefined) break;
      origin.paused = effect.paused;
      origin.heardMs = nowMs;
      break;
    }
    default:
  }
}

function* lateIn(waits: Waits, nowMs: number, limits: AgentLimits): Generator<string> {
  for (const [
    exchange,
    { headed, paused, streams, heardMs, idleMs, upgraded, unflushedBytes },
  ] of waits.origins) {
    if ((streams && !headed) || (upgraded && unflushedBytes === 0)) continue;
    const dueMs = heardMs + idleMs;
    // A home that is not read from is silent because the agent wants it so.
    if (!paused && nowMs >= dueMs)
      yield `waits for the home since ${nowMs - heardMs} ms in exchange ${exchange}`;
  }
  const silentMs = nowMs - waits.heardMs;
  const patienceMs = waits.greeted ? limits.silenceMs : limits.helloMs;
  if (waits.socket !== null && silentMs >= patienceMs && nowMs >= waits.excusedMs)
    yield `keeps its tunnel, silent since ${silentMs} ms`;
  if (waits.drainAskedMs !== null && nowMs > waits.drainAskedMs + limits.drainMs + CLOSING_MS)
    yield `still drains after ${nowMs - waits.drainAskedMs} ms`;
}
