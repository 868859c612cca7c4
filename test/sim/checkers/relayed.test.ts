import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import { relayed } from "../../../sim/checkers/relayed.ts";
import { type Case, ID_BASE, judge, open, type ServerStep, tunnel, visitor } from "./steps.ts";

describe("relayed", () => {
  const both = [...open(tunnel), ...open(visitor, "")];
  const says = (socket: number, text: string) =>
    ({ type: "socket_text", socket: socket as typeof tunnel, text }) as const;
  const sends = (socket: number, text: string): ServerEffect => ({
    type: "socket_send_text",
    socket: socket as typeof tunnel,
    text,
  });
  const frame = (body: string, id = ID_BASE + visitor) =>
    sends(tunnel, `{"type":"WS","conn_id":${id},"request_id":9,"body":${body},"profile":null}`);
  const question: ServerStep = [3, says(visitor, '{"a":1}'), frame('{"a":1}')];
  const answer = says(tunnel, '{"request_id":9,"body":{"b":2}}');
  const push = (to: string) => says(tunnel, `{"request_id":0,"body":{"b":2}${to}}`);
  test.each<Case>([
    ["a question as it was", 0, [...both, question]],
    ["a question altered", 1, [...both, [3, says(visitor, '{"a":1}'), frame('{"a":2}')]]],
    ["a question in another's name", 1, [...both, [3, says(visitor, '{"a":1}'), frame('{"a":1}', 5)]]],
    ["an answer to who asked", 0, [...both, question, [4, answer, sends(visitor, '{"b":2}')]]],
    ["an answer to nobody", 1, [...both, question, [4, answer]]],
    ["an answer altered", 1, [...both, question, [4, answer, sends(visitor, '{"b":3}')]]],
    ["something unasked to all", 0, [...both, [4, push(""), sends(visitor, '{"b":2}')]]],
    ["something unasked to nobody", 1, [...both, [4, push("")]]],
    ["something to others", 1, [...both, [4, push(',"to_connection_ids":[7]'), sends(visitor, '{"b":2}')]]],
    [
      "something not for it",
      1,
      [...both, [4, push(`,"exclude_connection_ids":[${ID_BASE + visitor}]`), sends(visitor, '{"b":2}')]],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(relayed, steps)).toBe(violations);
  });
});
