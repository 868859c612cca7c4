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

/** One alone begins with what `asked` gives, and with no more. */
const windows = {
  windowBytesMin: 50,
  windowBytes: CREDIT,
  windowBytesMax: 400,
  tunnelWindowBytes: 64 * CREDIT,
};

const opensFirst: ServerStep = [2, tick, serverSends(asked)];

const gives = (limit: number, about = 1): ServerStep => [
  9,
  tick,
  serverSends(entry(KIND.credit, 0, limit, about)),
];

const answers = (last: number): ServerStep => [
  8,
  { type: "socket_bytes", socket, bytes: frame(KIND.piece, 0, last, responseHead) },
];

function opensSecond(nowMs: number, credit: number): ServerStep {
  const head = requestHead.slice();
  head[10] = credit;
  return [nowMs, tick, serverSends(frame(KIND.piece, 0, 1, head, 2))];
}

/** A quarter of the least window. */
const saysLittle: ServerStep = [
  8,
  {
    type: "socket_bytes",
    socket,
    bytes: frame(KIND.piece, 0, 1, new Uint8Array([...responseHead, ...new Uint8Array(12)])),
  },
];

const saysMore: ServerStep = [
  8,
  {
    type: "socket_bytes",
    socket,
    bytes: frame(KIND.piece, 0, 1, new Uint8Array([...responseHead, ...new Uint8Array(13)])),
  },
];

describe("native_flow, of windows", () => {
  test.each<readonly [string, number, ServerStep[]]>([
    ["one that grows to its limit", 0, [opensFirst, gives(400)]],
    ["one that grows beyond it", 1, [opensFirst, gives(401)]],
    ["one that opens with more than one alone", 1, [opensSecond(2, CREDIT + 1)]],
    ["one that opens with less beside one that began a moment ago", 0, [opensFirst, opensSecond(1_000, 50)]],
    ["one that opens with less beside one that is idle", 1, [opensFirst, opensSecond(3_000, CREDIT - 1)]],
    [
      "one that opens with less beside one that said a little",
      1,
      [opensFirst, saysLittle, opensSecond(3_000, 50)],
    ],
    ["one that opens with as much", 0, [opensFirst, opensSecond(3_000, CREDIT)]],
    [
      "one that opens with less beside one that holds something, or may",
      0,
      [opensFirst, saysMore, opensSecond(3_000, 50)],
    ],
    ["one that opens with less where another has ended", 1, [opensFirst, answers(5), opensSecond(3_000, 50)]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(nativeFlow, { limits: windows }).server([...begun, ...steps]).found).toHaveLength(
      violations,
    );
  });
});
