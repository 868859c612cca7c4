/**
 * A credential opens its own door and no other: judged by what was shown and by what it is, whatever the registry was asked.
 * A signature is for media or for tunnels, once it was one of them; where an agent of Culvert's own was let in, none lets an
 * agent in any more; and an invite registers once.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import { parsedTarget } from "../ledger/place.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property } from "../record/checker.ts";
import {
  ACCESS_TOKEN,
  clientTokenOf,
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
import { bearer, neededCredential } from "./credential.ts";

type Kind = "client" | "visitor" | "signature" | "invite" | "operator";
type Credential = { readonly kind: Kind; readonly clientId: string };
type Operation = Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];

/** A registry that forgets, or tells of the past, knows no better. */
const FORGETFUL: ReadonlySet<string> = new Set(["registry_loses_write", "registry_reads_stale"]);

class Known {
  readonly #credentials = new Map<string, Credential>();
  /** What each signature was let in for. */
  readonly uses = new Map<string, "media" | "tunnel">();
  /** When an agent of Culvert's own was first let in, by client id, in virtual microseconds. */
  readonly agents = new Map<string, number>();
  readonly usedInvites = new Set<string>();
  readonly isForgetful: boolean;
  readonly homes: readonly HomeSpec[];

  constructor({ homes, faults }: Pick<Scenario, "homes" | "faults">) {
    this.homes = homes;
    this.isForgetful = faults.some(({ kind }) => FORGETFUL.has(kind));
    this.add(fakeSha256(ACCESS_TOKEN), { kind: "operator", clientId: "" });
    for (const clientId of [STRANGER, ...homes.map((home) => home.clientId)]) {
      const add = (kind: Kind, token: string) => this.add(fakeSha256(token), { kind, clientId });
      add("client", clientTokenOf(clientId));
      add("visitor", visitorTokenOf(clientId));
      add("invite", inviteOf(clientId));
      add("signature", signatureTokenOf(clientId));
      add("signature", tunnelSignatureOf(clientId));
      for (let number = 0; number < SPARE_SIGNATURES; number++)
        add("signature", spareSignatureOf(clientId, number));
    }
  }

  add(tokenHash: string, credential: Credential): void {
    this.#credentials.set(tokenHash, credential);
  }

  note(operation: Operation): void {
    if (operation.type === "register_client")
      this.add(operation.tokenHash, { kind: "client", clientId: operation.clientId });
    if (operation.type === "insert_visitor_token")
      this.add(operation.tokenHash, { kind: "visitor", clientId: operation.clientId });
    if (operation.type === "insert_token" && operation.kind === "signature")
      this.add(operation.tokenHash, { kind: "signature", clientId: operation.clientId });
  }

  /** Whether it is of one of the kinds, and of that client id where it is anybody's. */
  is(tokenHash: string, clientId: string, kinds: readonly Kind[]): boolean {
    const credential = this.#credentials.get(tokenHash);
    if (credential === undefined || !kinds.includes(credential.kind)) return false;
    return credential.kind === "operator" || credential.clientId === clientId;
  }

  kindOf(tokenHash: string): Kind | null {
    return this.#credentials.get(tokenHash)?.kind ?? null;
  }
}

export const oneDoor: Property = {
  name: "one_door",
  create: (violate, judged) => {
    let known: Known | null = null;
    return {
      begun: ({ scenario }) => {
        known = new Known(scenario);
      },
      sees: ["registry_call", "report", "respond", "exchange_read", "socket_send_text", "socket_send_packet"],
      serverStep: ({ name, ledger, nowMs }, event, effects, count) => {
        if (known === null) return;
        const judge = (wrong: string | null) => {
          judged();
          if (wrong !== null) violate("safety", `${name} ${wrong} on ${event.type}`);
        };
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "registry_call") known.note(effect.operation);
          if (effect?.type === "report" && effect.report.type === "tunnel_accepted") {
            const socket = ledger.sockets.get(effect.report.socket);
            if (socket !== undefined) judge(wrongAgent(known, socket, nowMs));
          }
          // A redirect says nothing that the visitor does not know.
          if (effect?.type === "respond" && effect.status < 300) {
            const exchange = ledger.exchanges.get(effect.exchange);
            const isOwn = exchange !== undefined && exchange.tunnel === null;
            if (isOwn && exchange.opened.method !== "OPTIONS") judge(wrongVisitor(known, exchange));
          }
        }
        for (const exchange of ledger.asked) judge(wrongVisitor(known, exchange));
      },
    };
  },
};

