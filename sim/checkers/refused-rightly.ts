/**
 * Nobody is turned away without a cause: a tunnel is superseded only by one that is newer by the registry's clock, and at its own
 * node or not of the same process of an agent, or, while it comes in, by the next handshake of its own agent; it is told to come later where it would wait for too long; a token
 * refused only on the registry's word, a limit named only when it is reached.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { RegistryOutcome } from "../../core/registry.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property } from "../record/checker.ts";
import { Readers } from "../record/readers.ts";
import type { Setting } from "../record/setting.ts";
import type { SteppedServer } from "../record/stepped.ts";
import { headerOf } from "../tools/headers.ts";

const SUPERSEDED = 4001;

/** Where a tunnel is and whose; the highest fence that it claimed its row with. */
type Claim = { readonly fence: number; readonly node: string; readonly instance: string | undefined };

/** By client id and tunnel. */
type Claims = Map<string, Map<string, Claim>>;

export const refusedRightly: Property = {
  name: "refused_rightly",
  create: (violate, judged) => {
    let setting: Setting | null = null;
    let readers: Readers | null = null;
    const claims: Claims = new Map();
    return {
      begun: (begun) => {
        setting = begun;
        readers = new Readers(begun.scenario);
      },
      sees: ["registry_call", "report", "socket_close", "settings_changed"],
      serverStep: (server, event, effects, count) => {
        readers?.note(server.name, event);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "registry_call") note(claims, effect.operation);
          const refusal = refusalOf(effect);
          const socket = refusal === null ? undefined : server.ledger.sockets.get(refusal.socket);
          if (refusal === null || socket === undefined || setting === null || readers === null) continue;
          judged();
          const isRight =
            refusal.cause === "superseded"
              ? isNextOf(socket, event) ||
                isSuperseded(claims.get(socket.clientId), String(server.ledger.idBase + socket.id))
              : isCause(refusal.cause, server, event, socket, { ...setting, readers });
          if (isRight) continue;
          violate(
            "safety",
            `${server.name} turned socket ${socket.id} of ${socket.clientId} away as ${refusal.cause} on ${event.type}, and it is not so`,
          );
        }
      },
    };
  },
};

function note(
  claims: Claims,
  operation: Extract<ServerEffect, { readonly type: "registry_call" }>["operation"],
): void {
  if (operation.type !== "upsert_connection") return;
  const { clientId, tunnel, fence, node, instance } = operation;
  const ofHome = claims.get(clientId) ?? new Map<string, Claim>();
  claims.set(clientId, ofHome);
  ofHome.set(tunnel, { fence: Math.max(fence, ofHome.get(tunnel)?.fence ?? 0), node, instance });
}

function isSuperseded(ofHome: ReadonlyMap<string, Claim> | undefined, tunnel: string): boolean {
  const own = ofHome?.get(tunnel);
  return [...(ofHome ?? [])].some(([other, { fence, node, instance }]) => {
    if (other === tunnel || fence <= (own?.fence ?? 0)) return false;
    return node === own?.node || instance === undefined || instance !== own?.instance;
  });
}

/** Whether the same agent, by what it shows, comes once more, while it is not told yet what became of it. */
function isNextOf({ id, phase, target, headers }: LedgerSocket, event: ServerEvent): boolean {
  if (event.type !== "upgrade_requested" || event.socket === id || phase === "open") return false;
  const shown = headerOf(headers, "authorization");
  return event.target === target && headerOf(event.headers, "authorization") === shown;
}

/** What an effect tells a socket that is turned away; null where it does something else. */
function refusalOf(
  effect: ServerEffect | undefined,
): { readonly socket: LedgerSocket["id"]; readonly cause: string } | null {
  if (effect?.type === "report" && effect.report.type === "upgrade_refused") return effect.report;
  if (effect?.type === "socket_close" && effect.code === SUPERSEDED)
    return { socket: effect.socket, cause: "superseded" };
  return null;
}

function isCause(
  cause: string,
  { name, nowMs, ledger }: SteppedServer,
  event: ServerEvent,
  socket: LedgerSocket,
  { readers, serverLimits: limits }: Setting & { readonly readers: Readers },
): boolean {
  switch (cause) {
    case "unauthorized":
      if (event.type === "upgrade_requested")
        return isForeignPage(name, event.headers, readers) || !showsToken(socket);
      return event.type === "registry_answered" && isRefusal(event.outcome, socket);
    case "revoked":
      return event.type === "registry_answered" && event.outcome.type === "tokens_checked";
    case "already_linked":
      return event.type === "registry_answered" && isLinked(name, ledger, socket);
    case "draining":
      return ledger.drainAskedMs !== null;
    case "limit_tunnels":
      return ledger.tunnels > limits.tunnelsMax;
    case "limit_visitor_sockets":
      return ledger.sockets.size - ledger.tunnels > limits.visitorSocketsMax;
    case "limit_handshakes":
      if (event.type === "tick") return nowMs - socket.requestedMs >= 2 * limits.handshakeLineMs;
      return event.type === "upgrade_requested";
    case "limit_registry_calls":
      // Nobody outside can count them.
      return event.type === "upgrade_requested" || event.type === "tick";
    default:
      // A handshake that cannot be understood.
      return event.type === "upgrade_requested";
  }
}

/** Whether it says that it has been at that node, which has a tunnel of its process. */
function isLinked(
  name: string,
  { sockets }: SteppedServer["ledger"],
  { id, clientId, headers }: LedgerSocket,
) {
  const instance = headerOf(headers, "culvert-instance");
  const linked = headerOf(headers, "culvert-linked")?.split(", ") ?? [];
  return (
    instance !== undefined &&
    linked.includes(name) &&
    [...sockets.values()].some((other) => {
      const isOf = other.kind === "tunnel" && other.clientId === clientId && other.id !== id;
      return isOf && other.phase === "open" && headerOf(other.headers, "culvert-instance") === instance;
    })
  );
}

function showsToken({ target, headers }: LedgerSocket): boolean {
  return /[?&]signature=[^&]/i.test(target) || headerOf(headers, "authorization") !== undefined;
}

function isRefusal(outcome: RegistryOutcome, { kind }: LedgerSocket): boolean {
  if (outcome.type === "token_checked") return !outcome.valid;
  if (outcome.type !== "signature_used") return false;
  return !outcome.valid || (kind === "tunnel" && outcome.hasCulvertAgent);
}

/** A page of an origin that may not read answers is not let in either. */
function isForeignPage(server: string, headers: readonly string[], readers: Readers): boolean {
  const origin = headerOf(headers, "origin");
  return origin !== undefined && !readers.isReader(server, origin);
}
