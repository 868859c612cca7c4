/** A visitor who does not read delays nobody else on the tunnel by more than a second. */
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";

const DELAY_MS_MAX = 1_000;

export const neighbours: Property = {
  name: "neighbours",
  create: (violate, judged) => ({
    sees: ["tick", "socket_pause"],
    serverStep: (server, event, effects, count) => {
      for (let index = 0; index < count; index++) {
        const effect = effects[index];
        if (effect?.type !== "socket_pause" || !effect.paused) continue;
        if (server.ledger.sockets.get(effect.socket)?.native !== true) continue;
        violate(
          "safety",
          `${server.name} stops reading native tunnel ${effect.socket}, where credit is for that`,
        );
      }
      if (event.type !== "tick") return;
      for (const tunnel of server.ledger.sockets.values()) {
        if (!tunnel.paused || tunnel.phase !== "open") continue;
        judged();
        const delayMs = server.nowMs - waitingSinceMs(server, tunnel);
        if (delayMs <= DELAY_MS_MAX) continue;
        violate(
          "liveness",
          `somebody waits for paused tunnel ${tunnel.id} of ${server.name} since ${delayMs} ms`,
        );
      }
    },
  }),
};

/**
 * Since when the pause delays somebody: an exchange whose visitor has taken all that there was, or a visitor socket, who
 * may be told something at any time. Infinity where nobody waits.
 */
function waitingSinceMs({ ledger }: SteppedServer, tunnel: LedgerSocket): number {
  let sinceMs = Number.POSITIVE_INFINITY;
  for (const exchange of ledger.exchanges.values()) {
    if (exchange.tunnel !== tunnel.id || exchange.phase !== "asked" || exchange.unflushedBytes > 0) continue;
    sinceMs = Math.min(sinceMs, Math.max(tunnel.pausedMs, exchange.progressMs));
  }
  for (const socket of ledger.sockets.values()) {
    if (socket.kind !== "visitor" || socket.phase !== "open" || socket.clientId !== tunnel.clientId) continue;
    sinceMs = Math.min(sinceMs, Math.max(tunnel.pausedMs, socket.openedMs ?? 0));
  }
  return sinceMs;
}
