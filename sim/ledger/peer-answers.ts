/** What passes between nodes writes in a ledger: which exchanges went to another node, and what came for them. */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { ExchangeId } from "../../core/ids.ts";
import { headerOf } from "../tools/headers.ts";
import type { LedgerExchange } from "./exchange.ts";
import type { Ledger } from "./ledger.ts";

type Told = Extract<ServerEvent, { readonly type: `origin_${string}` }>;
type Asked = Extract<ServerEffect, { readonly type: "origin_request" }>;

/** Where the other node says whose its answer is. */
const MARK = "culvert-peer";

/** What says that nothing has reached it. */
const UNDELIVERED: ReadonlySet<string> = new Set([
  "refused",
  "name_not_resolved",
  "tls_invalid",
  "connect_timeout",
]);

/** Whose request it is: one that was sent before has the number of its exchange and so many more. */
function exchangeIn(request: ExchangeId): ExchangeId {
  return (request % 2 ** 42) as ExchangeId;
}

/** The node does not have the home, or leaves. */
function isAstray(mark: string | undefined): boolean {
  return mark === "misdirected" || mark?.startsWith("failed draining") === true;
}

export class PeerAnswers {
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  asked({ exchange: request }: Asked): void {
    const id = exchangeIn(request);
    const exchange = this.#ledger.exchanges.get(id);
    if (exchange === undefined || exchange.phase === "over") {
      this.#ledger.astray.push(`a request to a node for ${id}, which is ${exchange?.phase ?? "not there"}`);
      return;
    }
    this.#ledger.touch(exchange);
    this.#ledger.asked.push(exchange);
    exchange.phase = "asked";
    exchange.native = true;
    exchange.elsewhere = request;
    exchange.relievedMs = this.#ledger.nowMs;
  }

  told(event: Told): void {
    const exchange = this.#ledger.exchanges.get(exchangeIn(event.exchange));
    if (exchange?.phase !== "asked" || exchange.elsewhere !== event.exchange) return;
    const { nowMs } = this.#ledger;
    this.#ledger.touch(exchange);
    switch (event.type) {
      case "origin_interim":
        exchange.relievedMs = nowMs;
        return;
      case "origin_flushed":
        return;
      case "origin_head":
        exchange.progressMs = nowMs;
        if (headerOf(event.headers, MARK)?.startsWith("home") === true) {
          exchange.headHeld = event.follows !== undefined;
          exchange.status = event.status;
          exchange.next = 2;
        } else if (isAstray(headerOf(event.headers, MARK))) this.#isBack(exchange);
        else exchange.givenUp = true;
        return;
      case "origin_body":
        exchange.progressMs = nowMs;
        // What comes whole with its head is taken in with its end.
        exchange.heldBack += exchange.hasBody ? event.bytes.length : 0;
        if (!exchange.headHeld || event.follows !== "end") this.#take(exchange);
        return;
      case "origin_ended":
        exchange.progressMs = nowMs;
        this.#take(exchange);
        exchange.last = 1;
        return;
      case "origin_failed":
        if (exchange.status === 0 && UNDELIVERED.has(event.fault)) this.#isBack(exchange);
        else exchange.givenUp = true;
    }
  }

  #take(exchange: LedgerExchange): void {
    exchange.orderedBytes += exchange.heldBack;
    exchange.heldBack = 0;
    exchange.headHeld = false;
  }

  /** Nobody was asked for it. */
  #isBack(exchange: LedgerExchange): void {
    exchange.phase = "arrived";
    exchange.elsewhere = null;
    exchange.native = false;
  }
}
