/** Nobody takes more than the limits allow: requests in flight, sockets, bytes that wait for one who does not read. */
import type { ServerLimits } from "../../core/limits.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";

export const withinLimits: Property = {
  name: "within_limits",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    const tell = (excess: string | null, name: string): void => {
      if (excess !== null) violate("safety", `${name} takes ${excess}`);
    };
    return {
      begun: (setting) => {
        limits = setting.serverLimits;
      },
      sees: ["exchange_opened", "socket_opened", "socket_send_text", "socket_send_packet"],
      serverStep: (server, event, effects, count) => {
        if (limits === null) return;
        const { ledger, name } = server;
        if (ledger.asked.length > 0) {
          judged();
          tell(excessOfExchanges(server, limits), name);
        }
        if (event.type === "exchange_opened" && ledger.exchanges.size > limits.exchangesMax) {
          judged();
          let running = 0;
          for (const { phase } of ledger.exchanges.values()) if (phase !== "over") running++;
          if (running > limits.exchangesMax)
            tell(`exchange ${event.exchange} beside ${running - 1} others`, name);
        }
        if (event.type === "socket_opened") tell(excessOfSockets(server, limits), name);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "socket_send_text") continue;
          const reader = ledger.sockets.get(effect.socket);
          if (reader !== undefined) tell(excessOfUnsent(reader, limits), name);
        }
      },
    };
  },
};

/** Of those that were just sent on. */
function excessOfExchanges({ ledger }: SteppedServer, limits: ServerLimits): string | null {
  for (const { tunnel } of ledger.asked) {
    let onTunnel = 0;
    let inFlight = 0;
    for (const exchange of ledger.exchanges.values()) {
      if (exchange.phase === "asked" || exchange.phase === "reading") inFlight++;
      if (exchange.phase === "asked" && tunnel !== null && exchange.tunnel === tunnel) onTunnel++;
    }
    if (onTunnel > limits.tunnelExchangesMax) return `${onTunnel} requests of one tunnel`;
    if (inFlight > limits.exchangesMax) return `${inFlight} requests in flight`;
  }
  return null;
}

function excessOfSockets({ ledger }: SteppedServer, limits: ServerLimits): string | null {
  let tunnels = 0;
  let visitors = 0;
  for (const { kind, phase } of ledger.sockets.values()) {
    // A handshake may be completed just to say why the socket is closed.
    if (phase !== "open") continue;
    if (kind === "tunnel") tunnels++;
    else visitors++;
  }
  if (tunnels > limits.tunnelsMax) return `${tunnels} tunnels`;
  return visitors > limits.visitorSocketsMax ? `${visitors} visitor sockets` : null;
}

/** An ABORT is sent whatever waits: a few bytes that make room for many. */
const ABORTS_BYTES = 64 * 1024;

function excessOfUnsent(socket: LedgerSocket, limits: ServerLimits): string | null {
  const max =
    socket.kind === "tunnel" ? limits.tunnelSendBytesMax + ABORTS_BYTES : limits.visitorSendBytesMax;
  return socket.unsentBytes > max ? `${socket.unsentBytes} unsent bytes of socket ${socket.id}` : null;
}
