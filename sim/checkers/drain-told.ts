/**
 * Who is asked to stop tells the other end of each native session, on each socket that carries it from then on, and before
 * anything else but where it stands: an agent that was not told waits with its homes' answers for a server that lets nobody in again.
 */
import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { Property } from "../record/checker.ts";
import { KIND, readGreeting } from "../wire/native.ts";

/** What tells where the socket stands, and is not the session's or comes before all of it. */
const BESIDE: ReadonlySet<number> = new Set([KIND.welcome, KIND.resume, KIND.nodes]);

export const drainTold: Property = {
  name: "drain_told",
  create: (violate, judged) => {
    /** By process that was asked to stop: sockets on which it has said so, or does not need to. */
    const processes = new Map<string, Set<number>>();
    /** By agent: sockets of the native protocol. */
    const natives = new Map<string, Set<number>>();
    const look = (
      name: string,
      told: Set<number>,
      isNative: (socket: number) => boolean,
      effects: readonly (ServerEffect | AgentEffect | undefined)[],
      count: number,
    ) => {
      for (let index = 0; index < count; index++) {
        const effect = effects[index];
        if (effect?.type !== "socket_send_packet" || !isNative(effect.socket)) continue;
        const { socket, header } = effect;
        if (header[0] === KIND.drain || beginsAnew(header)) told.add(socket);
        if (BESIDE.has(header[0] ?? 0)) continue;
        judged();
        if (!told.has(socket))
          violate(
            "safety",
            `${name} drains and sends frame ${header[0]} on socket ${socket} before it says so`,
          );
      }
    };
    const toldOf = (name: string, isAsked: boolean) => {
      const told = processes.get(name);
      if (told !== undefined || !isAsked) return told;
      const none = new Set<number>();
      processes.set(name, none);
      return none;
    };
    return {
      sees: ["drain_requested", "socket_opened", "socket_send_packet"],
      serverStep: ({ name }, event, effects, count) => {
        const told = toldOf(name, event.type === "drain_requested");
        if (told !== undefined) look(name, told, () => true, effects, count);
      },
      agentStep: ({ name }, event, effects, count) => {
        if (event.type === "socket_opened" && event.protocol !== null)
          natives.set(name, (natives.get(name) ?? new Set()).add(event.socket));
        const told = toldOf(name, event.type === "drain_requested");
        if (told === undefined) return;
        look(name, told, (socket) => natives.get(name)?.has(socket) === true, effects, count);
      },
    };
  },
};

/** A session that begins at a server which lets nothing in never has anything to lose. */
function beginsAnew(header: Uint8Array): boolean {
  return header[0] === KIND.welcome && readGreeting(header)?.resumed !== true;
}
