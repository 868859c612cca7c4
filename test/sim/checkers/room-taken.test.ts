import { expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { ExchangeId } from "../../../core/ids.ts";
import { roomTaken } from "../../../sim/checkers/room-taken.ts";
import { latin1Bytes } from "../../../sim/tools/text.ts";
import { judge, opened, responds } from "./steps.ts";

const refusal: ServerEffect = {
  type: "respond",
  exchange: 2 as ExchangeId,
  status: 503,
  headers: [],
  body: [latin1Bytes('{"code":"limit_exchanges"}')],
  close: false,
};
const second = { ...opened(), exchange: 2 as ExchangeId };

test("room_taken finds a request that was refused beside one that is worked on, where there is room for two", () => {
  const steps = [[3, opened()] as const, [4, second, refusal] as const];
  expect(judge(roomTaken, steps, { limits: { exchangesMax: 2 } })).toBe(1);
  expect(judge(roomTaken, steps, { limits: { exchangesMax: 1 } })).toBe(0);
});

test("room_taken counts nobody who has only an answer to take", () => {
  const steps = [[3, opened(), responds(200)] as const, [4, second, refusal] as const];
  expect(judge(roomTaken, steps, { limits: { exchangesMax: 1 } })).toBe(1);
});
