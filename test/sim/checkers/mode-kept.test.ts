import { describe, expect, test } from "vitest";
import type { SocketId } from "../../../core/ids.ts";
import { modeKept } from "../../../sim/checkers/mode-kept.ts";
import { DOMAIN } from "../../../sim/scenario/request.ts";
import { fakeSha256 } from "../../../sim/tools/hash.ts";
import { greeting, KIND } from "../../../sim/wire/native.ts";
import { frame, hello, second, sends, socket } from "./session-steps.ts";
import { answered, calls, opened, type ServerStep, Shows, tick, upgrade } from "./steps.ts";

const requestHead = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0];
const asks = (over = socket) => sends(frame(KIND.piece, 0, 1, requestHead), over);

const welcomes = (resumed: boolean, over = socket) =>
  sends(greeting(KIND.welcome, { ticket: "t", resumed, graceMs: 1 }), over);

function opens(over: SocketId, access: string, resumed = false): ServerStep[] {
  return [
    [0, upgrade(over, "&sender=true", ["culvert-access", access])],
    [0, tick, { type: "upgrade_accept", socket: over, protocol: "culvert.1" }],
    [0, { type: "socket_opened", socket: over, nonce: new Uint8Array(16) }],
    [1, { type: "socket_bytes", socket: over, bytes: hello }, welcomes(resumed, over)],
  ];
}

const visits = opened("/library", ["host", `home0.${DOMAIN}`, "authorization", "Bearer right"]);

describe("mode_kept", () => {
  test.each<readonly [string, number, ServerStep[]]>([
    ["a home for everybody", 0, [...opens(socket, "public"), [2, visits, asks()]]],
    ["a token that nobody looked up", 1, [...opens(socket, "token"), [2, visits, asks()]]],
    ["no password", 1, [...opens(socket, `basic a:${"0".repeat(64)}`), [2, visits, asks()]]],
    [
      "a home that is for everybody no more",
      1,
      [...opens(socket, "public"), [2, visits], ...opens(second, "token"), [3, tick, asks(second)]],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(modeKept).server(steps).found).toHaveLength(violations);
  });

  test("lets a token in that the registry knows", () => {
    const shows = new Shows(modeKept).server([...opens(socket, "token"), [2, visits]]);
    const tokenHash = fakeSha256("right");
    const asksFor = calls(7, { type: "check_visitor", tokenHash, clientId: "home0" });
    const valid = answered(7, { type: "token_checked", valid: true, fence: 1 });
    expect(
      shows.server([
        [3, tick, asksFor],
        [4, valid, asks()],
      ]).found,
    ).toEqual([]);
  });
});
