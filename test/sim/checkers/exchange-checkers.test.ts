/** Checkers that watch a server's exchanges: each is shown steps that keep its property and steps that break it. */
import { describe, expect, test } from "vitest";
import { abortSent } from "../../../sim/checkers/abort-sent.ts";
import { codedRightly } from "../../../sim/checkers/coded-rightly.ts";
import { counters } from "../../../sim/checkers/counters.ts";
import { deadlines } from "../../../sim/checkers/deadlines.ts";
import { delivered } from "../../../sim/checkers/delivered.ts";
import { endToEnd } from "../../../sim/checkers/end-to-end.ts";
import { heldBytes } from "../../../sim/checkers/held-bytes.ts";
import { liveThings } from "../../../sim/checkers/live-things.ts";
import { outcomeTrue } from "../../../sim/checkers/outcome-true.ts";
import { requestIntact } from "../../../sim/checkers/request-intact.ts";
import { timersOwned } from "../../../sim/checkers/timers-owned.ts";
import { toldAgain } from "../../../sim/checkers/told-again.ts";
import { withinLimits } from "../../../sim/checkers/within-limits.ts";
import type { Property } from "../../../sim/record/checker.ts";
import {
  aborts,
  asks,
  closed,
  cuts,
  endedAs,
  ends,
  exchange,
  head,
  open,
  opened,
  packet,
  responds,
  type ServerStep,
  Shows,
  tick,
  tunnel,
  underWay,
  writes,
} from "./steps.ts";

type Case = readonly [name: string, violations: number, steps: readonly ServerStep[]];

function judge(
  property: Property,
  steps: readonly ServerStep[],
  shown?: ConstructorParameters<typeof Shows>[1],
) {
  return new Shows(property, shown).server(steps).found.length;
}

describe("delivered", () => {
  test.each<Case>([
    ["what comes in order goes out", 0, [...underWay(), [4, packet(1, 10), head(), writes(10)]]],
    ["nothing of it goes out", 1, [...underWay(), [4, packet(1, 10), head()]]],
    ["what came ahead waits", 0, [...underWay(), [4, packet(2, 10)]]],
    ["what came ahead goes out", 1, [...underWay(), [4, packet(2, 10), head(), writes(10)]]],
    ["the last packet ends it", 0, [...underWay(), [4, packet(1, 10, true), responds(200, "0123456789")]]],
    ["the last packet ends nothing", 1, [...underWay(), [4, packet(1, 0, true), head()]]],
    ["it ends before the last", 1, [...underWay(), [4, packet(1, 10), head(), writes(10), ends]]],
    ["a repeated packet ends it", 1, [...underWay(), [4, packet(2, 10)], [5, packet(2, 10), responds(502)]]],
    ["a blocking answer is gathered", 0, [...underWay(["culvert-response", "blocking"]), [4, packet(1, 10)]]],
    [
      "a blocking answer is streamed",
      1,
      [...underWay(["culvert-response", "blocking"]), [4, packet(1, 10), head(), writes(10)]],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(delivered, steps)).toBe(violations);
  });
});

