import { expect, test } from "vitest";
import { withinLimits } from "../../../sim/checkers/within-limits.ts";
import { judge, open, opened, responds, tunnel, underWay } from "./steps.ts";

test("within_limits finds a request too many, of one tunnel and of all", () => {
  expect(judge(withinLimits, underWay(), { limits: { tunnelExchangesMax: 1 } })).toBe(0);
  expect(judge(withinLimits, underWay(), { limits: { tunnelExchangesMax: 0 } })).toBe(1);
  expect(judge(withinLimits, [[3, opened()]], { limits: { exchangesMax: 0 } })).toBe(1);
  expect(judge(withinLimits, [[3, opened(), responds(503)]], { limits: { exchangesMax: 0 } })).toBe(0);
  expect(judge(withinLimits, open(tunnel), { limits: { tunnelsMax: 0 } })).toBe(1);
});
