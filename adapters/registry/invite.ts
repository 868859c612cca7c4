/** Makes an invite, which registers one client id once. */
import { createHash, randomUUID } from "node:crypto";
import type { RegistryOutcome } from "../../core/registry.ts";
import type { InviteConfig } from "../settings/credentials.ts";
import { StartupError } from "../startup-error.ts";
import { openServersRegistry } from "./registry.ts";

/** Stores the invite in the server's database, and gives its text. Rejects with `StartupError`. */
export async function createInvite({ clientId, lifetimeSeconds, database }: InviteConfig): Promise<string> {
  const registry = await openServersRegistry(database);
  const invite = randomUUID();
  const tokenHash = createHash("sha256").update(invite).digest("hex");
  const lifetimeMs = lifetimeSeconds * 1000;
  try {
    const outcome = await new Promise<RegistryOutcome>((resolve) => {
      registry.call({ type: "insert_invite", tokenHash, clientId, lifetimeMs }, resolve);
    });
    if (outcome.type !== "invite_inserted") {
      throw new StartupError(
        "the database did not take the invite: see that it runs and can be written to, and try again",
      );
    }
    return invite;
  } finally {
    await registry.close();
  }
}
