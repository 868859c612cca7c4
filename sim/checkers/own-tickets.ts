/**
 * An agent shows a server no ticket but one that it was given last, and none of a session that a link of its own still
 * carries: another server would learn what opens the door to it. One with several links has a ticket for each of those that are lost.
 */
import type { AgentEffect } from "../../core/effects.ts";
import type { Property } from "../record/checker.ts";
import { KIND, readGreeting } from "../wire/native.ts";
import { ofEachProcess } from "./of-each-process.ts";

type Given = {
  /** Sockets of the native protocol that wait for their welcome, each with the ticket that its hello showed. */
  readonly greeting: Map<number, unknown>;
  /** Tickets that may be shown once more, the latest last, each with the socket of its welcome; null where that is gone. */
  readonly tickets: Map<unknown, number | null>;
};

export const ownTickets: Property = {
  name: "own_tickets",
  create: (violate, judged) => {
    let linksOf = (_name: string): number => 1;
    const givenTo = ofEachProcess((): Given => ({ greeting: new Map(), tickets: new Map() }));
    return {
      sees: [
        "socket_opened",
        "socket_bytes",
        "socket_closed",
        "socket_close",
        "socket_terminate",
        "socket_send_packet",
      ],
      begun: ({ scenario }) => {
        linksOf = (name) =>
          scenario.homes.find(({ clientId }) => name.startsWith(`agent:${clientId}`))?.links ?? 1;
      },
      agentStep: (process, event, effects, count) => {
        const given = givenTo(process);
        if (event.type === "socket_closed") leave(given, event.socket);
        const welcomed = event.type === "socket_bytes" && given.greeting.has(event.socket);
        const asked = welcomed ? given.greeting.get(event.socket) : null;
        if (welcomed) given.greeting.delete(event.socket);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          const shown = helloIn(effect);
          if (shown !== null) {
            judged();
            given.greeting.set(shown.socket, shown.ticket);
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
        given.tickets.delete(asked);
        if (linksOf(process.name) === 1) given.tickets.clear();
        if (typeof ticket === "string") given.tickets.set(ticket, event.socket);
      },
    };
  },
};

function leave({ greeting, tickets }: Given, socket: number): void {
  greeting.delete(socket);
  for (const [ticket, of] of tickets) if (of === socket) tickets.set(ticket, null);
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

function wrongWith({ tickets }: Given, shown: unknown): string | null {
  if (shown === null) return null;
  const socket = tickets.get(shown);
  if (socket === undefined) return "shows a ticket that is not its latest";
  return socket === null ? null : `shows the ticket of the session that socket ${socket} carries`;
}
