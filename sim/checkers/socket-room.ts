/**
 * A native session gives its socket no piece while that is full, and nothing at all while it is twice as full, but for where
 * it stands: what comes next never waits long, and a peer who does not read makes nobody hold more than that.
 */
import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../core/events.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedProcess } from "../record/stepped.ts";
import { KIND } from "../wire/native.ts";
import { ofEachProcess } from "./of-each-process.ts";

/** One socket at one end, in bytes that were ordered and have not left. */
type Room = {
  /** Of the greeting, which went first and is not the session's. */
  greetingBytes: number;
  sessionBytes: number;
  /** Of frames that are the socket's and no session's; forgotten when all has left. */
  besideBytes: number;
};

export const socketRoom: Property = {
  name: "socket_room",
  create: (violate, judged) => {
    const roomsOf = ofEachProcess(() => new Map<number, Room>());
    const bytesMax = { server: 0, agent: 0 };
    const look = (process: SteppedProcess, max: number, event: Event, effects: Effects, count: number) => {
      const rooms = roomsOf(process);
      if (event.type === "socket_flushed") flushed(rooms.get(event.socket), event.bytes);
      if (event.type === "socket_closed") rooms.delete(event.socket);
      let ofStepBytes = 0;
      for (let index = 0; index < count; index++) {
        const effect = effects[index];
        if (effect?.type !== "socket_send_packet") continue;
        const { socket, header, body } = effect;
        const kind = header[0];
        let bytes = header.length;
        for (const part of body) bytes += part.length;
        if (kind === KIND.hello || kind === KIND.welcome) {
          rooms.set(socket, { greetingBytes: bytes, sessionBytes: 0, besideBytes: 0 });
          continue;
        }
        const room = rooms.get(socket);
        if (room === undefined) continue;
        if (kind === KIND.nodes) {
          room.besideBytes += bytes;
          room.sessionBytes += bytes;
          continue;
        }
        const sessionBytes = room.sessionBytes - room.besideBytes;
        if (sessionBytes > 0) judged();
        const { name } = process;
        if (kind === KIND.piece && sessionBytes >= max)
          violate(
            "safety",
            `${name} sends a piece on socket ${socket}, ${sessionBytes} bytes of ${max} wait there`,
          );
        // Several that are not pieces go together.
        if (kind !== KIND.resume && sessionBytes - ofStepBytes >= 2 * max)
          violate(
            "safety",
            `${name} sends frame ${kind} on socket ${socket}, ${sessionBytes} bytes wait there`,
          );
        room.sessionBytes += bytes;
        ofStepBytes += bytes;
      }
    };
    return {
      begun: ({ serverLimits, agentLimits }) => {
        bytesMax.server = serverLimits.socketBytesMax;
        bytesMax.agent = agentLimits.socketBytesMax;
      },
      sees: ["socket_flushed", "socket_closed", "socket_send_packet"],
      serverStep: (process, event, effects, count) => look(process, bytesMax.server, event, effects, count),
      agentStep: (process, event, effects, count) => look(process, bytesMax.agent, event, effects, count),
    };
  },
};

type Event = ServerEvent | AgentEvent;
type Effects = readonly (ServerEffect | AgentEffect | undefined)[];

function flushed(room: Room | undefined, bytes: number): void {
  if (room === undefined) return;
  const ofGreeting = Math.min(bytes, room.greetingBytes);
  room.greetingBytes -= ofGreeting;
  room.sessionBytes -= bytes - ofGreeting;
  if (room.sessionBytes === 0) room.besideBytes = 0;
}
