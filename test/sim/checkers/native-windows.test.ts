import { describe, expect, test } from "vitest";
import { nativeFlow } from "../../../sim/checkers/native-flow.ts";
import { KIND } from "../../../sim/wire/native.ts";
import {
  asked,
  begun,
  CREDIT,
  entry,
  frame,
  requestHead,
  responseHead,
  serverSends,
  socket,
} from "./native-steps.ts";
import { type ServerStep, Shows, tick } from "./steps.ts";

const windows = {
  windowBytesMin: 50,
  windowBytes: CREDIT,
  windowBytesMax: 400,
  tunnelWindowBytes: 500,
};

const opensBoth: ServerStep = [
  2,
  tick,
  serverSends(asked),
  serverSends(frame(KIND.piece, 0, 1, requestHead, 2)),
];

const gives = (limit: number, about = 1): ServerStep => [
  9,
  tick,
  serverSends(entry(KIND.credit, 0, limit, about)),
];

const answersWhole: ServerStep = [
  8,
  { type: "socket_bytes", socket, bytes: frame(KIND.piece, 0, 5, responseHead) },
];

function opensSecond(credit: number): ServerStep {
  const head = requestHead.slice();
  head[10] = credit;
  return [10, tick, serverSends(frame(KIND.piece, 0, 1, head, 2))];
}

describe("native_flow, of windows", () => {
  test.each<readonly [string, number, ServerStep[]]>([
    ["one that grows to its limit", 0, [opensBoth, gives(400)]],
    ["one that grows beyond it", 1, [opensBoth, gives(401)]],
    ["two that grow to what both may have", 0, [opensBoth, gives(300), gives(200, 2)]],
    ["two that grow beyond it", 1, [opensBoth, gives(300), gives(201, 2)]],
    ["one that grows where another has ended", 0, [opensBoth, gives(300), answersWhole, gives(400, 2)]],
    ["one that opens beside one that grew", 1, [[2, tick, serverSends(asked)], gives(400), opensSecond(101)]],
    ["one that does, with the least", 0, [[2, tick, serverSends(asked)], gives(400), opensSecond(50)]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(nativeFlow, { limits: windows }).server([...begun, ...steps]).found).toHaveLength(
      violations,
    );
  });
});
