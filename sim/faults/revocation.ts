/**
 * Tokens that are revoked while they are in use: those of visitors, those of agents with all that was made with them, the
 * signatures that open media, visitor sockets and MoosicBox's tunnels, or all of a home. Its operator thinks better of it when the
 * fault ends: what was there before is there again.
 */
import type { HeldToken, RegistryOperation, TokenKind } from "../../core/registry.ts";
import { isNative } from "../scenario/scenario.ts";
import { type FaultContext, type FaultKind, noParameters } from "./fault.ts";

/** A home with the tokens that it has. */
type Home = { readonly clientId: string; readonly tokens: readonly HeldToken[] };

type Revocation = Extract<RegistryOperation, { readonly type: "revoke_token" | "revoke_client" }>;

export const revocationFaults: readonly FaultKind[] = [
  revocationFault("client_token_revoked", eachOf("client_access")),
  revocationFault("visitor_token_revoked", eachOf("visitor")),
  revocationFault("signature_revoked", eachOf("signature")),
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

function revocationFault(name: string, operations: (home: Home) => readonly Revocation[]): FaultKind {
  return {
    name,
    target: "home",
    // From a blink to long enough for every renewal of leases.
    lastsMs: [500, 60_000],
    draw: noParameters,
    begin: (context) => revoke(context, operations),
  };
}

function revoke(context: FaultContext, operations: (home: Home) => readonly Revocation[]): () => void {
  const { tokens } = context.scene.registry;
  const { clientId } = context.site.spec;
  const there = tokens.all().flatMap(({ kind, ...token }): HeldToken[] => {
    return token.clientId === clientId && kind !== "invite"
      ? [{ kind, tokenHash: token.tokenHash, clientId }]
      : [];
  });
  // At once, whatever befalls the calls of nodes: one that came when the fault is over would be for good.
  for (const operation of operations({ clientId, tokens: there })) {
    const outcome = tokens.commit(operation);
    if (operation.type === "revoke_client") context.scene.registry.homes.forget(clientId);
    if (outcome.type === "tokens_revoked" && outcome.tokens > 0) context.fired();
  }
  return () => {
    for (const token of there) tokens.restore(token);
  };
}

function all({ clientId }: Home): readonly Revocation[] {
  return [{ type: "revoke_client", clientId }];
}

function eachOf(kind: TokenKind): (home: Home) => readonly Revocation[] {
  return ({ tokens }) =>
    tokens.filter((token) => token.kind === kind).map((token) => ({ type: "revoke_token", ...token }));
}