function wrongAgent(known: Known, socket: LedgerSocket, nowMs: number): string | null {
  const { clientId, target, headers, requestedMs } = socket;
  const signature = parsedTarget(target).query.get("signature");
  if (signature === undefined) {
    if (!known.agents.has(clientId)) known.agents.set(clientId, nowMs);
    const isClient = known.is(fakeSha256(bearer(headers)), clientId, ["client"]);
    return isClient ? null : `lets an agent of ${clientId} in with no client token of it`;
  }
  const tokenHash = fakeSha256(signature);
  if (!known.is(tokenHash, clientId, ["signature"]))
    return `lets an agent of ${clientId} in with no signature of it`;
  if (known.isForgetful) return null;
  if (requestedMs > (known.agents.get(clientId) ?? Number.POSITIVE_INFINITY))
    return `lets an agent of ${clientId} in by a signature, where Culvert's own was`;
  return wrongUse(known, tokenHash, "tunnel");
}

function wrongUse(known: Known, tokenHash: string, use: "media" | "tunnel"): string | null {
  const before = known.uses.get(tokenHash) ?? use;
  known.uses.set(tokenHash, use);
  return before === use || known.isForgetful ? null : `takes a signature of ${before} for one of ${use}`;
}

/** A request that goes to a home, or that the server itself does what it asks for. */
function wrongVisitor(known: Known, exchange: LedgerExchange): string | null {
  const needed = neededCredential(exchange.opened, exchange.place);
  const name = `exchange ${exchange.id}`;
  switch (needed.kind) {
    case "none":
    case "sign_in":
    case "magic":
    case "tunnel_token":
    case "tunnel_signature":
      return null;
    case "home": {
      const home = known.homes.find(({ clientId }) => clientId === needed.clientId);
      // What such a home asks for is not a token, but for a moment where another agent says so.
      if (home?.access !== undefined) return null;
      return wrongUnless(known, name, needed, ["client", "visitor"]);
    }
    case "visitor":
      return wrongUnless(known, name, needed, ["client", "visitor"]);
    case "agent":
      return wrongUnless(known, name, needed, ["client"]);
    case "signature":
      return wrongUnless(known, name, needed, ["signature"]);
    case "media":
      return wrongUnless(known, name, needed, ["signature"]) ?? wrongUse(known, needed.tokenHash, "media");
    case "registration": {
      const tokenHash = fakeSha256(needed.token);
      const wrong = wrongUnless(known, name, { ...needed, tokenHash }, ["operator", "client", "invite"]);
      if (wrong !== null || known.kindOf(tokenHash) !== "invite") return wrong;
      if (known.usedInvites.has(tokenHash) && !known.isForgetful)
        return `registers ${name} with a used invite`;
      known.usedInvites.add(tokenHash);
      return null;
    }
  }
}

function wrongUnless(
  known: Known,
  name: string,
  { tokenHash, clientId }: { readonly tokenHash: string; readonly clientId: string },
  kinds: readonly Kind[],
): string | null {
  if (known.is(tokenHash, clientId, kinds)) return null;
  const shown = known.kindOf(tokenHash) ?? "nothing known";
  return `does for ${name} what takes a ${kinds.join(" or a ")} of ${clientId}, and was shown ${shown}`;
}
