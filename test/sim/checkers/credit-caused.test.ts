import { expect, test } from "vitest";
import { creditCaused } from "../../../sim/checkers/credit-caused.ts";
import { KIND } from "../../../sim/wire/native.ts";
import { begun, entry, frame, requestHead, serverSends } from "./native-steps.ts";
import { exchange, head, opened, type ServerStep, Shows, writes } from "./steps.ts";

const WINDOW = 400;
const asked: ServerStep[] = [...begun, [4, opened(), serverSends(frame(KIND.piece, 0, 1, requestHead))]];
const taken = (bytes: number): ServerStep[] => [
  [5, { type: "tick" }, head(), writes(bytes)],
  [6, { type: "exchange_flushed", exchange, bytes }],
];
const gives = (limit: number): ServerStep => [7, { type: "tick" }, serverSends(entry(KIND.credit, 1, limit))];

test.each<readonly [string, number, readonly ServerStep[]]>([
  ["a window ahead of nothing", 0, [...asked, gives(WINDOW)]],
  ["a window ahead of what the visitor took", 0, [...asked, ...taken(1_000), gives(1_000 + WINDOW)]],
  ["more than that", 1, [...asked, ...taken(1_000), gives(1_001 + WINDOW)]],
  ["what was only written", 1, [...asked, ...taken(1_000).slice(0, 1), gives(1_000 + WINDOW)]],
])("credit for %s is wrong %i times", (_name, count, steps) => {
  const limits = { windowBytesMax: WINDOW };
  expect(new Shows(creditCaused, { limits }).server(steps).found).toHaveLength(count);
});
