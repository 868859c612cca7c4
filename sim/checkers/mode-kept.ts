/**
 * Who visits a home by its own name is let in by what the home's agent asks for now, which is what the tunnel said that the
 * request goes out on, and not by what another one had said before it.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { SocketId } from "../../core/ids.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import { parsedTarget } from "../ledger/place.ts";
import type { Property } from "../record/checker.ts";
import { isPasswordOf } from "../scenario/request.ts";
import { fakeSha256 } from "../tools/hash.ts";
import { headerOf } from "../tools/headers.ts";
import { doorAsked, doorKey, isOpened, neededCredential } from "./credential.ts";
import { ofEachProcess } from "./of-each-process.ts";

type Operation = Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];

/** What one process was told. */
class Told {
  /** What each tunnel's handshake asks visitors for. */
  readonly modes = new Map<SocketId, string>();
  /** Tokens that the registry was asked about, by its calls, and those that it found valid. */
  readonly questions = new Map<number, Operation>();
  readonly valid = new Set<string>();
}

export const modeKept: Property = {
  name: "mode_kept",
  create: (violate, judged) => {
    const toldTo = ofEachProcess(() => new Told());
    return {
      serverStep: (process, event, effects, count) => {
        const { name, ledger } = process;
        const told = toldTo(process);
        if (event.type === "upgrade_requested" && ledger.sockets.get(event.socket)?.kind === "tunnel")
          told.modes.set(event.socket, modeOf(event.target, event.headers));
        if (event.type === "socket_closed") told.modes.delete(event.socket);
        if (event.type === "registry_answered") {
          const question = told.questions.get(event.call);
          told.questions.delete(event.call);
          const door = question === undefined ? null : doorAsked(question);
          if (question !== undefined && door !== null && isOpened(question, event.outcome))
            told.valid.add(door);
        }
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "registry_call" && doorAsked(effect.operation) !== null)
            told.questions.set(effect.call, effect.operation);
        }
        for (const exchange of ledger.asked) {
          if (exchange.place.way === "query" || exchange.tunnel === null) continue;
          judged();
          const wrong = wrongUnder(told.modes.get(exchange.tunnel) ?? "token", exchange, told);
          if (wrong !== null)
            violate("safety", `${name} sends exchange ${exchange.id} to a home that asks for ${wrong}`);
        }
      },
    };
  },
};

/** Who comes with a signature cannot say who may visit. */
function modeOf(target: string, headers: readonly string[]): string {
  if (parsedTarget(target).query.has("signature")) return "token";
  return headerOf(headers, "culvert-access") ?? "token";
}

/** What the mode asks for and the visitor did not show; null where he may come in. */
function wrongUnder(mode: string, { opened, place }: LedgerExchange, { valid }: Told): string | null {
  const needed = neededCredential(opened, place);
  if (mode === "public") return null;
  if (needed.kind === "sign_in") return "a sign-in at the server";
  if (needed.kind !== "home") return null;
  if (mode === "token")
    return valid.has(doorKey("visitor", needed.tokenHash, needed.clientId)) ? null : "a token";
  if (needed.session?.kind === "password" && needed.session.hash === fakeSha256(mode)) return null;
  const [, code = ""] = /^basic (.*)$/i.exec(needed.shown) ?? [];
  return isPasswordOf(mode, atob(code)) ? null : "a password";
}
