/** A body is compressed only for who can read it, whole, and its head says so. */
import type { ServerEffect } from "../../core/effects.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import type { Property } from "../record/checker.ts";
import { headerOf } from "../tools/headers.ts";

type Head = Extract<ServerEffect, { readonly type: "respond_head" }>;

export const codedRightly: Property = {
  name: "coded_rightly",
  create: (violate, judged) => ({
    sees: ["respond_head"],
    serverStep: ({ name, ledger }, _event, effects, count) => {
      for (let index = 0; index < count; index++) {
        const effect = effects[index];
        if (effect?.type !== "respond_head") continue;
        const exchange = ledger.exchanges.get(effect.exchange);
        if (exchange === undefined) continue;
        judged();
        const wrong = wrongWith(effect, exchange);
        if (wrong !== null) violate("safety", `${name} compresses exchange ${exchange.id}, ${wrong}`);
      }
    },
  }),
};

function wrongWith({ coding, status, headers }: Head, { opened }: LedgerExchange): string | null {
  const said = headerOf(headers, "content-encoding");
  if (coding === null) return said === undefined ? null : `and nobody did, though its head says ${said}`;
  if (said !== coding) return "and its head says nothing of it";
  if (headerOf(headers, "content-length") !== undefined) return "whose head has the length of something else";
  if (opened.method === "HEAD" || status === 204 || status === 206 || status === 304)
    return "which has no whole body";
  if (headerOf(opened.headers, "range") !== undefined) return "of which a range was asked for";
  return accepts(headerOf(opened.headers, "accept-encoding") ?? "", coding)
    ? null
    : "whose visitor cannot read it";
}

function accepts(field: string, coding: string): boolean {
  const weights = new Map<string, string>();
  for (const element of field.split(",")) {
    const [name = "", weight = "q=1"] = element.split(";").map((part) => part.trim().toLowerCase());
    weights.set(name, weight);
  }
  const weight = weights.get(coding) ?? weights.get("*");
  return weight !== undefined && !/^q=0(\.0*)?$/.test(weight);
}
