/**
 * Asking again. Whoever was let in stays as long as the token is good that let him in, so with each renewal of leases the
 * registry is asked about all of them, in one call: those of tunnels, of sessions that wait for their agent, of visitor sockets
 * and requests, and those that are remembered as good. What is revoked ends (`life/revoke.ts`) within `leaseRenewMs` and the time
 * of a call. While the registry cannot be asked, what was let in stays; it is asked again until it answers.
 */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import type { HeldToken } from "../../registry.ts";
import { callRegistry } from "../registry/calls.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import type { Socket } from "../state/tunnels.ts";

export function checkTokens(state: ServerState, out: Outbox<ServerEffect>): void {
  const tokens = tokensInUse(state);
  if (tokens.length === 0) return;
  const purpose = { type: "check_tokens", tokens } as const;
  callRegistry(state, { type: "check_tokens", tokens }, purpose, state.config.limits.leaseRenewMs, out);
}

/** Whether the socket was let in by its token, and is not over. */
export function isLetIn({ phase }: Socket): boolean {
  return phase !== "authorizing" && phase !== "closing";
}

/** The same of a request. One whose answer has still to be taken is not over. */
export function isServed({ phase, unflushedBytes }: Exchange): boolean {
  return phase !== "authorizing" && (phase !== "closing" || unflushedBytes > 0);
}

/** Each once. */
function tokensInUse(state: ServerState): readonly HeldToken[] {
  const tokens = new Map<string, HeldToken>();
  const use = (token: HeldToken | null) => {
    if (token !== null) tokens.set(tokenName(token), token);
  };
  for (const socket of state.sockets.values()) if (isLetIn(socket)) use(socket.token);
  for (const session of state.sessions.values()) use(session.token);
  for (const exchange of state.exchanges.values()) if (isServed(exchange)) use(exchange.token);
  const { tokenTrustMs } = state.config.limits;
  for (const { sinceMs, token } of state.trusted.values()) {
    if (state.nowMs - sinceMs < tokenTrustMs) use(token);
  }
  return [...tokens.values()];
}

/** Different for different tokens. */
export function tokenName({ kind, tokenHash, clientId }: HeldToken): string {
  return `${kind} ${tokenHash} ${clientId}`;
}
