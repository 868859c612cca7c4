/**
 * A native session gives its socket no piece while that is full, and nothing at all while it is twice as full, but for where
 * it stands: what comes next never waits long, and a peer who does not read makes nobody hold more than that.
 */
import { KIND } from "../native-wire.ts";
import type { AgentEffect, AgentEvent, Property, ServerEffect, ServerEvent } from "./checker.ts";

/** One socket at one end, in bytes that were ordered and have not left. */
type Room = {
  /** Of the greeting, which went first and is not the session's. */
  greetingBytes: number;
  sessionBytes: number;
};

export const socketRoom: Property = {
  name: "socket_room",
  create: (violate, judged) => {
    const processes = new Map<string, Map<number, Room>>();
    const bytesMax = { server: 0, agent: 0 };
    const watch = (name: string, role: keyof typeof bytesMax, step: Step) => {
      const rooms = processes.get(name) ?? new Map<number, Room>();
      processes.set(name, rooms);
      look(rooms, step, bytesMax[role], judged, (message) => violate("safety", `${name} ${message}`));
    };
    return {
      begun: ({ serverLimits, agentLimits }) => {
        bytesMax.server = serverLimits.socketBytesMax;
        bytesMax.agent = agentLimits.socketBytesMax;
      },
      serverStep: ({ name }, event, effects, count) => watch(name, "server", { event, effects, count }),
      agentStep: ({ name }, event, effects, count) => watch(name, "agent", { event, effects, count }),
    };
  },
};

type Step = {
  readonly event: ServerEvent | AgentEvent;
  readonly effects: readonly (ServerEffect | AgentEffect | undefined)[];
  readonly count: number;
};

function look(
  rooms: Map<number, Room>,
  { event, effects, count }: Step,
  bytesMax: number,
  judged: () => void,
  tell: (message: string) => void,
): void {
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
      rooms.set(socket, { greetingBytes: bytes, sessionBytes: 0 });
      continue;
    }
    const room = rooms.get(socket);
    if (room === undefined) continue;
    const { sessionBytes } = room;
    if (sessionBytes > 0) judged();
    if (kind === KIND.piece && sessionBytes >= bytesMax)
      tell(`gives socket ${socket} a piece on top of ${sessionBytes} bytes, and its room is ${bytesMax}`);
    // Several that are not pieces go together.
    if (kind !== KIND.resume && sessionBytes - ofStepBytes >= 2 * bytesMax)
      tell(`gives socket ${socket} frame ${kind} on top of ${sessionBytes} bytes, twice its room and more`);
    room.sessionBytes += bytes;
    ofStepBytes += bytes;
  }
}

function flushed(room: Room | undefined, bytes: number): void {
  if (room === undefined) return;
  const ofGreeting = Math.min(bytes, room.greetingBytes);
  room.greetingBytes -= ofGreeting;
  room.sessionBytes -= bytes - ofGreeting;
}
