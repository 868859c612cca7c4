/**
 * Tokens that are revoked while they are in use: a visitor's, the one that opens tunnels and visitor sockets, or all of a home.
 * Its operator thinks better of it when the fault ends: what was there before the run is there again. Agents that may register
 * have new tokens by then.
 */
import type { HeldToken, RegistryOperation, TokenKind } from "../../core/registry.ts";
import { clientTokenOf, signatureTokenOf } from "../scenario/request.ts";
import { isNative } from "../scenario/scenario.ts";
import { fakeSha256 } from "../tools/hash.ts";
import { type FaultContext, type FaultKind, noParameters } from "./fault.ts";

type Revocation = Extract<RegistryOperation, { readonly type: "revoke_token" | "revoke_client" }>;

export const revocationFaults: readonly FaultKind[] = [
  revocationFault("client_token_revoked", (clientId) => ({
    type: "revoke_token",
    ...heldToken("client_access", clientId),
  })),
  revocationFault("signature_revoked", (clientId) => ({
    type: "revoke_token",
    ...heldToken("signature", clientId),
  })),
  revocationFault("home_revoked", all),
  {
    ...revocationFault("native_home_revoked_while_away", all),
    suits: isNative,
    // An agent is waited for about as long.
    lastsMs: [500, 15_000],
    begin: (context) => {
      const { path } = context.site;
      path.refusals++;
      path.cutAll(0, 0);
      const end = revoke(context, all);
      return () => {
        path.refusals--;
        end();
      };
    },
  },
];

function all(clientId: string): Revocation {
  return { type: "revoke_client", clientId };
}

function revocationFault(name: string, operation: (clientId: string) => Revocation): FaultKind {
  return {
    name,
    target: "home",
    // From a blink to long enough for every renewal of leases.
    lastsMs: [500, 60_000],
    draw: noParameters,
    begin: (context) => revoke(context, operation),
  };
}

function revoke(context: FaultContext, operation: (clientId: string) => Revocation): () => void {
  const { clientId } = context.site.spec;
  // At once, whatever befalls the calls of nodes: one that came when the fault is over would be for good.
  const outcome = context.scene.registry.tokens.revoke(operation(clientId), false);
  if (outcome.type === "tokens_revoked" && outcome.tokens > 0) context.fired();
  return () => restore(context, clientId);
}

function restore({ scene }: FaultContext, clientId: string): void {
  for (const kind of ["client_access", "signature"] as const) {
    scene.registry.tokens.restore(heldToken(kind, clientId));
  }
}

function heldToken(kind: Exclude<TokenKind, "magic">, clientId: string): HeldToken {
  const token = kind === "signature" ? signatureTokenOf(clientId) : clientTokenOf(clientId);
  return { kind, tokenHash: fakeSha256(token), clientId };
}
