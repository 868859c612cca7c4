import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { ServerEvent } from "../../../core/events.ts";
import type { ExchangeId } from "../../../core/ids.ts";
import { hops } from "../../../sim/checkers/hops.ts";
import { exchange, opened, type ServerStep, Shows, tick } from "./steps.ts";

const passOf = (node: string, tunnel = "7", nonce = "aa.0") =>
  `1 1 ${nonce} - - ${node} ${tunnel} home0 192.0.2.1 ${"0".repeat(64)}`;

const asks = (pass: string, request: number = exchange): ServerEffect => ({
  type: "origin_request",
  exchange: request as ExchangeId,
  origin: 0,
  method: "GET",
  target: "/library?clientId=home0",
  headers: ["Culvert-Hop", pass],
  body: null,
  bodyBytes: null,
  upgrade: false,
});

const comesBy = (pass: string): ServerEvent => ({
  ...(opened("/library?clientId=home0", ["Culvert-Hop", pass], "POST") as Extract<
    ServerEvent,
    { readonly type: "exchange_opened" }
  >),
  byPeer: true,
});

const serves: ServerEffect = { type: "exchange_read", exchange };
const closed: ServerEvent = { type: "exchange_closed", exchange, complete: true };
const misdirected = (request: number = exchange): ServerEvent => ({
  type: "origin_head",
  exchange: request as ExchangeId,
  status: 421,
  headers: ["Culvert-Peer", "misdirected"],
});
/** The second request of the exchange. */
const SECOND = exchange + 2 ** 42;

function found(near: readonly ServerStep[], far: readonly ServerStep[] = []): number {
  return new Shows(hops).server(near, "node-0").server(far, "node-1").found.length;
}

describe("hops", () => {
  test.each<readonly [string, number, readonly ServerStep[], readonly ServerStep[]]>([
    [
      "a request that another node sent",
      0,
      [[1, opened(), asks(passOf("node-1"))]],
      [[2, comesBy(passOf("node-1")), serves]],
    ],
    ["one that no node sent", 1, [], [[2, comesBy(passOf("node-1")), serves]]],
    [
      "one that was sent to a third node",
      1,
      [[1, opened(), asks(passOf("node-2"))]],
      [[2, comesBy(passOf("node-2")), serves]],
    ],
    [
      "one that is served twice",
      1,
      [[1, opened(), asks(passOf("node-1"))]],
      [
        [2, comesBy(passOf("node-1")), serves],
        [3, closed],
        [4, comesBy(passOf("node-1")), serves],
      ],
    ],
    [
      "one that is sent on",
      2,
      [[1, opened(), asks(passOf("node-1"))]],
      [[2, comesBy(passOf("node-1")), asks(passOf("node-2", "9"))]],
    ],
    [
      "another row after one that led astray",
      0,
      [
        [1, opened(), asks(passOf("node-1"))],
        [2, misdirected()],
        [3, tick, asks(passOf("node-2", "9", "aa.1"), SECOND)],
      ],
      [],
    ],
    [
      "the same row again",
      1,
      [
        [1, opened(), asks(passOf("node-1"))],
        [2, misdirected()],
        [3, tick, asks(passOf("node-1", "7", "aa.1"), SECOND)],
      ],
      [],
    ],
  ])("%s: %i violations", (_name, violations, near, far) => {
    expect(found(near, far)).toBe(violations);
  });
});
