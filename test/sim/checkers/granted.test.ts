import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import { granted } from "../../../sim/checkers/granted.ts";
import {
  aborts,
  answered,
  asks,
  type Case,
  calls,
  closed,
  ID_BASE,
  judge,
  opened,
  ping,
  responds,
  type ServerStep,
  Shows,
  tick,
  tunnel,
  upgrade,
} from "./steps.ts";
import { bearer, check, checked, TOKEN, used } from "./tokens.ts";

describe("granted", () => {
  const signed = `&sender=true&signature=${TOKEN}`;
  const claims = calls(91, {
    type: "upsert_connection",
    clientId: "home0",
    tunnel: String(ID_BASE + tunnel),
    node: "node-0",
    fence: 1,
    leaseMs: 1,
    access: "token",
  });
  const claimed = answered(91, { type: "connection_upserted", current: true });
  const accept: ServerEffect = { type: "upgrade_accept", socket: tunnel, protocol: null };
  const isOpen = { type: "socket_opened", socket: tunnel, nonce: new Uint8Array(16) } as const;
  const home: ServerStep[] = [
    [0, upgrade(tunnel, signed), check(90, "tunnel")],
    [0, used(90, true), claims],
    [0, claimed, accept],
    [0, isOpen],
  ];
  test.each<Case>([
    ["checked and claimed", 0, [...home, [4, tick, ping]]],
    [
      "not checked",
      1,
      [
        [1, upgrade(tunnel, signed), accept],
        [4, isOpen, ping],
      ],
    ],
    [
      "checked, where the agent is Culvert's own,",
      1,
      [...home.slice(0, 1), [0, used(90, true, true), claims], [0, claimed, accept], [4, isOpen, ping]],
    ],
    ["not claimed", 1, [...home.slice(0, 1), [2, used(90, true), accept], [4, isOpen, ping]]],
  ])("a tunnel that was %s: %i violations", (_name, violations, steps) => {
    expect(judge(granted, steps)).toBe(violations);
  });

  const asked: ServerStep[] = [...home, [3, opened(undefined, bearer), check(1)]];
  const failed: ServerEffect = {
    type: "report",
    report: {
      type: "registry_failed",
      operation: "check_token",
      fault: "unavailable",
      count: 1,
      level: "error",
    },
  };
  const trusted: ServerStep[] = [...asked, [4, checked(1, true), asks()]];
  // Another exchange with the same token, when the first one is over.
  const again = (nowMs: number, ...effects: ServerEffect[]): ServerStep[] => [
    [nowMs - 1, closed(false)],
    [nowMs, opened(undefined, bearer), ...effects, asks()],
  ];
  const elsewhere = opened("/library?clientId=home1", bearer);
  test.each<Case>([
    ["found valid", 0, trusted],
    ["found invalid", 1, [...asked, [4, checked(1, false), asks()]]],
    ["not looked up", 1, [...home, [3, opened(undefined, bearer), asks()]]],
    [
      "the registry failed",
      1,
      [...asked, [4, answered(1, { type: "failed", fault: "unknown" }), failed, asks()]],
    ],
    ["found valid a moment ago", 0, [...trusted, ...again(13)]],
    ["found valid a while ago", 1, [...trusted, ...again(14)]],
    ["found valid a while ago, and now nobody can be asked", 0, [...trusted, ...again(103, failed)]],
    ["found valid long ago, and now nobody can be asked", 1, [...trusted, ...again(104, failed)]],
    [
      "of another home",
      1,
      [...home, [3, elsewhere, check(1, "visitor", "home1")], [4, checked(1, true), asks()]],
    ],
  ])("a token %s: %i violations", (_name, violations, steps) => {
    expect(judge(granted, steps, { limits: { tokenFreshMs: 10, tokenTrustMs: 100 } })).toBe(violations);
  });
});

describe("granted, where two things happen in one step or one comes late", () => {
  const limits = { tokenFreshMs: 10, tokenTrustMs: 100 };
  const registryFailed = {
    type: "report",
    report: { type: "registry_failed", operation: "check_token", fault: "unknown", count: 1, level: "error" },
  } as const;

  const home: ServerStep[] = [
    [0, upgrade(tunnel, `&sender=true&signature=${TOKEN}`), check(90, "tunnel")],
    [
      0,
      used(90, true),
      calls(91, {
        type: "upsert_connection",
        clientId: "home0",
        tunnel: String(ID_BASE + tunnel),
        node: "node-0",
        fence: 1,
        leaseMs: 1,
        access: "token",
      }),
    ],
    [
      0,
      answered(91, { type: "connection_upserted", current: true }),
      { type: "upgrade_accept", socket: tunnel, protocol: null },
    ],
    [0, { type: "socket_opened", socket: tunnel, nonce: new Uint8Array(16) }],
  ];

  test("judges a request by its own frame, and not by an earlier one of the step", () => {
    const steps: ServerStep[] = [
      ...home,
      [3, opened(undefined, bearer), check(1)],
      [4, checked(1, true)],
      [5, closed(false)],
      [40, opened(undefined, bearer), check(2)],
    ];
    const both: ServerStep = [60, tick, aborts, registryFailed, asks()];
    const noFailure: ServerStep = [60, tick, aborts, asks()];
    const found = (last: ServerStep) =>
      new Shows(granted, { limits })
        .server([...steps, last])
        .found.filter((what) => what.includes("accepted"));
    expect(found(both)).toEqual([]);
    expect(found(noFailure)).toHaveLength(1);
  });

  test("lets a token that was accepted since the request came serve an endpoint of the server's own", () => {
    const target = "/auth/signature-token?clientId=home0";
    const found = (acceptedMs: number, openedMs: number) =>
      new Shows(granted, { limits }).server([
        [1, opened(undefined, bearer), check(1, "agent")],
        [acceptedMs, checked(1, true)],
        [acceptedMs, closed(false)],
        [openedMs, opened(target, bearer, "POST")],
        [5_000, tick, responds(200, "{}")],
      ]).found;
    expect(found(20, 119)).toEqual([]);
    expect(found(20, 120)).toHaveLength(1);
  });
});
