/** A server has no timer without an owner: there are never more than live things could have. */
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";
import { ofEachProcess } from "./of-each-process.ts";

/** Of so many steps the first is looked at. */
const STEPS_PER_COUNT = 4;

export const timersOwned: Property = {
  name: "timers_owned",
  create: (violate, judged) => {
    /** Of each process: when each call was made that may be under way, or wait to be made again under another number. */
    const callsOf = ofEachProcess(() => new Map<number, number>());
    let callMs = 0;
    let patienceMs = 0;
    return {
      begun: ({ serverLimits }) => {
        const { registryCallMs, registryTunnelMs, registryVisitorMs, leaseRenewMs } = serverLimits;
        callMs = registryCallMs;
        patienceMs = callMs + Math.max(registryTunnelMs, registryVisitorMs, leaseRenewMs);
      },
      serverStep: (server, event, effects, count) => {
        const { name, nowMs } = server;
        const calls = callsOf(server);
        if (event.type === "registry_answered" && event.outcome.type !== "failed") {
          // A later answer comes to a call that was given up already.
          if (nowMs - (calls.get(event.call) ?? 0) < callMs) calls.delete(event.call);
        }
        // Only then: a stalled process has timers that are long due and have not fired yet.
        if (event.type === "tick")
          for (const [call, madeMs] of calls) if (madeMs + patienceMs <= nowMs) calls.delete(call);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "registry_call") calls.set(effect.call, nowMs);
        }
        // Counting owners takes as long as there are many; a timer that nobody owns stays until it fires.
        if (server.ledger.steps % STEPS_PER_COUNT !== 1) return;
        judged();
        const { timersArmed, waiting, sessions, seeks } = server.snapshot();
        const owners = ownersOf(server, sessions) + calls.size + waiting + seeks;
        if (timersArmed <= owners) return;
        violate(
          "safety",
          `${name} has ${timersArmed} timers after ${event.type} and ${owners} things to time`,
        );
      },
    };
  },
};

/**
 * The lease, the sweep and the drain; each exchange; each socket, its pause and its hello; each session. An exchange that
 * waits in a session for room on the way to its home cannot be told from outside from one that waits for the registry.
 */
function ownersOf({ ledger }: SteppedServer, sessions: number): number {
  let owners = (ledger.drainAskedMs === null ? 2 : 3) + sessions;
  for (const exchange of ledger.exchanges.values())
    if (exchange.phase !== "arrived" || sessions > 0) owners++;
  for (const socket of ledger.sockets.values()) {
    if (socket.phase === "accepted" || socket.phase === "open") owners += socket.paused ? 2 : 1;
    if (socket.native && !socket.greeted) owners++;
  }
  return owners;
}
