/** Nobody waits longer for the registry and then for a lost home than the limits for that, however slowly they fail. */
import type { ServerLimits } from "../../core/limits.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property } from "../record/checker.ts";

export const patience: Property = {
  name: "patience",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    let isCluster = false;
    return {
      begun: ({ serverLimits, scenario }) => {
        limits = serverLimits;
        isCluster = scenario.peerPath !== undefined;
      },
      sees: ["tick"],
      // A tick fires all that is due; between two of them a deadline may pass by as much as the timer is late.
      serverStep: ({ name, nowMs, ledger }, event) => {
        if (event.type !== "tick" || limits === null) return;
        // What waits for room on the way to a native agent waits for its answer already.
        const towardsAgentMs = ledger.natives.size > 0 ? limits.exchangeIdleMs + limits.agentNoticeMs : 0;
        const onTheWayMs = towardsAgentMs + (isCluster ? elsewhereMs(limits) : 0);
        for (const exchange of ledger.exchanges.values()) {
          if (exchange.phase !== "arrived") continue;
          judged();
          const waitedMs = nowMs - exchange.progressMs - (ledger.sleptMs - exchange.sleptMs);
          if (waitedMs < exchangePatienceMs(exchange, limits) + onTheWayMs) continue;
          violate("liveness", `exchange ${exchange.id} of ${name} waits to be sent on since ${waitedMs} ms`);
        }
        for (const socket of ledger.sockets.values()) {
          if (socket.phase !== "asking") continue;
          judged();
          const waitedMs = nowMs - socket.requestedMs - (ledger.sleptMs - socket.sleptMs);
          if (waitedMs < socketPatienceMs(socket, limits)) continue;
          violate("liveness", `socket ${socket.id} of ${name} waits for the registry since ${waitedMs} ms`);
        }
      },
    };
  },
};

/** The timer of the first question may be late, most of all while everything happens on a coarse grid. */
const LATE_MS = 250;

/**
 * The endpoints for tokens ask their questions one after the other, and all that a home is asked for when the home was there last.
 * Its own door asks what home it is and whose token, and may do so again when the home is back.
 */
function exchangePatienceMs({ opened, place }: LedgerExchange, limits: ServerLimits): number {
  const { registryVisitorMs, registryCallMs, waitMs } = limits;
  const homeMs = waitMs === 0 ? 0 : waitMs + LATE_MS;
  if (place.way !== "query") return 3 * (registryVisitorMs + LATE_MS) + homeMs;
  const questions = tokenQuestions(opened.target);
  const askMs = questions === 0 ? registryVisitorMs : questions * registryVisitorMs + LATE_MS;
  return askMs + registryCallMs + LATE_MS + homeMs;
}

/** Who may have a token, and whether it could be stored; of one that the client makes, whose it was where that failed. None elsewhere. */
export function tokenQuestions(target: string): number {
  if (target.startsWith("/auth/magic-token")) return 3;
  return target.startsWith("/auth/") ? 2 : 0;
}

/** Which node has the home is asked, and again where nobody could be reached there, or where it was waited for in vain. */
export function elsewhereMs({ registryVisitorMs, peerConnectMs, waitMs }: ServerLimits): number {
  return 2 * (registryVisitorMs + LATE_MS) + peerConnectMs + waitMs;
}

/** A socket has its time in line before; then a tunnel's token is looked up, and its row written. */
function socketPatienceMs({ kind }: LedgerSocket, limits: ServerLimits): number {
  const { registryTunnelMs, handshakeLineMs } = limits;
  const calls = kind === "tunnel" ? 2 * registryTunnelMs + LATE_MS : registryTunnelMs;
  return 2 * handshakeLineMs + calls;
}
