/**
 * A server lets in on the registry's word and on nothing else: no request goes on, no socket is served, before its token was
 * found valid; while the registry fails, only tokens that it accepted a short while ago are good. An error grants nothing.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { SocketId } from "../../core/ids.ts";
import type { ServerLimits } from "../../core/limits.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import { passIn } from "../ledger/pass.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";
import { ACCESS_TOKEN, accessOf, isPasswordOf } from "../scenario/request.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import { fakeSha256 } from "../tools/hash.ts";
import { readNativeFrame } from "../wire/native.ts";
import { doorAsked, doorKey, doorsOf, isOpened, neededCredential, socketDoor } from "./credential.ts";
import { GoneTokens } from "./gone-tokens.ts";
import { ofEachProcess } from "./of-each-process.ts";

type Operation = Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];

/** What the registry told one process. */
type Told = {
  readonly homes: readonly HomeSpec[];
  readonly operations: Map<number, Operation>;
  /** Tokens that it found valid, with the last time. */
  readonly accepted: Map<string, number>;
  readonly magic: Map<string, string>;
  readonly gone: GoneTokens;
  /** What was shown to register, and for which client id, where the registry took it. */
  readonly registered: Set<string>;
  /** Tunnels whose row was written, and is theirs. */
  readonly claimed: Set<string>;
  failing: boolean;
  /** When it failed last. */
  failedMs: number;
  readonly granted: WeakSet<LedgerExchange>;
  /** Sockets that were accepted only to be told why they cannot be served. */
  readonly doomed: Set<SocketId>;
};

export const granted: Property = {
  name: "granted",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    let homes: readonly HomeSpec[] = [];
    const toldTo = ofEachProcess(() => toldNothing(homes));
    return {
      begun: (setting) => {
        limits = setting.serverLimits;
        homes = setting.scenario.homes;
      },
      sees: [
        "registry_answered",
        "registry_call",
        "report",
        "upgrade_accept",
        "exchange_read",
        "respond",
        "origin_request",
        "socket_send_text",
        "socket_send_packet",
        "socket_ping",
      ],
      serverStep: (server, event, effects, count) => {
        const told = toldTo(server);
        if (event.type === "registry_answered") hear(told, event, server.nowMs);
        forget(told, event, server.nowMs);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect === undefined || limits === null) continue;
          note(told, effect, server);
          told.gone.note(effect, server.nowMs, limits);
          const wrong = wrongWith(told, effect, server, limits, event);
          if (wrong === undefined) continue;
          judged();
          if (wrong !== null) violate("safety", `${server.name} ${wrong} on ${event.type}`);
        }
      },
    };
  },
};

function toldNothing(homes: readonly HomeSpec[]): Told {
  return {
    homes,
    operations: new Map(),
    accepted: new Map(),
    gone: new GoneTokens(),
    magic: new Map(),
    registered: new Set(),
    claimed: new Set(),
    failing: false,
    failedMs: Number.NEGATIVE_INFINITY,
    granted: new WeakSet(),
    doomed: new Set(),
  };
}

function hear(
  told: Told,
  { call, outcome }: Extract<ServerEvent, { readonly type: "registry_answered" }>,
  nowMs: number,
): void {
  const operation = told.operations.get(call);
  told.operations.delete(call);
  if (operation === undefined || outcome.type === "failed") return;
  const door = doorAsked(operation);
  if (door !== null && isOpened(operation, outcome)) told.accepted.set(door, nowMs);
  if (operation.type === "register_client" && outcome.type === "client_registered")
    if (outcome.result === "registered")
      told.registered.add(registrationKey(operation.shownHash, operation.clientId));
  if (
    outcome.type === "magic_token_found" &&
    operation.type === "find_magic_token" &&
    outcome.clientId !== null
  )
    told.magic.set(operation.tokenHash, outcome.clientId);
  if (outcome.type === "connection_upserted" && operation.type === "upsert_connection" && outcome.current)
    told.claimed.add(operation.tunnel);
}

