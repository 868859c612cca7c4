import { describe, expect, test } from "vitest";
import { serverLimits } from "../../../core/limits.ts";
import { lookedAt } from "../../../sim/checkers/looked-at.ts";
import { DOMAIN } from "../../../sim/scenario/request.ts";
import { fakeSha256 } from "../../../sim/tools/hash.ts";
import { answered, calls, judge, opened, responds, type ServerStep, tick, tunnel, upgrade } from "./steps.ts";

const { recallFreshMs, graceMs } = serverLimits;
const HASH = fakeSha256("visitor:right");
const BASIC = `basic visitor:${HASH}`;
const refuses = responds(401);
const home = (...headers: string[]) => opened("/library", ["host", `home0.${DOMAIN}`, ...headers]);
const bearer = ["authorization", "Bearer t"];
const password = (text: string) => ["authorization", `Basic ${btoa(`visitor:${text}`)}`];
const recalls = calls(1, { type: "recall_home", clientId: "home0" });
const recalled = (access: string | null) =>
  answered(1, { type: "home_recalled", home: access === null ? null : { access, seenAgoMs: 0 } });
const question = {
  type: "check_visitor",
  tokenHash: fakeSha256("t"),
  clientId: "home0",
} as const;
const found = (valid: boolean) =>
  answered(2, { type: "visitor_checked", kind: valid ? "client_access" : null });
const connects = (access: string): ServerStep => [
  0,
  upgrade(tunnel, "&sender=true", ["culvert-access", access]),
];
const leaves = (atMs: number): ServerStep => [
  atMs,
  { type: "socket_closed", socket: tunnel, code: 1006, reason: "" },
];

describe("looked_at", () => {
  test.each<readonly [string, number, ServerStep[]]>([
    ["a home that nobody asked about", 1, [[1, home(), refuses]]],
    [
      "one that is unknown",
      0,
      [
        [1, home(), recalls],
        [2, recalled(null), refuses],
      ],
    ],
    [
      "one that wants a token",
      0,
      [
        [1, home(), recalls],
        [2, recalled("token"), refuses],
      ],
    ],
    [
      "one that is everybody's",
      1,
      [
        [1, home(), recalls],
        [2, recalled("public"), refuses],
      ],
    ],
    [
      "one with a password, away",
      1,
      [
        [1, home(...password("wrong")), recalls],
        [2, recalled(BASIC), refuses],
      ],
    ],
    [
      "a word of the registry that is old",
      1,
      [
        [0, tick, recalls],
        [1, recalled(null)],
        [recallFreshMs + 2, home(), refuses],
      ],
    ],
    [
      "a token that was not looked at",
      1,
      [
        [1, home(...bearer), recalls],
        [2, recalled(null), refuses],
      ],
    ],
    [
      "a token that is not good",
      0,
      [
        [1, home(...bearer), recalls],
        [2, recalled(null), calls(2, question)],
        [3, found(false), refuses],
      ],
    ],
    [
      "a token that is good",
      1,
      [
        [1, home(...bearer), recalls],
        [2, recalled(null), calls(2, question)],
        [3, found(true), refuses],
      ],
    ],
    [
      "a wrong password, at a home that is there",
      0,
      [connects(BASIC), [1, home(...password("wrong")), refuses]],
    ],
    ["no password, at a home that is there", 0, [connects(BASIC), [1, home(), refuses]]],
    ["the right password", 1, [connects(BASIC), [1, home(...password("right")), refuses]]],
    [
      "a wrong password, at a home that was there",
      1,
      [connects(BASIC), leaves(1), [2, home(...password("wrong")), refuses]],
    ],
    [
      "a wrong password that was being looked at",
      0,
      [connects(BASIC), [1, home(...password("wrong"))], leaves(2), [3, tick, refuses]],
    ],
    ["a home that wants a token and is there", 0, [connects("token"), [1, home(), refuses]]],
    [
      "one that wanted a token a while ago",
      0,
      [connects("token"), leaves(1), [1 + graceMs, home(), refuses]],
    ],
    ["one that wanted a token long ago", 1, [connects("token"), leaves(1), [2 + graceMs, home(), refuses]]],
    ["a home that is everybody's and there", 1, [connects("public"), [1, home(), refuses]]],
    ["nothing by client id", 0, [[1, opened(), refuses]]],
    ["a token by client id that nobody looked at", 1, [[1, opened(undefined, bearer), refuses]]],
    [
      "a bad token by client id",
      0,
      [
        [1, opened(undefined, bearer), calls(2, question)],
        [2, found(false), refuses],
      ],
    ],
    [
      "a signature that nobody looked at",
      1,
      [[1, opened("/files/track?clientId=home0&signature=s"), refuses]],
    ],
    ["no magic token", 0, [[1, opened("/auth/magic-token"), refuses]]],
    ["a magic token that nobody looked for", 1, [[1, opened("/auth/magic-token?magicToken=m"), refuses]]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(lookedAt, steps)).toBe(violations);
  });
});
