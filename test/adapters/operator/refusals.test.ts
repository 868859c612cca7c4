import { expect, test } from "vitest";
import { createLogger } from "../../../adapters/operator/log.ts";
import { createRefusalLog } from "../../../adapters/operator/refusals.ts";

test("a cause is told at once, and then once a minute with how often it came", () => {
  const lines: { cause: string; count: number }[] = [];
  const logger = createLogger("info", { write: (line) => lines.push(JSON.parse(line)) });
  let nowMs = 0;
  const refuse = createRefusalLog(logger, () => nowMs);
  for (let index = 0; index < 1_000; index++) refuse("limit_connections");
  refuse("bad_request");
  nowMs = 59_999;
  refuse("limit_connections");
  nowMs = 60_000;
  refuse("limit_connections");
  expect(lines.map(({ cause, count }) => [cause, count])).toEqual([
    ["limit_connections", 1],
    ["bad_request", 1],
    ["limit_connections", 1_001],
  ]);
});
