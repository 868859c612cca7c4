import { describe, expect, test } from "vitest";
import { rowsTrue } from "../../../sim/checkers/rows-true.ts";
import { ID_BASE, open, type ServerStep, Shows, tick, tunnel } from "./steps.ts";

describe("rows_true", () => {
  const homes = (heals: boolean) => [{ clientId: "home0", heals }] as never;
  const rowOf = (name: string, node = "node-0") =>
    new Map([["home0", { tunnel: name, node, fence: 1, leaseEndsUs: 0 }]]);
  const judgeRows = (steps: readonly ServerStep[], rows: ReturnType<typeof rowOf>, heals = true) =>
    new Shows(rowsTrue, { scenario: { homes: homes(heals) } }).server(steps).finish({ rows }).found.length;

  test("takes a row that names the live tunnel, and no other", () => {
    expect(judgeRows(open(tunnel), rowOf(String(ID_BASE + tunnel)))).toBe(0);
    expect(judgeRows(open(tunnel), new Map())).toBe(1);
    expect(judgeRows(open(tunnel), rowOf(String(ID_BASE + tunnel), "node-1"))).toBe(1);
    expect(judgeRows([[0, tick]], new Map())).toBe(1);
  });

  test("finds a living node's row of a tunnel that is gone, whosever it is", () => {
    expect(judgeRows([[0, tick]], rowOf("1001"), false)).toBe(1);
    expect(judgeRows([[0, tick]], rowOf("1001", "dead"), false)).toBe(0);
  });
});
