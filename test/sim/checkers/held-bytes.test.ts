import { describe, expect, test } from "vitest";
import { heldBytes } from "../../../sim/checkers/held-bytes.ts";
import {
  cuts,
  exchange,
  head,
  judge,
  packet,
  type ServerStep,
  Shows,
  tick,
  underWay,
  writes,
} from "./steps.ts";

describe("held_bytes", () => {
  const parked: ServerStep[] = [...underWay(), [4, packet(3, 50)]];

  test("takes the server's own count where it is the truth, and no other", () => {
    expect(judge(heldBytes, parked)).toBe(0);
    // From the first step on, for there is nothing to hold yet.
    expect(judge(heldBytes, parked, { sizes: { heldBytes: 50 } })).toBe(parked.length - 1);
    expect(
      judge(heldBytes, [...underWay(), [4, packet(1, 10), head(), writes(10)]], { sizes: { heldBytes: 0 } }),
    ).toBe(1);
  });

  test("counts what is flushed, cut and closed as gone", () => {
    const shows = new Shows(heldBytes).server(underWay());
    const heldAfter = (step: ServerStep) => shows.server([step]).servers.get("node-0")?.ledger.heldBytes;
    expect(heldAfter([4, packet(1, 10), head(), writes(10)])).toBe(10);
    expect(heldAfter([5, { type: "exchange_flushed", exchange, bytes: 4 }])).toBe(6);
    expect(heldAfter([6, tick, cuts])).toBe(0);
    expect(shows.found).toEqual([]);
  });

  test.each([
    ["parkedBytesMax", 49],
    ["parkedPacketsMax", 0],
    ["heldBytesTotal", 49],
  ] as const)("finds that %s is passed", (name, max) => {
    expect(judge(heldBytes, parked, { limits: { [name]: max } })).toBe(1);
  });

  test("finds an unread body above its limit", () => {
    const unread: ServerStep[] = [...underWay(), [4, packet(1, 50), head(), writes(50)]];
    expect(judge(heldBytes, unread, { limits: { heldBytesHard: 49 } })).toBe(1);
  });
});