/** What is good no longer was never accepted; but a tunnel may be let in by a signature that expires on its way. */
function forget(told: Told, event: ServerEvent, nowMs: number): void {
  const { gone = [], expired = [] } = told.gone.hear(event, nowMs) ?? {};
  for (const { kind, tokenHash, clientId } of [...gone, ...expired]) {
    if (kind === "magic") told.magic.delete(tokenHash);
    for (const door of doorsOf(kind)) {
      if (door === "tunnel_signature" && !gone.some((token) => token.tokenHash === tokenHash)) continue;
      told.accepted.delete(doorKey(door, tokenHash, clientId));
    }
  }
}

function note(told: Told, effect: ServerEffect, server: SteppedServer): void {
  if (effect.type === "registry_call") told.operations.set(effect.call, effect.operation);
  if (effect.type === "report" && effect.report.type === "registry_failed") {
    told.failing ||= effect.report.fault !== "refused";
    told.failedMs = server.nowMs;
  }
  if (effect.type === "report" && effect.report.type === "registry_recovered") told.failing = false;
  if (effect.type === "upgrade_accept" && !isSocketGranted(told, effect.socket, server))
    told.doomed.add(effect.socket);
}

/** What is wrong with an effect that grants something; null where it is right, undefined where it grants nothing. */
function wrongWith(
  told: Told,
  effect: ServerEffect,
  server: SteppedServer,
  limits: ServerLimits,
  event: ServerEvent,
): string | null | undefined {
  switch (effect.type) {
    case "exchange_read":
    case "respond": {
      const exchange = server.ledger.exchanges.get(effect.exchange);
      if (exchange === undefined || (effect.type === "respond" && !isOwnSuccess(exchange, effect.status)))
        return undefined;
      return wrongGrant(told, exchange, server, limits, event);
    }
    case "origin_request": {
      const exchange = server.ledger.asked.find(({ elsewhere }) => elsewhere === effect.exchange);
      if (exchange === undefined) return undefined;
      const clientId = passIn(effect.headers)?.clientId ?? "";
      return wrongHome(told, exchange, clientId) ?? wrongGrant(told, exchange, server, limits, event);
    }
    case "socket_send_text": {
      if (told.doomed.has(effect.socket)) return `serves socket ${effect.socket}, which nobody let in`;
      // One step may send several frames through one tunnel, of which not all ask.
      const exchange = server.ledger.asked.find((each) => asksFor(effect.text, each.requestId));
      if (exchange === undefined) return undefined;
      const clientId = server.ledger.sockets.get(effect.socket)?.clientId ?? "";
      return wrongHome(told, exchange, clientId) ?? wrongGrant(told, exchange, server, limits, event);
    }
    case "socket_send_packet": {
      if (told.doomed.has(effect.socket)) return `serves socket ${effect.socket}, which nobody let in`;
      if (server.ledger.asked.length === 0) return undefined;
      const frame = readNativeFrame(effect.header);
      const exchange =
        frame?.hasHead === true ? server.ledger.asked.find(({ id }) => id === frame.exchange) : undefined;
      if (exchange === undefined) return undefined;
      const clientId = server.ledger.sockets.get(effect.socket)?.clientId ?? "";
      return wrongHome(told, exchange, clientId) ?? wrongGrant(told, exchange, server, limits, event);
    }
    case "socket_ping":
      return told.doomed.has(effect.socket)
        ? `keeps socket ${effect.socket}, which nobody let in`
        : undefined;
    default:
      return undefined;
  }
}

function asksFor(text: string, requestId: number): boolean {
  return text.startsWith(`{"type":"HTTP","request_id":${requestId},`);
}

/** An answer of the server itself to somebody who needed a token. A redirect says nothing that he does not know. */
function isOwnSuccess({ tunnel, opened }: LedgerExchange, status: number): boolean {
  return tunnel === null && status < 300 && opened.method !== "OPTIONS";
}

