import { describe, expect, test } from "vitest";
import { CodedBodies } from "../../../adapters/server/coded-bodies.ts";
import type { EdgeFact, EdgeOrder } from "../../../core/edge/events.ts";
import type { ExchangeId } from "../../../core/ids.ts";

const exchange = 1 as ExchangeId;
const HEAD: EdgeOrder = { type: "respond_head", exchange, status: 200, headers: [], coding: "gzip" };
const BODY: EdgeOrder = { type: "respond_body", exchange, bytes: Buffer.from("abc") };

function start(isOpen: boolean) {
  const orders: EdgeOrder[] = [];
  const facts: EdgeFact[] = [];
  const bodies = new CodedBodies({
    order: (order) => orders.push(order),
    isOpen: () => isOpen,
    tell: (fact) => facts.push(fact),
  });
  return { bodies, orders, facts };
}

describe("an order to compress", () => {
  test("for an exchange that has ended makes no coder, which nothing would end", () => {
    const { bodies } = start(false);
    expect(bodies.takes(HEAD)).toBe(false);
    expect(bodies.takes(BODY)).toBe(false);
  });

  test("goes to the edge itself, while the body is taken until the exchange ends", () => {
    const { bodies } = start(true);
    expect(bodies.takes(HEAD)).toBe(false);
    expect(bodies.takes(BODY)).toBe(true);
    expect(bodies.hears({ type: "exchange_closed", exchange, complete: false })).toBe(false);
    expect(bodies.takes(BODY)).toBe(false);
  });
});
