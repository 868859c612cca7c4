/** `culvert revoke`: deletes tokens in the database. The servers find out by themselves, with their next renewal of leases. */
import { createHash } from "node:crypto";
import type { HeldToken, RegistryOperation, RegistryOutcome, TokenKind } from "../../core/registry.ts";
import { openServersRegistry, type Registry } from "../registry/registry.ts";
import type { RevokeConfig } from "../settings/revoke.ts";
import { StartupError } from "../startup-error.ts";

const KINDS: readonly TokenKind[] = ["client_access", "visitor", "signature", "magic"];

/** Gives the number of tokens that are gone, at least one. Rejects with `StartupError` where nothing was revoked. */
export async function revoke({ database, clientId, token }: RevokeConfig): Promise<number> {
  const registry = await openServersRegistry(database);
  try {
    const operations: readonly RegistryOperation[] =
      token === null
        ? [{ type: "revoke_client", clientId }]
        : (await kindsOf(registry, token, clientId)).map((held) => ({ type: "revoke_token", ...held }));
    let tokens = 0;
    for (const operation of operations) tokens += revokedBy(await call(registry, operation));
    if (tokens > 0) return tokens;
    throw new StartupError(
      token === null ? "the client id has no tokens" : "the client id has no such token",
    );
  } finally {
    await registry.close();
  }
}

/** A token does not say of which kind it is. */
async function kindsOf(registry: Registry, token: string, clientId: string): Promise<readonly HeldToken[]> {
  const tokenHash = createHash("sha256").update(token).digest("hex");
  const tokens = KINDS.map((kind) => ({ kind, tokenHash, clientId }));
  const outcome = await call(registry, { type: "check_tokens", tokens });
  return outcome.type === "tokens_checked" ? tokens.filter((_, place) => !outcome.gone.includes(place)) : [];
}

function revokedBy(outcome: RegistryOutcome): number {
  return outcome.type === "tokens_revoked" ? outcome.tokens : 0;
}

async function call(registry: Registry, operation: RegistryOperation): Promise<RegistryOutcome> {
  const outcome = await new Promise<RegistryOutcome>((resolve) => registry.call(operation, resolve));
  if (outcome.type !== "failed") return outcome;
  throw new StartupError(
    outcome.fault === "refused"
      ? "the database refuses it: its account needs SELECT and DELETE"
      : "the database did not answer as it should: some tokens may be left, so try again",
  );
}