describe("abort_sent", () => {
  const lost: ServerStep = [
    4,
    { type: "socket_closed", socket: tunnel, code: 1006, reason: "" },
    responds(502),
  ];
  test.each<Case>([
    ["the visitor leaves and the agent is told", 0, [...underWay(), [4, closed(false), aborts]]],
    ["the visitor leaves and nobody is told", 1, [...underWay(), [4, closed(false)]]],
    ["it fails and the agent is told", 0, [...underWay(), [4, tick, aborts, responds(504)]]],
    ["it fails and nobody is told", 1, [...underWay(), [4, tick, responds(504)]]],
    ["it is complete", 0, [...underWay(), [4, packet(1, 0, true), responds(200)]]],
    ["the agent is gone", 0, [...underWay(), lost]],
    [
      "it was never sent on",
      0,
      [
        [3, opened()],
        [4, closed(false)],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(abortSent, steps)).toBe(violations);
  });
});

describe("held_bytes", () => {
  const parked: ServerStep[] = [...underWay(), [4, packet(3, 50)]];

  test("takes the server's own count where it is the truth, and no other", () => {
    expect(judge(heldBytes, parked)).toBe(0);
    // From the first step on, for there is nothing to hold yet.
    expect(judge(heldBytes, parked, { sizes: { heldBytes: 50 } })).toBe(parked.length - 1);
    expect(
      judge(heldBytes, [...underWay(), [4, packet(1, 10), head(), writes(10)]], { sizes: { heldBytes: 0 } }),
    ).toBe(1);
  });

  test("counts what is flushed, cut and closed as gone", () => {
    const shows = new Shows(heldBytes).server(underWay());
    const heldAfter = (step: ServerStep) => shows.server([step]).servers.get("node-0")?.ledger.heldBytes;
    expect(heldAfter([4, packet(1, 10), head(), writes(10)])).toBe(10);
    expect(heldAfter([5, { type: "exchange_flushed", exchange, bytes: 4 }])).toBe(6);
    expect(heldAfter([6, tick, cuts])).toBe(0);
    expect(shows.found).toEqual([]);
  });

  test.each([
    ["parkedBytesMax", 49],
    ["parkedPacketsMax", 0],
    ["heldBytesTotal", 49],
  ] as const)("finds that %s is passed", (name, max) => {
    expect(judge(heldBytes, parked, { limits: { [name]: max } })).toBe(1);
  });

  test("finds an unread body above its limit", () => {
    const unread: ServerStep[] = [...underWay(), [4, packet(1, 50), head(), writes(50)]];
    expect(judge(heldBytes, unread, { limits: { heldBytesHard: 49 } })).toBe(1);
  });
});

describe("counters", () => {
  test("takes the truth, and finds each number that is not", () => {
    expect(judge(counters, open(tunnel))).toBe(0);
    expect(judge(counters, open(tunnel).slice(0, 1), { sizes: { tunnels: 2 } })).toBe(1);
    expect(judge(counters, [[3, opened()]], { sizes: { exchanges: 0 } })).toBe(1);
  });

  test("finds an outcome that is counted twice", () => {
    const shown = {
      outcomes: new Map([["completed", 2]]),
      exchangesOpened: 1,
      tunnelsAccepted: 0,
      bytesOut: 0,
      abortsSent: 0,
      tunnelPauses: 0,
    };
    const steps: ServerStep[] = [
      [3, opened()],
      [4, closed(true), endedAs("completed")],
    ];
    expect(judge(counters, steps, { sizes: { counters: shown } })).toBeGreaterThan(0);
  });
});

describe("deadlines", () => {
  const limits = {
    responseHeadMs: 100,
    responseIdleMs: 50,
    visitorStallMs: 70,
    registryVisitorMs: 20,
    waitMs: 0,
  };
  test.each<Case>([
    ["packet 1 has its time", 0, [...underWay(), [102, tick]]],
    ["packet 1 is late", 1, [...underWay(), [103, tick]]],
    ["after packet 1 the next has its time", 0, [...underWay(), [10, packet(1, 0), head()], [59, tick]]],
    ["after packet 1 the next is late", 1, [...underWay(), [10, packet(1, 0), head()], [60, tick]]],
    [
      "a packet that comes again is no progress",
      1,
      [...underWay(), [10, packet(2, 0)], [20, packet(2, 0)], [110, tick]],
    ],
    [
      "the visitor does not take the end",
      1,
      [...underWay(), [10, packet(1, 9, true), responds(200)], [80, tick]],
    ],
    ["it is given up early", 1, [...underWay(), [80, tick, aborts, responds(504)]]],
    ["it is given up in time", 0, [...underWay(), [103, tick, aborts, responds(504)]]],
    [
      "the registry takes too long",
      1,
      [
        [3, opened()],
        [543, tick],
      ],
    ],
    [
      "a drain does not end",
      1,
      [
        [3, { type: "drain_requested" }],
        [40_000, tick],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(deadlines, steps, { limits })).toBe(violations);
  });
});

describe("outcome_true", () => {
  const whole: ServerStep[] = [...underWay(), [4, packet(1, 3, true), responds(200, "abc")]];
  test.each<Case>([
    ["completed, and it was", 0, [...whole, [5, closed(true), endedAs("completed", 200, 3)]]],
    ["completed, and the visitor was gone", 1, [...whole, [5, closed(false), endedAs("completed", 200, 3)]]],
    ["another status", 1, [...whole, [5, closed(true), endedAs("completed", 206, 3)]]],
    ["another number of bytes", 1, [...whole, [5, closed(true), endedAs("completed", 200, 4)]]],
    [
      "completed, and its end was never ordered",
      1,
      [...underWay(), [4, packet(1, 3), head(), writes(3)], [5, closed(true), endedAs("completed", 200, 3)]],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(outcomeTrue, steps)).toBe(violations);
  });
});

describe("live_things", () => {
  test.each<Case>([
    ["an answer to nobody", 1, [[3, tick, head()]]],
    [
      "an answer after the end",
      1,
      [
        [3, opened()],
        [4, closed(false)],
        [5, tick, writes(1)],
      ],
    ],
    ["a request frame for nobody", 1, [...open(tunnel), [3, tick, asks()]]],
    [
      "a ping before the handshake is over",
      1,
      [...open(tunnel).slice(0, 2), [3, tick, { type: "socket_ping", socket: tunnel }]],
    ],
    [
      "a second acceptance",
      1,
      [...open(tunnel), [3, tick, { type: "upgrade_accept", socket: tunnel, protocol: null }]],
    ],
    ["a ping in place", 0, [...open(tunnel), [3, tick, { type: "socket_ping", socket: tunnel }]]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(liveThings, steps)).toBe(violations);
  });
});

describe("request_intact", () => {
  const headers = ["range", "bytes=0-", "accept", "text/html"];
  const right = { headers: { accept: "text/html", range: "bytes=0-" } };
  test.each([
    ["as it was asked", 0, right],
    ["another method", 1, { ...right, method: "POST" }],
    ["another path", 1, { ...right, path: "libraries" }],
    ["a shorter query", 1, { ...right, query: {} }],
    ["without its range", 1, { headers: { accept: "text/html" } }],
    ["a profile of nobody's", 1, { ...right, profile: "x" }],
  ] as const)("%s: %i violations", (_name, violations, members) => {
    const steps: ServerStep[] = [...open(tunnel), [3, opened(undefined, headers), asks(members)]];
    expect(judge(requestIntact, steps)).toBe(violations);
  });
});

describe("coded_rightly", () => {
  const coded = head(["content-encoding", "gzip"], "gzip");
  test.each([
    ["accepted", 0, ["accept-encoding", "br;q=0.1, gzip"], coded],
    ["not accepted", 1, ["accept-encoding", "gzip;q=0, br"], coded],
    ["of a range", 1, ["accept-encoding", "gzip", "range", "bytes=0-"], coded],
    ["not said", 1, ["accept-encoding", "gzip"], head([], "gzip")],
    [
      "with a length",
      1,
      ["accept-encoding", "gzip"],
      head(["content-encoding", "gzip", "content-length", "5"], "gzip"),
    ],
    ["said and not done", 1, [], head(["content-encoding", "gzip"])],
  ] as const)("a coding %s: %i violations", (_name, violations, headers, effect) => {
    expect(judge(codedRightly, [...underWay(headers), [4, packet(1, 0), effect]])).toBe(violations);
  });
});

describe("end_to_end", () => {
  const origin = ["origin", "https://player.example"];
  test.each([
    ["nobody asked, nobody is told", 0, [], []],
    ["nobody asked, all are told", 1, [], ["access-control-allow-origin", "*"]],
    ["it is echoed", 0, origin, ["access-control-allow-origin", "https://player.example"]],
    ["it is left out", 1, origin, []],
  ] as const)("CORS: %s: %i violations", (_name, violations, asked, told) => {
    expect(judge(endToEnd, [...underWay(asked), [4, packet(1, 0), head(told)]])).toBe(violations);
  });
});

test("timers_owned finds more timers than there are things to time", () => {
  // The lease and the sweep; then a tunnel's heartbeat and an exchange besides.
  expect(judge(timersOwned, [[3, tick]], { sizes: { timersArmed: 2 } })).toBe(0);
  expect(judge(timersOwned, [[3, tick]], { sizes: { timersArmed: 3 } })).toBe(1);
  // Of the six steps of this the first is looked at, and the fifth: by then there is an owner for each.
  const steps: ServerStep[] = [...underWay(), [4, tick], [5, tick]];
  expect(judge(timersOwned, steps, { sizes: { timersArmed: 4 } })).toBe(1);
  expect(judge(timersOwned, steps, { sizes: { timersArmed: 5 } })).toBe(2);
});

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

test("within_limits finds a request too many, of one tunnel and of all", () => {
  expect(judge(withinLimits, underWay(), { limits: { tunnelExchangesMax: 1 } })).toBe(0);
  expect(judge(withinLimits, underWay(), { limits: { tunnelExchangesMax: 0 } })).toBe(1);
  expect(judge(withinLimits, [[3, opened()]], { limits: { exchangesMax: 0 } })).toBe(1);
  expect(judge(withinLimits, [[3, opened(), responds(503)]], { limits: { exchangesMax: 0 } })).toBe(0);
  expect(judge(withinLimits, open(tunnel), { limits: { tunnelsMax: 0 } })).toBe(1);
});
