import { expect, test } from "vitest";
import { toldAgain } from "../../../sim/checkers/told-again.ts";
import { judge, open, packet, tunnel } from "./steps.ts";

test("told_again wants an agent told that sends for nobody, once a second", () => {
  const stray = packet(1, 0, false, 7_000);
  const tells = {
    type: "socket_send_text",
    socket: tunnel,
    text: '{"type":"ABORT","request_id":7000}',
  } as const;
  expect(judge(toldAgain, [...open(tunnel), [10, stray, tells], [20, stray], [1_020, stray, tells]])).toBe(0);
  expect(judge(toldAgain, [...open(tunnel), [10, stray]])).toBe(1);
  expect(judge(toldAgain, [...open(tunnel), [10, stray, tells], [1_020, stray]])).toBe(1);
  expect(judge(toldAgain, [...open(tunnel), [10, stray, tells], [20, stray, tells]])).toBe(1);
});
