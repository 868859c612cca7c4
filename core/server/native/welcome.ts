/** The answer to a native agent's hello: which session its tunnel carries, and the ticket of the next resumption. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { encodeWelcome, type Hello } from "../../wire/native.ts";
import { waysOf } from "../routing/place.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel, TunnelSession } from "../state/tunnels.ts";

/** The ticket is shown here and never again. `shownHash` is of the one that was shown to resume the session, else null. */
export function sendWelcome(
  state: ServerState,
  tunnel: Tunnel,
  session: TunnelSession,
  hello: Hello,
  shownHash: string | null,
  out: Outbox<ServerEffect>,
): void {
  const ticket = tunnel.native?.ticket ?? null;
  assert(tunnel.native !== null && ticket !== null, "a tunnel is welcomed twice");
  tunnel.native.ticket = null;
  session.previousTicketHash = shownHash;
  session.ticketHash = state.config.sha256(ticket);
  const resumed = shownHash !== null;
  const ways = waysOf(tunnel.clientId, state.config, hello.host);
  const { graceMs, exchangeIdleMs } = state.config.limits;
  const header = encodeWelcome({ ticket, resumed, graceMs, idleMs: exchangeIdleMs, moves: true, ways });
  tunnel.unsentBytes += header.length;
  out.push({ type: "socket_send_packet", socket: tunnel.id, header, body: [] });
}
