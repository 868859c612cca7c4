/**
 * Tokens that are revoked while they are in use: a visitor's, the agent's with all that was made with it, the signatures that
 * open media, visitor sockets and MoosicBox's tunnels, or all of a home.
 * Its operator thinks better of it when the fault ends: what was there before the run is there again. Agents that may register
 * have new tokens by then.
 */
import type { HeldToken, RegistryOperation, TokenKind } from "../../core/registry.ts";
import { clientTokenOf, signatureTokenOf, tunnelSignatureOf, visitorTokenOf } from "../scenario/request.ts";
import { isNative } from "../scenario/scenario.ts";
import { fakeSha256 } from "../tools/hash.ts";
import { type FaultContext, type FaultKind, noParameters } from "./fault.ts";

type Revocation = Extract<RegistryOperation, { readonly type: "revoke_token" | "revoke_client" }>;

export const revocationFaults: readonly FaultKind[] = [
  revocationFault("client_token_revoked", (clientId) => revocationOf(clientId, "client_access")),
  revocationFault("visitor_token_revoked", (clientId) => revocationOf(clientId, "visitor")),
  revocationFault("signature_revoked", (clientId) => revocationOf(clientId, "signature")),
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

function all(clientId: string): readonly Revocation[] {
  return [{ type: "revoke_client", clientId }];
}

function revocationOf(clientId: string, kind: TokenKind): readonly Revocation[] {
  const meant = tokensOf(clientId).filter((token) => token.kind === kind);
  return meant.map((token) => ({ type: "revoke_token", ...token }));
}

function revocationFault(name: string, operations: (clientId: string) => readonly Revocation[]): FaultKind {
  return {
    name,
    target: "home",
    // From a blink to long enough for every renewal of leases.
    lastsMs: [500, 60_000],
    draw: noParameters,
    begin: (context) => revoke(context, operations),
  };
}

function revoke(context: FaultContext, operations: (clientId: string) => readonly Revocation[]): () => void {
  const { clientId } = context.site.spec;
  // At once, whatever befalls the calls of nodes: one that came when the fault is over would be for good.
  for (const operation of operations(clientId)) {
    const outcome = context.scene.registry.tokens.commit(operation);
    if (outcome.type === "tokens_revoked" && outcome.tokens > 0) context.fired();
  }
  return () => restore(context, clientId);
}

function restore({ scene }: FaultContext, clientId: string): void {
  for (const token of tokensOf(clientId)) scene.registry.tokens.restore(token);
}

/** What the home's agent and its visitors have before the run. */
function tokensOf(clientId: string): readonly HeldToken[] {
  const held = (kind: TokenKind, token: string) => ({ kind, tokenHash: fakeSha256(token), clientId });
  return [
    held("client_access", clientTokenOf(clientId)),
    held("visitor", visitorTokenOf(clientId)),
    held("signature", signatureTokenOf(clientId)),
    held("signature", tunnelSignatureOf(clientId)),
  ];
}
