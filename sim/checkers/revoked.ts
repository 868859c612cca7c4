/**
 * A revoked credential does nothing after its bound, wherever it was in use. A server that is told so ends with that very step
 * whatever the credential had let in, and takes up no session that was its agent's; and it asks, so that it is told: of each
 * credential in use once in every renewal of leases. While the registry fails, nobody can know.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { SocketId } from "../../core/ids.ts";
import type { ServerLimits } from "../../core/limits.ts";
import type { HeldToken } from "../../core/registry.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import { KIND, readGreeting } from "../wire/native.ts";
import { doorsOf, neededCredential, socketToken, type TokenDoor, tokenKey } from "./credential.ts";
import { GoneTokens } from "./gone-tokens.ts";
import { ofEachProcess } from "./of-each-process.ts";

/** One process. */
type Seen = {
  readonly told: GoneTokens;
  /** By the key of a revoked token that is in use: it has been asked about by then. */
  readonly dueMs: Map<string, number>;
  /** By client id: what the latest tunnel of its session showed, and whether the process was told that it is gone. */
  readonly sessions: Map<string, { readonly key: string; isGone: boolean }>;
};

export const revoked: Property = {
  name: "revoked",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    let homes: readonly HomeSpec[] = [];
    const rows = new Map<string, HeldToken>();
    const seenOf = ofEachProcess((): Seen => {
      return { told: new GoneTokens(), dueMs: new Map(), sessions: new Map() };
    });
    return {
      begun: (setting) => {
        limits = setting.serverLimits;
        homes = setting.scenario.homes;
      },
      sees: ["tick", "registry_answered", "registry_call", "socket_send_packet"],
      tokenRevoked: (token) => {
        rows.set(keyOf(token), token);
      },
      tokenRestored: (token) => {
        rows.delete(keyOf(token));
      },
      serverStep: (server, event, effects, count) => {
        if (limits === null) return;
        const { name, nowMs, ledger } = server;
        const seen = seenOf(server);
        const { leaseRenewMs } = limits;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          for (const token of seen.told.note(effect, nowMs, limits))
            postpone(seen, token, nowMs + leaseRenewMs);
          const welcome = welcomeIn(effect);
          const carrier = welcome === null ? undefined : ledger.sockets.get(welcome.socket);
          if (welcome === null || carrier === undefined) continue;
          const former = seen.sessions.get(carrier.clientId);
          if (welcome.resumed && former?.isGone === true)
            violate("safety", `${name} resumes the session of ${carrier.clientId}, whose token was revoked`);
          seen.sessions.set(carrier.clientId, { key: keyOf(socketToken(carrier)), isGone: false });
        }
        const told = seen.told.hear(event, nowMs);
        if (told !== null) {
          for (const token of told.asked) postpone(seen, token, nowMs + leaseRenewMs);
          const gone = new Set(told.gone.map(keyOf));
          if (gone.size > 0) judged();
          for (const what of gone.size === 0 ? [] : usesOf(gone, ledger, homes))
            violate("safety", `${name} goes on with ${what.name}, and was told that its token is gone`);
          for (const session of seen.sessions.values()) session.isGone ||= gone.has(session.key);
        }
        if (event.type === "tick" && (rows.size > 0 || seen.dueMs.size > 0)) {
          for (const what of overdue(seen, rows, server, { homes, leaseRenewMs }))
            violate("liveness", `${name} lets ${what} go on, and never asked about its revoked token`);
        }
      },
    };
  },
};

/** The uses of revoked tokens that were not asked about in time. */
function overdue(
  seen: Seen,
  rows: ReadonlyMap<string, HeldToken>,
  { nowMs, ledger }: SteppedServer,
  { homes, leaseRenewMs }: { readonly homes: readonly HomeSpec[]; readonly leaseRenewMs: number },
): string[] {
  const uses = usesOf(new Set(rows.keys()), ledger, homes);
  const used = new Set(uses.map(({ key }) => key));
  for (const key of seen.dueMs.keys()) if (!used.has(key)) seen.dueMs.delete(key);
  for (const key of used) if (!seen.dueMs.has(key)) seen.dueMs.set(key, nowMs + leaseRenewMs);
  return uses
    .filter(({ key }) => nowMs >= (seen.dueMs.get(key) ?? Number.POSITIVE_INFINITY))
    .map(({ name }) => name);
}

function postpone({ dueMs }: Seen, token: HeldToken, untilMs: number): void {
  const key = keyOf(token);
  if (dueMs.has(key)) dueMs.set(key, untilMs);
}

type Use = { readonly key: string; readonly name: string };

/** Sockets and requests that were let in by one of these tokens, and are not over. */
function usesOf(keys: ReadonlySet<string>, ledger: Ledger, homes: readonly HomeSpec[]): Use[] {
  const uses: Use[] = [];
  for (const socket of ledger.sockets.values()) {
    const { id, kind, phase } = socket;
    if (phase !== "open") continue;
    const key = keyOf(socketToken(socket));
    if (keys.has(key)) uses.push({ key, name: `${kind === "tunnel" ? "tunnel" : "visitor socket"} ${id}` });
  }
  for (const exchange of ledger.exchanges.values()) {
    if (!isServed(exchange)) continue;
    for (const key of exchangeKeys(exchange, homes))
      if (keys.has(key)) uses.push({ key, name: `exchange ${exchange.id}` });
  }
  return uses;
}

/** What is being sent to its home or comes from it, or is an answer that the visitor has still to take. */
function isServed({ phase, endedWhole, unflushedBytes, isCut, opened }: LedgerExchange): boolean {
  if (phase !== "over") return phase !== "arrived";
  // The close frame of a WebSocket is the server's own.
  return endedWhole && unflushedBytes > 0 && !isCut && !opened.upgrade;
}

/** Of all tokens that it may be: it does not say which kind it shows. Empty where none of the registry lets it in. */
function exchangeKeys({ opened, place }: LedgerExchange, homes: readonly HomeSpec[]): string[] {
  const needed = neededCredential(opened, place);
  switch (needed.kind) {
    case "none":
    case "sign_in":
    case "registration":
      return [];
    case "magic":
      return [magicKey(needed.tokenHash)];
    case "home": {
      const home = homes.find(({ clientId }) => clientId === needed.clientId);
      return home?.access === undefined ? keysAt("visitor", needed) : [];
    }
    default:
      return keysAt(needed.kind, needed);
  }
}

function keysAt(door: TokenDoor, { tokenHash, clientId }: Omit<HeldToken, "kind">): string[] {
  const kinds = (["client_access", "visitor", "signature"] as const).filter((kind) =>
    doorsOf(kind).includes(door),
  );
  return kinds.map((kind) => tokenKey({ kind, tokenHash, clientId }));
}

/** A magic token does not say whose it is. */
function keyOf(token: HeldToken): string {
  return token.kind === "magic" ? magicKey(token.tokenHash) : tokenKey(token);
}

function magicKey(tokenHash: string): string {
  return `magic ${tokenHash}`;
}

function welcomeIn(
  effect: ServerEffect | undefined,
): { readonly socket: SocketId; readonly resumed: boolean } | null {
  if (effect?.type !== "socket_send_packet" || effect.header[0] !== KIND.welcome) return null;
  return { socket: effect.socket, resumed: readGreeting(effect.header)?.resumed === true };
}
