import { expect, test } from "vitest";
import { upkeep } from "../../../sim/checkers/upkeep.ts";
import { renewalOf } from "../../helpers/node-contract.ts";
import { calls, judge, tick } from "./steps.ts";

test("upkeep wants leases renewed and the registry swept on time", () => {
  const limits = { leaseRenewMs: 40, registryRetryMs: 10, sweepMs: 100 };
  const renew = calls(1, renewalOf("node-0"));
  const sweep = calls(2, { type: "sweep", keptMs: 0 });
  expect(
    judge(
      upkeep,
      [
        [0, tick, renew],
        [50, tick, renew],
        [99, tick],
      ],
      { limits },
    ),
  ).toBe(0);
  expect(
    judge(
      upkeep,
      [
        [0, tick, renew],
        [50, tick],
      ],
      { limits },
    ),
  ).toBe(1);
  expect(
    judge(
      upkeep,
      [
        [0, tick, sweep, renew],
        [100, tick, renew],
      ],
      { limits },
    ),
  ).toBe(1);
  const leave = calls(3, { type: "delete_node", node: "node-0" });
  const leaves = (...later: Parameters<typeof judge>[1]) => {
    return judge(upkeep, [[0, tick, renew], [10, tick, leave], ...later], { limits });
  };
  expect(leaves([90, tick])).toBe(0);
  expect(leaves([20, tick, renew])).toBe(1);
});
