import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { ServerEvent } from "../../../core/events.ts";
import { contradictions } from "../../../sim/checkers/contradictions.ts";
import { encodeSimPacket } from "../../../sim/wire/packet.ts";
import {
  askAgent,
  exchange,
  ID_BASE,
  open,
  opened,
  type Step,
  tunnel,
  violationsOf,
} from "./server-steps.ts";

function packet(packetId: number, contentType: string, body: string, last = false): ServerEvent {
  const head = packetId === 1 ? { status: 200, headers: { "content-type": contentType } } : null;
  const bytes = encodeSimPacket({
    requestId: ID_BASE + exchange,
    packetId,
    last,
    head,
    body: new TextEncoder().encode(body),
  });
  return { type: "socket_bytes", socket: tunnel, bytes };
}

describe("contradictions", () => {
  const cut: ServerEffect = { type: "respond_cut", exchange };
  const before: Step[] = [
    ...open(tunnel, true),
    [3, opened("/library"), askAgent],
    [4, packet(1, "text/plain", "one")],
    [5, packet(2, "", "two")],
  ];

  test("lets a packet come twice that is the same", () => {
    expect(violationsOf(contradictions, [...before, [6, packet(1, "text/plain", "one")]])).toEqual([]);
    expect(violationsOf(contradictions, [...before, [6, packet(2, "", "two")]])).toEqual([]);
  });

  test.each([
    ["other headers", packet(1, "text/html!", "one")],
    ["other bytes", packet(2, "", "TWO")],
    ["another length", packet(2, "", "twofold")],
    ["the last flag", packet(2, "", "two", true)],
  ])("wants the exchange ended when a packet comes again with %s", (_, event) => {
    expect(violationsOf(contradictions, [...before, [6, event]])).toHaveLength(1);
    expect(violationsOf(contradictions, [...before, [6, event, cut]])).toEqual([]);
  });
});
