/** A token, who shows it, and what the registry says of it. */
import { fakeSha256, tokenNamed } from "../../../sim/tools/hash.ts";
import { answered, calls } from "./steps.ts";

export const TOKEN = tokenNamed("somebody");
export const bearer = ["authorization", `Bearer ${TOKEN}`];

export const check = (
  call: number,
  kind: "client_access" | "signature" = "client_access",
  clientId = "home0",
) => calls(call, { type: "check_token", kind, tokenHash: fakeSha256(TOKEN), clientId });

export const checked = (call: number, valid: boolean) =>
  answered(call, { type: "token_checked", valid, fence: 1 });
