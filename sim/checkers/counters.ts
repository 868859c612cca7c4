/** What a server says of itself is so: its sizes are those of the sets they count, its sums those of what happened. */
import type { ServerEffect } from "../../core/effects.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";
import { ofEachProcess } from "./of-each-process.ts";

/** Sums over the life of one process. */
type Sums = {
  opened: number;
  accepted: number;
  bytesOut: number;
  aborts: number;
  pauses: number;
  ended: number;
  readonly outcomes: Map<string, number>;
};

/** Of so many steps the first is looked at. */
const STEPS_PER_LOOK = 4;

export const counters: Property = {
  name: "counters",
  create: (violate, judged) => {
    const sumsOf = ofEachProcess(newSums);
    return {
      serverStep: (server, event, effects, count) => {
        const sums = sumsOf(server);
        if (event.type === "exchange_opened") sums.opened++;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect !== undefined) add(sums, effect);
        }
        sums.aborts += server.ledger.aborts.size;
        const ends = event.type === "exchange_closed";
        // What was counted wrong once stays wrong, so it is enough to look now and then.
        if (!ends && server.ledger.steps % STEPS_PER_LOOK !== 1) return;
        judged();
        const tell = (what: string, said: number, counted: number): void => {
          if (said === counted) return;
          violate("safety", `${server.name} says ${said} ${what} after ${event.type}, and it is ${counted}`);
        };
        compareSums(server, sums, tell);
        // They change when an exchange ends; a look at ticks finds those that changed at another time.
        if (ends || event.type === "tick") compareOutcomes(server, sums, tell);
      },
    };
  },
};

function newSums(): Sums {
  return { opened: 0, accepted: 0, bytesOut: 0, aborts: 0, pauses: 0, ended: 0, outcomes: new Map() };
}

function add(sums: Sums, effect: ServerEffect): void {
  if (effect.type === "respond_body") sums.bytesOut += effect.bytes.length;
  if (effect.type === "respond") for (const part of effect.body) sums.bytesOut += part.length;
  if (effect.type === "socket_pause" && effect.paused) sums.pauses++;
  if (effect.type !== "report") return;
  const { report } = effect;
  if (report.type === "tunnel_accepted") sums.accepted++;
  if (report.type !== "exchange_ended") return;
  sums.ended++;
  sums.outcomes.set(report.outcome, (sums.outcomes.get(report.outcome) ?? 0) + 1);
}

function openSockets(ledger: Ledger): { readonly tunnels: number; readonly visitors: number } {
  let tunnels = 0;
  let visitors = 0;
  for (const { kind, phase } of ledger.sockets.values()) {
    if (phase !== "open") continue;
    if (kind === "tunnel") tunnels++;
    else visitors++;
  }
  return { tunnels, visitors };
}

/** The number itself where it is between the two, else the bound that it breaks. */
function within(said: number, least: number, most: number): number {
  return Math.min(Math.max(said, least), most);
}

type Tell = (what: string, said: number, counted: number) => void;

function compareSums(server: SteppedServer, sums: Sums, tell: Tell): void {
  const { ledger } = server;
  const { exchanges, tunnels, visitorSockets, counters: said } = server.snapshot();
  tell("exchanges", exchanges, ledger.exchanges.size);
  // A socket counts from its token's acceptance on, which nobody outside sees: after it was asked for, before it is open.
  const open = openSockets(ledger);
  tell("tunnels", tunnels, within(tunnels, open.tunnels, ledger.tunnels));
  const visitors = ledger.sockets.size - ledger.tunnels;
  tell("visitor sockets", visitorSockets, within(visitorSockets, open.visitors, visitors));
  tell("opened exchanges", said.exchangesOpened, sums.opened);
  tell("exchanges under way", said.exchangesOpened - sums.ended, ledger.exchanges.size);
  tell("accepted tunnels", said.tunnelsAccepted, sums.accepted);
  tell("bytes to visitors", said.bytesOut, sums.bytesOut);
  tell("aborts", said.abortsSent, sums.aborts);
  tell("pauses", said.tunnelPauses, sums.pauses);
}

function compareOutcomes(server: SteppedServer, sums: Sums, tell: Tell): void {
  const { outcomes } = server.snapshot().counters;
  let total = 0;
  for (const each of outcomes.values()) total += each;
  tell("outcomes", total, sums.ended);
  for (const [name, counted] of sums.outcomes) tell(`outcomes ${name}`, outcomes.get(name) ?? 0, counted);
}
