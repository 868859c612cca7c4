/**
 * A 401 is the word of somebody who has looked: the registry said that the token is not good, the home is there and takes
 * another password, or nothing was shown where something is needed. A home that is away says nothing of a password, and one that
 * the registry remembers as everybody's, or as behind a password, is not taken for one that is unknown.
 */
import type { ServerEvent } from "../../core/events.ts";
import type { SocketId } from "../../core/ids.ts";
import type { RegistryOperation } from "../../core/registry.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";
import { isPasswordOf } from "../scenario/request.ts";
import { headerOf } from "../tools/headers.ts";
import { doorAsked, doorKey, isOpened, neededCredential } from "./credential.ts";
import { ofEachProcess } from "./of-each-process.ts";

/** A tunnel of this process: whom it lets visit, and until when it was there. */
type Mode = { readonly socket: SocketId; readonly access: string; leftMs: number };

/** What one process was told, and when. */
class Told {
  readonly questions = new Map<number, RegistryOperation>();
  /** Tokens that were found to be not good. */
  readonly bad = new Map<string, number>();
  /** Client ids that the registry does not know, or knows to want a token. */
  readonly hidden = new Map<string, number>();
  readonly modes = new Map<string, Mode[]>();
  /** Of homes that another node has: since when that is known, and what the registry remembers of whom they let visit. */
  readonly foundMs = new Map<string, number>();
  readonly recalled = new Map<string, string>();

  hear(event: ServerEvent, { nowMs, ledger }: SteppedServer): void {
    if (event.type === "registry_answered") this.#hearAnswer(event, nowMs);
    if (event.type === "upgrade_requested") {
      const socket = ledger.sockets.get(event.socket);
      if (socket?.kind !== "tunnel") return;
      const access = headerOf(event.headers, "culvert-access") ?? "token";
      const mode = { socket: socket.id, access, leftMs: Number.POSITIVE_INFINITY };
      this.modes.set(socket.clientId, [...(this.modes.get(socket.clientId) ?? []), mode]);
    }
    if (event.type === "socket_closed")
      for (const modes of this.modes.values())
        for (const mode of modes) if (mode.socket === event.socket) mode.leftMs = nowMs;
  }

  #hearAnswer(
    { call, outcome }: Extract<ServerEvent, { readonly type: "registry_answered" }>,
    nowMs: number,
  ): void {
    const question = this.questions.get(call);
    this.questions.delete(call);
    const door = question === undefined ? null : doorAsked(question);
    if (question !== undefined && door !== null && outcome.type !== "failed" && !isOpened(question, outcome))
      this.bad.set(door, nowMs);
    if (question?.type === "find_magic_token" && outcome.type === "magic_token_found")
      if (outcome.clientId === null) this.bad.set(`magic ${question.tokenHash}`, nowMs);
    if (question?.type === "find_connection" && outcome.type === "connections_found")
      if (outcome.connections.some(({ peerUrl }) => peerUrl !== null))
        this.foundMs.set(question.clientId, nowMs);
    if (question?.type === "recall_home" && outcome.type === "home_recalled")
      this.recalled.set(question.clientId, outcome.home?.access ?? "token");
    if (question?.type === "recall_home" && outcome.type === "home_recalled")
      if ((outcome.home?.access ?? "token") === "token") this.hidden.set(question.clientId, nowMs);
  }
}

/** For how long a process may go by what it was told: the registry's answer, and the mode of a home that was here. */
type Bounds = { readonly freshMs: number; readonly awayMs: number; readonly foundMs: number };

export const lookedAt: Property = {
  name: "looked_at",
  create: (violate, judged) => {
    let bounds: Bounds = { freshMs: 0, awayMs: 0, foundMs: 0 };
    const toldTo = ofEachProcess(() => new Told());
    return {
      begun: ({ serverLimits: { recallFreshMs, waitMs, graceMs, findFreshMs, tokenTrustMs } }) => {
        const foundMs = Math.max(findFreshMs, tokenTrustMs);
        bounds = { freshMs: recallFreshMs, awayMs: Math.max(waitMs, graceMs), foundMs };
      },
      sees: ["registry_answered", "registry_call", "upgrade_requested", "socket_closed", "respond"],
      serverStep: (server, event, effects, count) => {
        const told = toldTo(server);
        told.hear(event, server);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "registry_call") told.questions.set(effect.call, effect.operation);
          if (effect?.type !== "respond" || effect.status !== 401) continue;
          const exchange = server.ledger.exchanges.get(effect.exchange);
          // What was good and is no more has a word, and a checker, of its own.
          if (exchange === undefined || isRevoked(event)) continue;
          judged();
          if (!wasLookedAt(exchange, told, bounds))
            violate("safety", `${server.name} tells exchange ${exchange.id} 401 on ${event.type}, unseen`);
        }
      },
    };
  },
};

function isRevoked(event: ServerEvent): boolean {
  if (event.type !== "registry_answered") return false;
  return event.outcome.type === "tokens_checked" || event.outcome.type === "token_inserted";
}

function wasLookedAt(exchange: LedgerExchange, told: Told, bounds: Bounds): boolean {
  const { opened, openedMs, place } = exchange;
  const needed = neededCredential(opened, place);
  const isBad = (key: string) => (told.bad.get(key) ?? Number.NEGATIVE_INFINITY) >= openedMs;
  switch (needed.kind) {
    case "none":
      return false;
    case "registration":
    // What the form shows is judged where the browser is.
    case "sign_in":
      return true;
    case "magic":
      return !/[?&]magictoken=[^&]/i.test(opened.target) || isBad(`magic ${needed.tokenHash}`);
    case "home": {
      const { clientId, tokenHash, shown } = needed;
      const isTokenBad = !/^bearer +\S+ *$/i.test(shown) || isBad(doorKey("visitor", tokenHash, clientId));
      const isHidden = (told.hidden.get(clientId) ?? Number.NEGATIVE_INFINITY) >= openedMs - bounds.freshMs;
      if (isHidden && isTokenBad) return true;
      const isElsewhere =
        (told.foundMs.get(clientId) ?? Number.NEGATIVE_INFINITY) >= openedMs - bounds.foundMs;
      const recalled = told.recalled.get(clientId) ?? "public";
      if (isElsewhere && recalled.startsWith("basic") && !isPassword(shown, recalled)) return true;
      return (told.modes.get(clientId) ?? []).some(({ access, leftMs }) => {
        if (access === "token") return isTokenBad && leftMs >= openedMs - bounds.awayMs;
        return access !== "public" && leftMs >= openedMs && !isPassword(shown, access);
      });
    }
    case "media":
    case "signature":
      return (
        !/[?&]signature=[^&]/i.test(opened.target) ||
        isBad(doorKey(needed.kind, needed.tokenHash, needed.clientId))
      );
    default:
      return !isSent(opened) || isBad(doorKey(needed.kind, needed.tokenHash, needed.clientId));
  }
}

/** Whether there is a token to be looked at. */
function isSent({ headers }: LedgerExchange["opened"]): boolean {
  const shown = headers.filter(
    (_, index) => headers[index - 1]?.toLowerCase() === "authorization" && index % 2 === 1,
  );
  const [text = ""] = shown;
  return shown.length === 1 && /^(bearer +)?\S+ *$/i.test(text) && !/^bearer *$/i.test(text);
}

function isPassword(shown: string, access: string): boolean {
  const [, code] = /^basic +([a-z0-9+/]+={0,2})$/i.exec(shown) ?? [];
  // What is no base64 is no password.
  return code !== undefined && code.length % 4 === 0 && isPasswordOf(access, atob(code));
}
