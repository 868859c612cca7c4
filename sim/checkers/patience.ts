/** Nobody waits longer for the registry than the limit for it, however slowly it fails. */
import type { ServerLimits } from "../../core/limits.ts";
import type { Property } from "./checker.ts";
import type { LedgerSocket } from "./ledger.ts";
import type { LedgerExchange } from "./ledger-exchange.ts";

export const patience: Property = {
  name: "patience",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    return {
      begun: ({ serverLimits }) => {
        limits = serverLimits;
      },
      // A tick fires all that is due; between two of them a deadline may pass by as much as the timer is late.
      serverStep: ({ name, nowMs, ledger }, event) => {
        if (event.type !== "tick" || limits === null) return;
        for (const exchange of ledger.exchanges.values()) {
          if (exchange.phase !== "arrived") continue;
          judged();
          const waitedMs = nowMs - exchange.progressMs;
          if (waitedMs < exchangePatienceMs(exchange, limits)) continue;
          violate(
            "liveness",
            `exchange ${exchange.id} of ${name} waits for the registry since ${waitedMs} ms`,
          );
        }
        for (const socket of ledger.sockets.values()) {
          if (socket.phase !== "asking") continue;
          judged();
          const waitedMs = nowMs - socket.requestedMs;
          if (waitedMs < socketPatienceMs(socket, limits)) continue;
          violate("liveness", `socket ${socket.id} of ${name} waits for the registry since ${waitedMs} ms`);
        }
      },
    };
  },
};

/** The endpoints for tokens ask two questions one after the other, all the others one. */
function exchangePatienceMs({ opened }: LedgerExchange, { registryVisitorMs }: ServerLimits): number {
  return opened.target.startsWith("/auth/") ? 2 * registryVisitorMs : registryVisitorMs;
}

/** A tunnel's token is looked up, and then its row is written. */
function socketPatienceMs({ kind }: LedgerSocket, { registryTunnelMs }: ServerLimits): number {
  return kind === "tunnel" ? 2 * registryTunnelMs : registryTunnelMs;
}
