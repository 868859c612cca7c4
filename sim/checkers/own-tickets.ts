/**
 * An agent shows a server no ticket but the one that it was given last, and none of a session that a link of its own still
 * carries: another server would learn what opens the door to it.
 */
import type { AgentEffect } from "../../core/effects.ts";
import type { Property } from "../record/checker.ts";
import { KIND, readGreeting } from "../wire/native.ts";
import { ofEachProcess } from "./of-each-process.ts";

type Given = {
  /** Sockets of the native protocol that wait for their welcome. */
  readonly greeting: Set<number>;
  /** The latest ticket, and the socket of its welcome; null where there is none, or that socket is gone. */
  ticket: string | null;
  socket: number | null;
};

export const ownTickets: Property = {
  name: "own_tickets",
  create: (violate, judged) => {
    const givenTo = ofEachProcess((): Given => ({ greeting: new Set(), ticket: null, socket: null }));
    return {
      sees: [
        "socket_opened",
        "socket_bytes",
        "socket_closed",
        "socket_close",
        "socket_terminate",
        "socket_send_packet",
      ],
      agentStep: (process, event, effects, count) => {
        const given = givenTo(process);
        if (event.type === "socket_closed") leave(given, event.socket);
        const welcomed = event.type === "socket_bytes" && given.greeting.delete(event.socket);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          const shown = helloIn(effect);
          if (shown !== null) {
            judged();
            given.greeting.add(shown.socket);
            const wrong = wrongWith(given, shown.ticket);
            if (wrong !== null) violate("safety", `${process.name} ${wrong} on socket ${shown.socket}`);
          }
          if (effect?.type === "socket_close" || effect?.type === "socket_terminate")
            leave(given, effect.socket);
        }
        // One that it cannot make sense of is left in the same step.
        const isLeft = welcomed && effects.slice(0, count).some((effect) => isEndOf(effect, event.socket));
        if (!welcomed || isLeft) return;
        const ticket = readGreeting(event.bytes)?.ticket;
        given.ticket = typeof ticket === "string" ? ticket : null;
        given.socket = event.socket;
      },
    };
  },
};

function leave(given: Given, socket: number): void {
  given.greeting.delete(socket);
  if (given.socket === socket) given.socket = null;
}

function isEndOf(effect: AgentEffect | undefined, socket: number): boolean {
  return (effect?.type === "socket_close" || effect?.type === "socket_terminate") && effect.socket === socket;
}

function helloIn(
  effect: AgentEffect | undefined,
): { readonly socket: number; readonly ticket: unknown } | null {
  if (effect?.type !== "socket_send_packet" || effect.header[0] !== KIND.hello) return null;
  // A packet of MoosicBox's protocol may begin like one.
  const members = readGreeting(effect.header);
  return members === null || !("ticket" in members)
    ? null
    : { socket: effect.socket, ticket: members.ticket };
}

function wrongWith({ ticket, socket }: Given, shown: unknown): string | null {
  if (shown === null) return null;
  if (shown !== ticket) return "shows a ticket that is not its latest";
  return socket === null ? null : `shows the ticket of the session that socket ${socket} carries`;
}
