/**
 * A session is taken up by nobody but who was shown its latest ticket, or the one before it while nobody can know that the
 * latest was received; each is good once, and for its own client id. And nobody who shows a good one in time is turned away.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Property } from "../record/checker.ts";
import { KIND, readGreeting } from "../wire/native.ts";
import { ofEachProcess } from "./of-each-process.ts";

/** Of one client id at one process. */
type Shown = {
  /** Null once the session has ended. */
  latest: string | null;
  /** Good until something comes that follows the latest welcome. */
  previous: string | null;
  /** That carries the session. */
  socket: number | null;
};

export const tickets: Property = {
  name: "tickets",
  create: (violate, judged) => {
    const shownBy = ofEachProcess(() => new Map<string, Shown>());
    return {
      sees: ["socket_bytes", "socket_send_packet", "report"],
      serverStep: (process, event, effects, count) => {
        const { name, ledger } = process;
        const shown = shownBy(process);
        const asked = askedBy(event);
        // As it was before the step: who is turned away ends the session with that.
        const isGood =
          asked !== null && isGoodTicket(shown.get(clientIdOf(ledger, event) ?? ""), asked.ticket);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "report" && effect.report.type === "session_lost") {
            const lost = shown.get(effect.report.clientId);
            // The welcome of its successor may be in the same step, after it.
            if (lost !== undefined) lost.latest = null;
            if (lost !== undefined) lost.previous = null;
          }
          const welcome = welcomeIn(effect);
          const clientId = welcome === null ? undefined : ledger.sockets.get(welcome.socket)?.clientId;
          if (welcome === null || clientId === undefined) continue;
          judged();
          if (welcome.resumed !== isGood) {
            const what = welcome.resumed
              ? "resumes a session for a ticket that is not good"
              : "knows a good ticket no more";
            violate("safety", `${name} ${what}, of ${clientId}`);
          }
          if (
            [...shown.values()].some(
              ({ latest, previous }) => latest === welcome.ticket || previous === welcome.ticket,
            )
          )
            violate("safety", `${name} shows a ticket twice`);
          const previous = welcome.resumed ? (asked?.ticket ?? null) : null;
          shown.set(clientId, { latest: welcome.ticket, previous, socket: welcome.socket });
        }
        if (event.type !== "socket_bytes" || asked !== null) return;
        for (const each of shown.values()) {
          if (each.socket !== event.socket) continue;
          each.previous = null;
          // An agent that takes nothing new is not waited for.
          if (event.bytes[0] === KIND.drain) each.latest = null;
        }
      },
    };
  },
};

function clientIdOf(ledger: Ledger, event: ServerEvent): string | undefined {
  return event.type === "socket_bytes" ? ledger.sockets.get(event.socket)?.clientId : undefined;
}

function isGoodTicket(shown: Shown | undefined, ticket: string): boolean {
  return shown !== undefined && (ticket === shown.latest || ticket === shown.previous);
}

/** The ticket of a hello; null for any other event. */
function askedBy(event: ServerEvent): { readonly ticket: string } | null {
  if (event.type !== "socket_bytes" || event.bytes[0] !== KIND.hello) return null;
  const ticket = readGreeting(event.bytes)?.ticket;
  // No ticket is like none that was ever shown.
  return { ticket: typeof ticket === "string" ? ticket : "" };
}

function welcomeIn(
  effect: ServerEffect | undefined,
): { readonly socket: Packet["socket"]; readonly ticket: string; readonly resumed: boolean } | null {
  if (effect?.type !== "socket_send_packet" || effect.header[0] !== KIND.welcome) return null;
  const members = readGreeting(effect.header);
  return { socket: effect.socket, ticket: String(members?.ticket), resumed: members?.resumed === true };
}

type Packet = Extract<ServerEffect, { readonly type: "socket_send_packet" }>;
