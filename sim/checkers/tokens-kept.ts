/**
 * A token that a server hands out is one that the registry has: it was stored, for that client id, before it was shown. And
 * none is stored but for who asks for it: a HEAD does not. One that is made with another token is stored only with that one's.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { RegistryOutcome } from "../../core/registry.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { parsedTarget } from "../ledger/place.ts";
import type { Property } from "../record/checker.ts";
import { fakeSha256 } from "../tools/hash.ts";
import { latin1Text } from "../tools/text.ts";

const TOKEN = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;

const NOTHING = new Uint8Array(0);

type Operation = Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];
/** Those that store a token which is then shown. */
type InsertToken = Extract<
  Operation,
  { readonly type: "insert_token" | "register_client" | "insert_visitor_token" }
>;

export const tokensKept: Property = {
  name: "tokens_kept",
  create: (violate, judged) => {
    /** Tokens to store, by the call. */
    const asked = new Map<string, InsertToken>();
    /** Hash and client id of each token that was stored. */
    const stored = new Set<string>();
    return {
      sees: ["registry_answered", "registry_call", "respond"],
      serverStep: ({ name, ledger }, event, effects, count) => {
        if (event.type === "registry_answered" && isStored(event.outcome)) {
          const operation = asked.get(`${name} ${event.call}`);
          if (operation !== undefined) stored.add(`${operation.tokenHash} ${operation.clientId}`);
        }
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "registry_call") {
            if (!isInsert(effect.operation)) continue;
            asked.set(`${name} ${effect.call}`, effect.operation);
            if (!isAskedFor(ledger)) violate("safety", `${name} stores a token that nobody asked for`);
            // Its maker may have been revoked since it let the request in.
            if (effect.operation.type === "insert_token" && effect.operation.by === undefined)
              violate("safety", `${name} stores a token whoever made it`);
          }
          if (effect?.type !== "respond" || effect.status >= 400) continue;
          const exchange = ledger.exchanges.get(effect.exchange);
          if (exchange === undefined || exchange.tunnel !== null) continue;
          const token = TOKEN.exec(latin1Text(effect.body[0] ?? NOTHING))?.[0];
          if (token === undefined) continue;
          judged();
          const clientId = parsedTarget(exchange.opened.target).query.get("clientid") ?? "";
          if (stored.has(`${fakeSha256(token)} ${clientId}`)) continue;
          violate("safety", `${name} hands out a token for ${clientId} that was never stored`);
        }
      },
    };
  },
};

function isInsert(operation: Operation): operation is InsertToken {
  const { type } = operation;
  return type === "insert_token" || type === "register_client" || type === "insert_visitor_token";
}

function isStored(outcome: RegistryOutcome): boolean {
  if (outcome.type === "client_registered") return outcome.result === "registered";
  if (outcome.type === "visitor_token_inserted") return outcome.result === "inserted";
  return outcome.type === "token_inserted";
}

/** One that was given up later in the same step had asked still when its token was to be stored. */
function isAskedFor({ exchanges, steps }: Ledger): boolean {
  for (const { phase, opened, endedIn, endedStep } of exchanges.values()) {
    if (opened.method !== "POST" || !opened.target.includes("/auth/")) continue;
    if (phase === "arrived" || (endedIn === "arrived" && endedStep === steps)) return true;
  }
  return false;
}
