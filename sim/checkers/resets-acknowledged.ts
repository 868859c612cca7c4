/**
 * A reset is acknowledged, also where the exchange is forgotten or was never known, and whole, however many frames it
 * leaves out: its sender holds the exchange until it knows that it came.
 */
import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../core/events.ts";
import type { Property } from "../record/checker.ts";
import { exchangeOf, KIND, numberOf, readEntries } from "../wire/native.ts";

/** One socket at one end, from the welcome on. */
type Line = {
  /** By exchange: the number behind that of the last piece that came. */
  readonly came: Map<number, number>;
  /** By exchange: what is to be said of its reset, and since when there has been room to say it. */
  readonly due: Map<number, { readonly received: number; sinceMs: number }>;
  unsentBytes: number;
};

type Limits = { readonly socketBytesMax: number; readonly ackDelayMs: number };
type Role = "server" | "agent";

/** It may wait for others, but not for long. */
const SLACK_MS = 500;
/** What is so far ahead is behind. */
const HALF_OF_NUMBERS = 2 ** 31;
/** Nobody honest is so far ahead. Near the half, who has counted fewer frames than are counted here takes it for behind. */
const FAR_AHEAD = 2 ** 30;

export const resetsAcknowledged: Property = {
  name: "resets_acknowledged",
  create: (violate, judged) => {
    const processes = new Map<string, Map<number, Line>>();
    const limits: Record<Role, Limits> = {
      server: { socketBytesMax: 0, ackDelayMs: 0 },
      agent: { socketBytesMax: 0, ackDelayMs: 0 },
    };
    const look = (role: Role, name: string, nowMs: number, event: Event, effects: Effects, count: number) => {
      let lines = processes.get(name);
      if (lines === undefined) {
        if (event.type !== "socket_bytes" || event.bytes[0] !== GREETING[role]) return;
        lines = new Map();
        processes.set(name, lines);
      }
      take(lines, role, limits[role], nowMs, event, effects, count, judged);
      if (event.type !== "tick") return;
      for (const [socket, line] of lines) {
        const exchange = overdueIn(line, limits[role], nowMs);
        if (exchange !== null)
          violate(
            "safety",
            `${name} does not acknowledge the reset of exchange ${exchange} on socket ${socket}`,
          );
      }
    };
    return {
      begun: ({ serverLimits, agentLimits }) => {
        limits.server = serverLimits;
        limits.agent = agentLimits;
      },
      sees: [
        "socket_bytes",
        "socket_flushed",
        "socket_closed",
        "socket_send_packet",
        "socket_close",
        "socket_terminate",
        "tick",
      ],
      serverStep: ({ name, nowMs }, event, effects, count) =>
        look("server", name, nowMs, event, effects, count),
      agentStep: ({ name, nowMs }, event, effects, count) =>
        look("agent", name, nowMs, event, effects, count),
    };
  },
};

type Event = ServerEvent | AgentEvent;
type Effects = readonly (ServerEffect | AgentEffect | undefined)[];

/** What comes first on a native connection. */
const GREETING = { server: KIND.hello, agent: KIND.welcome };

function take(
  lines: Map<number, Line>,
  role: Role,
  limits: Limits,
  nowMs: number,
  event: Event,
  effects: Effects,
  count: number,
  judged: () => void,
): void {
  if (event.type === "socket_closed") lines.delete(event.socket);
  if (event.type === "socket_flushed") flushed(lines.get(event.socket), event.bytes, limits, nowMs);
  if (event.type === "socket_bytes") {
    const line = lines.get(event.socket);
    if (line !== undefined) hear(line, event.bytes, nowMs);
    else if (role === "agent" && event.bytes[0] === KIND.welcome) lines.set(event.socket, newLine());
  }
  for (let index = 0; index < count; index++) {
    const effect = effects[index];
    // Nothing of what still comes on it is read.
    if (effect?.type === "socket_close" || effect?.type === "socket_terminate") lines.delete(effect.socket);
    if (effect?.type !== "socket_send_packet") continue;
    const { socket, header, body } = effect;
    if (role === "server" && header[0] === KIND.welcome) lines.set(socket, newLine());
    const line = lines.get(socket);
    if (line === undefined) continue;
    line.unsentBytes += header.length;
    for (const part of body) line.unsentBytes += part.length;
    if (line.due.size > 0 && header[0] === KIND.credit) acknowledge(line, header, judged);
  }
}

function newLine(): Line {
  return { came: new Map(), due: new Map(), unsentBytes: 0 };
}

/** A socket that is as full takes nothing, not even this. */
function isFull({ unsentBytes }: Line, { socketBytesMax }: Limits): boolean {
  return unsentBytes >= 2 * socketBytesMax;
}

function flushed(line: Line | undefined, bytes: number, limits: Limits, nowMs: number): void {
  if (line === undefined) return;
  if (isFull(line, limits)) for (const due of line.due.values()) due.sinceMs = nowMs;
  line.unsentBytes -= bytes;
}

function hear({ came, due }: Line, bytes: Uint8Array, nowMs: number): void {
  const kind = bytes[0];
  if (kind !== KIND.piece && kind !== KIND.reset) return;
  const exchange = exchangeOf(bytes);
  const number = numberOf(bytes);
  const next = came.get(exchange);
  // Of what came before nothing more is said.
  if (next !== undefined && (number - next) >>> 0 >= FAR_AHEAD) return;
  const received = (number + 1) >>> 0;
  if (kind === KIND.piece) came.set(exchange, received);
  else due.set(exchange, { received, sinceMs: nowMs });
}

function acknowledge({ due }: Line, bytes: Uint8Array, judged: () => void): void {
  for (const { exchange, received } of readEntries(bytes)) {
    const wanted = due.get(exchange);
    if (wanted === undefined || (received - wanted.received) >>> 0 >= HALF_OF_NUMBERS) continue;
    judged();
    due.delete(exchange);
  }
}

/** An exchange whose reset should have been acknowledged by now; null where there is none. */
function overdueIn(line: Line, limits: Limits, nowMs: number): number | null {
  if (line.due.size === 0 || isFull(line, limits)) return null;
  for (const [exchange, { sinceMs }] of line.due)
    if (nowMs - sinceMs > limits.ackDelayMs + SLACK_MS) return exchange;
  return null;
}
