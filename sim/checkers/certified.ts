/**
 * Only names that lead somewhere get a certificate: the server's own, those that its operator gave to homes, and those of homes
 * that are here, or that the registry knows. Such a name is not refused, what the registry could not be asked about is neither
 * granted nor refused, and each question has one answer, within the time that the registry has for a visitor.
 */
import type { ServerEvent } from "../../core/events.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";
import { DOMAIN, ownNameOf } from "../scenario/request.ts";
import { ofEachProcess } from "./of-each-process.ts";

type Asked = { readonly host: string; readonly askedMs: number };

/** What one process was told and asked. */
class Told {
  readonly open = new Map<number, Asked>();
  /** Client ids of homes whose agents were here. */
  readonly seen = new Set<string>();
  /** By the registry's calls: the client id that it is asked about. */
  readonly calls = new Map<number, string>();
  /** Whether the registry knew the home, when it was asked last. */
  readonly known = new Map<string, boolean>();

  hear(event: ServerEvent, nowMs: number): void {
    if (event.type === "certificate_asked") {
      const host = event.name.toLowerCase().replace(/\.$/, "");
      this.open.set(event.question, { host, askedMs: nowMs });
    }
    if (event.type === "registry_answered") {
      const clientId = this.calls.get(event.call);
      this.calls.delete(event.call);
      if (clientId !== undefined && event.outcome.type === "home_recalled")
        this.known.set(clientId, event.outcome.home !== null);
    }
  }
}

export const certified: Property = {
  name: "certified",
  create: (violate, judged) => {
    let ownNames: ReadonlySet<string> = new Set();
    let patienceMs = 0;
    const toldTo = ofEachProcess(() => new Told());
    const wrongWith = (answer: string, { host }: Asked, told: Told, { ledger }: SteppedServer) => {
      if (host === DOMAIN || ownNames.has(host)) return answer === "granted" ? null : "which is its own";
      const [label = "", ...rest] = host.split(".");
      const clientId = label !== "" && rest.join(".") === DOMAIN ? label : null;
      const known = clientId === null ? false : told.known.get(clientId);
      if (answer === "granted") {
        const leads = clientId !== null && (known === true || told.seen.has(clientId));
        return leads ? null : "which leads nowhere";
      }
      if (clientId === null) return answer === "refused" ? null : "which no home can have";
      const isHere = [...ledger.sockets.values()].some(
        (socket) => isOpenTunnel(socket) && socket.clientId === clientId,
      );
      if (isHere) return "whose home is here";
      if (answer === "refused" && known !== false) return "of which the registry does not say so";
      return null;
    };
    return {
      begun: ({ scenario, serverLimits }) => {
        ownNames = new Set(scenario.homes.map(ownNameOf).filter((name) => name !== null));
        patienceMs = serverLimits.registryVisitorMs;
      },
      sees: ["certificate_asked", "certificate_answer", "registry_call", "registry_answered"],
      serverStep: (server, event, effects, count) => {
        const told = toldTo(server);
        told.hear(event, server.nowMs);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "registry_call" && effect.operation.type === "recall_home")
            told.calls.set(effect.call, effect.operation.clientId);
          // Its agent was let in, whatever becomes of it then.
          if (effect?.type === "registry_call" && effect.operation.type === "upsert_connection")
            told.seen.add(effect.operation.clientId);
          if (effect?.type !== "certificate_answer") continue;
          const asked = told.open.get(effect.question);
          judged();
          if (asked === undefined) {
            violate("safety", `${server.name} answers question ${effect.question} twice`);
            continue;
          }
          told.open.delete(effect.question);
          const wrong = wrongWith(effect.answer, asked, told, server);
          if (wrong !== null)
            violate("safety", `${server.name} says ${effect.answer} of the name "${asked.host}", ${wrong}`);
        }
      },
      finished: ({ servers }) => {
        for (const server of servers)
          for (const { host, askedMs } of toldTo(server).open.values())
            if (server.nowMs - askedMs > patienceMs)
              violate("liveness", `${server.name} says nothing of the name "${host}"`);
      },
    };
  },
};

function isOpenTunnel({ kind, phase, greeted }: LedgerSocket): boolean {
  return kind === "tunnel" && phase === "open" && greeted;
}
