/** Nobody is told that a home is not there while it is: who waited for it goes out when it is back, also by a resumption. */
import type { ServerEffect } from "../../core/effects.ts";
import type { SocketId } from "../../core/ids.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";
import { latin1Text } from "../tools/text.ts";
import { KIND } from "../wire/native.ts";

export const homeReached: Property = {
  name: "home_reached",
  create: (violate, judged) => {
    /** Of each process: tunnels whose agent wants nothing new on them. */
    const leaving = new Map<Ledger, Set<SocketId>>();
    return {
      sees: ["respond", "socket_bytes"],
      serverStep: (server, event, effects, count) => {
        const { ledger } = server;
        if (event.type === "socket_bytes" && event.bytes[0] === KIND.drain) {
          const sockets = leaving.get(ledger) ?? new Set();
          leaving.set(ledger, sockets.add(event.socket));
        }
        // A server that is about to leave gives no home to a tunnel that stood by.
        if (ledger.drainAskedMs !== null) return;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "respond" || !saysAway(effect)) continue;
          judged();
          const clientId = ledger.exchanges.get(effect.exchange)?.clientId ?? "";
          const tunnel = tunnelOf(server, clientId, leaving.get(ledger));
          if (tunnel !== undefined)
            violate(
              "liveness",
              `${server.name} says that ${clientId} is not there, whose tunnel ${tunnel} is open`,
            );
        }
      },
    };
  },
};

function saysAway({ status, body }: Extract<ServerEffect, { readonly type: "respond" }>): boolean {
  if (status !== 424 && status !== 503) return false;
  const text = body.map(latin1Text).join("");
  // Who was let in by another mode than the home has now has to ask again, though it is there.
  return text.includes("agent_not_connected") && !text.includes("has changed who may visit it");
}

function tunnelOf(
  { ledger }: SteppedServer,
  wanted: string,
  leaving: ReadonlySet<SocketId> | undefined,
): SocketId | undefined {
  for (const { id, kind, clientId, phase, greeted } of ledger.sockets.values()) {
    const isOpen = kind === "tunnel" && phase === "open" && greeted && leaving?.has(id) !== true;
    if (isOpen && clientId === wanted) return id;
  }
  return undefined;
}
