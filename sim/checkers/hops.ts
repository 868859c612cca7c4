/**
 * Between nodes. What a home is asked for another node's visitor was sent by a node of the cluster, to this one, once: whatever
 * else comes to the listener for nodes comes to nothing. What came by a node goes to no further one. And no exchange follows a row
 * of the registry again that has led it astray.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { ExchangeId } from "../../core/ids.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import { passIn, type SeenPass } from "../ledger/pass.ts";
import type { Property } from "../record/checker.ts";
import { headerOf } from "../tools/headers.ts";

type Asked = Extract<ServerEffect, { readonly type: "origin_request" }>;

const MARK = "culvert-peer";

export const hops: Property = {
  name: "hops",
  create: (violate, judged) => {
    /** Passes that nodes made, and those that were good for something. */
    const made = new Set<string>();
    const used = new Set<string>();
    /** By process and exchange: the row that it follows, and those that led it astray. */
    const rows = new Map<string, { followed: string; readonly astray: Set<string> }>();
    const isUsed = new WeakSet<LedgerExchange>();
    return {
      sees: [
        "origin_request",
        "origin_head",
        "origin_failed",
        "exchange_closed",
        "exchange_read",
        "socket_send_text",
        "socket_send_packet",
      ],
      serverStep: ({ name, ledger }, event, effects, count) => {
        const keyOf = (request: number) => `${name} ${request % 2 ** 42}`;
        if (event.type === "exchange_closed") rows.delete(keyOf(event.exchange));
        const isAstray =
          (event.type === "origin_head" && headerOf(event.headers, MARK) === "misdirected") ||
          (event.type === "origin_failed" && event.fault === "refused");
        if (isAstray) {
          const row = rows.get(keyOf(event.exchange));
          row?.astray.add(row.followed);
        }
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "origin_request") noteAsked(keyOf(effect.exchange), effect);
        }
        for (const exchange of ledger.touched) {
          const { opened, phase, pass } = exchange;
          if (opened.byPeer !== true || (phase !== "asked" && !exchange.reads) || isUsed.has(exchange))
            continue;
          isUsed.add(exchange);
          judged();
          if (exchange.elsewhere !== null)
            violate("safety", `${name} sends exchange ${exchange.id} on, which came by a node`);
          const wrong = wrongPass(pass, name);
          if (wrong !== null) violate("safety", `${name} serves exchange ${exchange.id}, ${wrong}`);
        }

        function noteAsked(key: string, { headers, exchange }: Asked): void {
          const pass = passIn(headers);
          if (ledger.exchanges.get((exchange % 2 ** 42) as ExchangeId)?.opened.byPeer === true)
            violate("safety", `${name} sends exchange ${exchange} on, which came by a node`);
          made.add(pass?.text ?? "");
          const row = pass?.row ?? "";
          const known = rows.get(key);
          if (known === undefined) rows.set(key, { followed: row, astray: new Set() });
          else {
            judged();
            if (known.astray.has(row))
              violate("safety", `${name} sends exchange ${exchange} again where its home was not: ${row}`);
            known.followed = row;
          }
        }
      },
    };

    function wrongPass(pass: SeenPass | null, name: string): string | null {
      if (pass === null || !made.has(pass.text)) return "which no node sent";
      if (pass.node !== name) return "which was sent to another node";
      if (used.has(pass.text)) return "which was served before";
      used.add(pass.text);
      return null;
    }
  },
};