/** A request goes to the home that its token opens, and to no other. */
function wrongHome(told: Told, exchange: LedgerExchange, clientId: string): string | null {
  const needed = neededCredential(exchange.opened, exchange.place);
  const wanted =
    exchange.opened.byPeer === true
      ? exchange.pass?.clientId
      : needed.kind === "magic"
        ? told.magic.get(needed.tokenHash)
        : "clientId" in needed
          ? needed.clientId
          : undefined;
  return wanted === clientId ? null : `sends exchange ${exchange.id} to ${clientId}, which it is not for`;
}

function wrongGrant(
  told: Told,
  exchange: LedgerExchange,
  server: SteppedServer,
  limits: ServerLimits,
  event: ServerEvent,
): string | null {
  if (told.granted.has(exchange)) return null;
  told.granted.add(exchange);
  const needed = neededCredential(exchange.opened, exchange.place);
  const name = `exchange ${exchange.id}`;
  const home =
    needed.kind === "home" ? told.homes.find((each) => each.clientId === needed.clientId) : undefined;
  if (home?.access === "public") return null;
  // Which password a session is of, is another property's business.
  if (home?.access === "basic" && needed.kind === "home")
    return needed.session?.kind === "password" || isPassword(needed.shown, home)
      ? null
      : `lets ${name} in with a wrong password`;
  switch (needed.kind) {
    case "none":
    // Whether it goes to the home is another property's business, and what a form shows, too.
    case "sign_in":
      return null;
    case "registration": {
      const isOperator = needed.token === ACCESS_TOKEN;
      const shownHash = isOperator ? null : fakeSha256(needed.token);
      const isHead = exchange.opened.method === "HEAD";
      if (isOperator && isHead) return null;
      return told.registered.has(registrationKey(shownHash, needed.clientId))
        ? null
        : `registers for ${name}, whose token the registry never took`;
    }
    case "magic": {
      const clientId = told.magic.get(needed.tokenHash);
      return clientId !== undefined ? null : `lets ${name} in with a magic token that nobody found`;
    }
    default: {
      const acceptedMs = told.accepted.get(
        doorKey(needed.kind === "home" ? "visitor" : needed.kind, needed.tokenHash, needed.clientId),
      );
      if (acceptedMs === undefined) return `lets ${name} in with a token that the registry never accepted`;
      // A server's own endpoint has been at work since it let the request in, with the registry.
      const isOwn = exchange.phase === "over";
      // And one that waited for its home was let in before: the home is back with this event, or the registry was asked about it
      // since it took the token, or what it was asked about the home is answered, or given up, with this event.
      const isFound = event.type === "registry_answered" && event.outcome.type === "connections_found";
      const isBack = exchange.native || isFound || event.type.startsWith("socket_");
      const waited = isBack || acceptedMs >= exchange.openedMs || told.failedMs === server.nowMs;
      const ageMs = (isOwn || waited ? exchange.openedMs : server.nowMs) - acceptedMs;
      // It failed for this exchange, if no more for the next.
      const failed = told.failing || told.failedMs >= exchange.openedMs;
      if (ageMs <= 0 || ageMs < (isOwn || waited || failed ? limits.tokenTrustMs : limits.tokenFreshMs))
        return null;
      return `lets ${name} in with a token that was accepted ${ageMs} ms ago`;
    }
  }
}

function registrationKey(shownHash: string | null, clientId: string): string {
  return `${shownHash ?? "operator"} ${clientId}`;
}

function isPassword(shown: string, home: HomeSpec): boolean {
  const [, code = ""] = /^basic (.*)$/i.exec(shown) ?? [];
  return isPasswordOf(accessOf(home), atob(code));
}

function isSocketGranted(told: Told, id: SocketId, { ledger }: SteppedServer): boolean {
  const socket = ledger.sockets.get(id);
  if (socket === undefined) return true;
  const acceptedMs = told.accepted.get(socketDoor(socket));
  if (acceptedMs === undefined || acceptedMs < socket.requestedMs) return false;
  return socket.kind === "visitor" || told.claimed.has(String(ledger.idBase + socket.id));
}
