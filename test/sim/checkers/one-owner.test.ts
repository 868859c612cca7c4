import { describe, expect, test } from "vitest";
import { oneOwner } from "../../../sim/checkers/one-owner.ts";
import { type Case, calls, ID_BASE, judge, open, tick, tunnel, visitor } from "./steps.ts";

describe("one_owner", () => {
  const row = { clientId: "home0", tunnel: String(ID_BASE + tunnel) };
  const claim = calls(1, {
    type: "upsert_connection",
    ...row,
    node: "node-0",
    fence: 1,
    leaseMs: 1,
    access: "token",
  });
  const drop = calls(2, { type: "delete_connection", ...row });
  const gone = { type: "socket_closed", socket: tunnel, code: 1006, reason: "" } as const;
  test.each<Case>([
    ["two tunnels are open", 1, [...open(tunnel), ...open(visitor)]],
    ["a tunnel and a visitor's socket are open", 0, [...open(tunnel), ...open(visitor, "")]],
    ["a live tunnel's row goes", 1, [...open(tunnel), [3, tick, claim, drop]]],
    ["a lost tunnel's row goes", 0, [...open(tunnel), [3, tick, claim], [4, gone, drop]]],
    ["a lost tunnel's row stays", 1, [...open(tunnel), [3, tick, claim], [4, gone]]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(oneOwner, steps)).toBe(violations);
  });
});
