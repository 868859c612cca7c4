/**
 * Tokens that the registry accepted a moment ago. Within `tokenFreshMs` a token is not looked up again; within
 * `tokenTrustMs` it still opens the door when the registry cannot be asked. Refused tokens are never remembered, so that a
 * flood of bad ones grows nothing and a token works as soon as it is registered.
 */
import type { HeldToken, TokenHash } from "../../registry.ts";
import type { TokenDoor } from "../routing/shape.ts";
import type { ServerState } from "../state/server.ts";

/** A token that opened one door opens no other without being looked up. `handshake`: it let a socket in. */
export function trustKey(door: TokenDoor | "handshake", tokenHash: TokenHash, clientId: string): string {
  return `${door} ${tokenHash} ${clientId}`;
}

export function isTrusted(state: ServerState, key: string, withinMs: number): boolean {
  const accepted = state.trusted.get(key);
  return accepted !== undefined && state.nowMs - accepted.sinceMs < withinMs;
}

/** `token` is what the key is of; null for a password, which the registry does not know. */
export function trust(state: ServerState, key: string, token: HeldToken | null): void {
  // Deleted first, so that the map stays ordered by age and the oldest is the first to go.
  state.trusted.delete(key);
  if (state.trusted.size >= state.config.limits.trustedTokensMax) {
    for (const oldest of state.trusted.keys()) {
      state.trusted.delete(oldest);
      break;
    }
  }
  state.trusted.set(key, { sinceMs: state.nowMs, token });
}

export function distrust(state: ServerState, key: string): void {
  state.trusted.delete(key);
}

/** What is trusted; null for a password, and for what is unknown. */
export function trustedToken(state: ServerState, key: string): HeldToken | null {
  return state.trusted.get(key)?.token ?? null;
}

/** Forgets every trust in the token, at whichever door: it was revoked. */
export function forgetToken(state: ServerState, { kind, tokenHash, clientId }: HeldToken): void {
  for (const door of DOORS) {
    const key = trustKey(door, tokenHash, clientId);
    if (trustedToken(state, key)?.kind === kind) distrust(state, key);
  }
}

const DOORS = ["agent", "visitor", "media", "signature", "handshake"] as const;
