import { expect, test } from "vitest";
import { ownFence } from "../../../sim/checkers/own-fence.ts";
import { calls, judge, tick } from "./steps.ts";

test("own_fence wants a tunnel to claim its row by the fence that it came with", () => {
  const claim = (call: number, tunnel: string, fence: number) => {
    const row = { clientId: "home0", tunnel, node: "node-0", fence, leaseMs: 1, access: "token" };
    return calls(call, { type: "upsert_connection", ...row });
  };
  const claims = (...fences: readonly number[]) =>
    judge(
      ownFence,
      fences.map((fence, index) => [index, tick, claim(index + 1, "1001", fence)]),
    );
  expect(claims(10, 10, 10)).toBe(0);
  expect(claims(10, 11)).toBe(1);
  expect(judge(ownFence, [[0, tick, claim(1, "1001", 10), claim(2, "1002", 11)]])).toBe(0);
});
