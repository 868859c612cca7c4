/** The credentials that are there before a run: of each home all that it could have, and what its agent was set up with. */
import {
  ACCESS_TOKEN,
  clientTokenOf,
  expiredTokenOf,
  inviteOf,
  SPARE_SIGNATURES,
  STRANGER,
  signatureTokenOf,
  spareSignatureOf,
  tunnelSignatureOf,
  visitorTokenOf,
} from "../scenario/request.ts";
import type { HomeSpec, Scenario } from "../scenario/scenario.ts";
import { fakeSha256 } from "../tools/hash.ts";
import type { TokenKind, TokenTables } from "./token-tables.ts";

/** Longer than any fault sets the registry's clock back. */
const EXPIRED_SINCE_MS = 24 * 3600 * 1000;

export function seedTokens(tables: TokenTables, { homes }: Pick<Scenario, "homes">): void {
  for (const clientId of [STRANGER, ...homes.map((home) => home.clientId)]) {
    const seed = (kind: TokenKind, token: string, lifetimeMs: number | null = null) =>
      tables.seed(kind, fakeSha256(token), { clientId, lifetimeMs, name: "all" });
    seed("client_access", clientTokenOf(clientId));
    seed("visitor", visitorTokenOf(clientId));
    seed("invite", inviteOf(clientId));
    seed("signature", signatureTokenOf(clientId));
    seed("signature", tunnelSignatureOf(clientId));
    for (let number = 0; number < SPARE_SIGNATURES; number++)
      seed("signature", spareSignatureOf(clientId, number));
    seed("client_access", expiredTokenOf(clientId), -EXPIRED_SINCE_MS);
    seed("signature", expiredTokenOf(clientId), -EXPIRED_SINCE_MS);
  }
}

/** What the home's agent was set up with. */
export function tokensOf({ clientId, registers, misfit }: HomeSpec): {
  readonly accessToken: string | null;
  readonly clientToken: string | null;
} {
  const valid = registers ? null : clientTokenOf(clientId);
  switch (misfit) {
    case "no_access":
      return { accessToken: null, clientToken: null };
    case "wrong_access":
      return { accessToken: clientTokenOf(clientId), clientToken: null };
    case "expired_client":
      return { accessToken: ACCESS_TOKEN, clientToken: expiredTokenOf(clientId) };
    case "expired_client_no_access":
      return { accessToken: null, clientToken: expiredTokenOf(clientId) };
    default:
      return { accessToken: ACCESS_TOKEN, clientToken: valid };
  }
}
