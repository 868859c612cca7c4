/**
 * What an end of the native protocol has under way stays near what its link carries: a piece that goes out behind much more
 * than that waits where nothing can overtake it. While nobody knows the link yet, more may go out, and what comes after a fault
 * that may have changed the link is not judged.
 */
import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../core/events.ts";
import { socketNamedIn } from "../ledger/socket.ts";
import type { Property } from "../record/checker.ts";
import type { PathSettings, Scenario } from "../scenario/scenario.ts";
import { KIND } from "../wire/native.ts";
import { Marks } from "./marks.ts";

/** For so long it may learn how much the link carries, for so many round trips, and until what it began with has arrived. */
const LEARNING_MS = 1_000;
const LEARNING_TRIPS = 8;
const FIRST_BYTES = 64 * 1024;
/** Of what the link carries in a round trip and in a moment, and some pieces. */
const GAIN = 1.5;
const MOMENT_MS = 16;
const PIECES_BYTES = 24 * 1024;

/** One end of one socket; since when all that it sent was above its bound. */
type Sender = { socket: number; readonly marks: Marks; aboveMs: number | null };
type Effects = readonly (ServerEffect | AgentEffect | undefined)[];

export const linkNear: Property = {
  name: "link_near",
  create: (violate, judged) => {
    const paths = new Map<string, PathSettings>();
    const senders = new Map<string, Sender>();
    let undisturbedMs = 0;
    const look = (
      name: string,
      { home, nowMs }: { readonly home: string; readonly nowMs: number },
      event: ServerEvent | AgentEvent,
      effects: Effects,
      count: number,
    ) => {
      const path = paths.get(home);
      if (path === undefined || nowMs >= undisturbedMs) return;
      const sender = senders.get(name) ?? { socket: -1, marks: new Marks(), aboveMs: null };
      senders.set(name, sender);
      if (event.type === "socket_bytes" && event.socket === sender.socket) sender.marks.heard(event.bytes);
      let isPieceSent = false;
      for (let index = 0; index < count; index++) {
        const effect = effects[index];
        if (effect?.type !== "socket_send_packet") continue;
        if (effect.socket !== sender.socket) begin(sender, effect.socket);
        isPieceSent ||= effect.header[0] === KIND.piece;
        sender.marks.sent(effect.header, lengthOf(effect));
      }
      if (!isPieceSent) return;
      const bytes = boundBytes(path);
      if (sender.marks.underWayBytes <= bytes) sender.aboveMs = null;
      else sender.aboveMs ??= nowMs;
      if (sender.marks.holdBack) judged();
      if (sender.aboveMs !== null && nowMs - sender.aboveMs > learningMs(path))
        violate(
          "safety",
          `${name} has ${sender.marks.underWayBytes} bytes under way, where ${bytes} fill the link`,
        );
    };
    return {
      begun: ({ scenario, targetOf }) => {
        for (const { clientId, path } of scenario.homes) paths.set(clientId, path);
        undisturbedMs = firstDisturbanceMs(scenario, targetOf);
      },
      sees: ["socket_bytes", "socket_send_packet"],
      serverStep: ({ name, nowMs, ledger }, event, effects, count) => {
        if (ledger.natives.size === 0) return;
        // All of a step's frames are of one session, mostly; those of others are looked at in their own steps.
        const socket = socketNamedIn(event) ?? sentOn(effects, count);
        const known = socket === null ? undefined : ledger.sockets.get(socket);
        if (known?.native !== true) return;
        look(`${name} towards ${known.clientId}`, { home: known.clientId, nowMs }, event, effects, count);
      },
      agentStep: ({ name, nowMs }, event, effects, count) =>
        look(name, { home: name.replace(/^agent:|\.\d+$/g, ""), nowMs }, event, effects, count),
    };
  },
};

function begin(sender: Sender, socket: number): void {
  sender.socket = socket;
  sender.marks.clear();
  sender.aboveMs = null;
}

function sentOn(
  effects: Effects,
  count: number,
): Extract<ServerEvent, { type: "socket_bytes" }>["socket"] | null {
  for (let index = 0; index < count; index++) {
    const effect = effects[index];
    if (effect?.type === "socket_send_packet") return effect.socket;
  }
  return null;
}

function lengthOf({ header, body }: Extract<ServerEffect, { type: "socket_send_packet" }>): number {
  let total = header.length;
  for (const part of body) total += part.length;
  return total;
}

function boundBytes({ bytesPerMs, latencyUs, jitterUs }: PathSettings): number {
  const tripMs = (2 * (latencyUs + jitterUs)) / 1_000;
  return Math.ceil(GAIN * bytesPerMs * (tripMs + Math.max(MOMENT_MS, tripMs / 2)) + PIECES_BYTES);
}

function learningMs({ bytesPerMs, latencyUs, jitterUs }: PathSettings): number {
  return LEARNING_MS + FIRST_BYTES / bytesPerMs + (LEARNING_TRIPS * 2 * (latencyUs + jitterUs)) / 1_000;
}

function firstDisturbanceMs({ faults }: Scenario, targetOf: (kind: string) => string): number {
  const disturbing = faults.filter(({ kind }) => targetOf(kind) !== "nobody" && targetOf(kind) !== "visit");
  return Math.min(...disturbing.map(({ fromMs }) => fromMs), Number.POSITIVE_INFINITY);
}
