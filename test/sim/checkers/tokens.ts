/** A token, who shows it, and what the registry says of it. */
import type { RegistryOperation } from "../../../core/registry.ts";
import { fakeSha256, tokenNamed } from "../../../sim/tools/hash.ts";
import { answered, calls } from "./steps.ts";

export const TOKEN = tokenNamed("somebody");
export const bearer = ["authorization", `Bearer ${TOKEN}`];

type Door = "visitor" | "agent" | "tunnel";

/** What is asked where the token is shown. */
export const check = (call: number, door: Door = "visitor", clientId = "home0") =>
  calls(call, questionAt(door, { tokenHash: fakeSha256(TOKEN), clientId }));

function questionAt(
  door: Door,
  token: { readonly tokenHash: string; readonly clientId: string },
): RegistryOperation {
  switch (door) {
    case "visitor":
      return { type: "check_visitor", ...token };
    case "agent":
      return { type: "check_token", kind: "client_access", ...token };
    case "tunnel":
      return { type: "use_signature", use: "tunnel", ...token };
  }
}

export const checked = (call: number, valid: boolean) =>
  answered(call, { type: "token_checked", valid, fence: 1 });

/** Of a signature at an agent's door. */
export const used = (call: number, valid: boolean, hasCulvertAgent = false) =>
  answered(call, { type: "signature_used", valid, hasCulvertAgent, fence: 1 });
