/** Checkers that watch a server's sockets and its registry: each is shown steps that keep its property and steps that break it. */
import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import { callsPaced } from "../../../sim/checkers/calls-paced.ts";
import { granted } from "../../../sim/checkers/granted.ts";
import { heartbeat } from "../../../sim/checkers/heartbeat.ts";
import { neighbours } from "../../../sim/checkers/neighbours.ts";
import { noSecrets } from "../../../sim/checkers/no-secrets.ts";
import { oneOwner } from "../../../sim/checkers/one-owner.ts";
import { refusedRightly } from "../../../sim/checkers/refused-rightly.ts";
import { relayed } from "../../../sim/checkers/relayed.ts";
import { rowsTrue } from "../../../sim/checkers/rows-true.ts";
import { tokensKept } from "../../../sim/checkers/tokens-kept.ts";
import { upkeep } from "../../../sim/checkers/upkeep.ts";
import type { Property } from "../../../sim/record/checker.ts";
import { fakeSha256, tokenNamed } from "../../../sim/tools/hash.ts";
import {
  answered,
  asks,
  calls,
  closed,
  head,
  ID_BASE,
  open,
  opened,
  packet,
  responds,
  type ServerStep,
  Shows,
  tick,
  tunnel,
  underWay,
  upgrade,
  visitor,
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

const TOKEN = tokenNamed("somebody");
const bearer = ["authorization", `Bearer ${TOKEN}`];
const check = (call: number, kind: "client_access" | "signature" = "client_access", clientId = "home0") =>
  calls(call, { type: "check_token", kind, tokenHash: fakeSha256(TOKEN), clientId });
const checked = (call: number, valid: boolean) => answered(call, { type: "token_checked", valid, fence: 1 });
const ping: ServerEffect = { type: "socket_ping", socket: tunnel };

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
    [0, upgrade(tunnel, signed), check(90, "signature")],
    [0, checked(90, true), claims],
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
    ["not claimed", 1, [...home.slice(0, 1), [2, checked(90, true), accept], [4, isOpen, ping]]],
  ])("a tunnel that was %s: %i violations", (_name, violations, steps) => {
    expect(judge(granted, steps)).toBe(violations);
  });

  const asked: ServerStep[] = [...home, [3, opened(undefined, bearer), check(1)]];
  const failed: ServerEffect = {
    type: "report",
    report: { type: "registry_failed", operation: "check_token", fault: "unavailable" },
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
      [...home, [3, elsewhere, check(1, "client_access", "home1")], [4, checked(1, true), asks()]],
    ],
  ])("a token %s: %i violations", (_name, violations, steps) => {
    expect(judge(granted, steps, { limits: { tokenFreshMs: 10, tokenTrustMs: 100 } })).toBe(violations);
  });
});

describe("heartbeat", () => {
  const limits = { pingMs: 50, silenceMs: 80, stallMs: 20, handshakeMs: 30 };
  const drop: ServerEffect = { type: "socket_terminate", socket: tunnel };
  const beats = (...times: number[]): ServerStep[] => times.map((nowMs) => [nowMs, tick, ping]);
  test.each<Case>([
    ["heard in time", 0, [...open(tunnel), ...beats(12, 22, 32, 42, 52, 62, 72, 81)]],
    ["silent and kept", 1, [...open(tunnel), ...beats(12, 22, 32, 42, 52, 62, 72, 82)]],
    ["silent and dropped", 0, [...open(tunnel), ...beats(12, 22, 32, 42, 52, 62, 72), [82, tick, drop]]],
    ["heard and dropped", 1, [...open(tunnel), ...beats(12, 22, 32), [42, tick, drop]]],
    ["silent while the server stood still", 1, [...open(tunnel), [90, tick, drop]]],
    ["not pinged", 1, [...open(tunnel), [12, tick], [22, tick], [32, tick], [42, tick], [52, tick]]],
    ["not opened", 1, [...open(tunnel).slice(0, 2), [31, tick]]],
  ])("a socket %s: %i violations", (_name, violations, steps) => {
    expect(judge(heartbeat, steps, { limits })).toBe(violations);
  });
});

describe("neighbours", () => {
  const pause: ServerEffect = { type: "socket_pause", socket: tunnel, paused: true };
  const slow: ServerStep[] = [...underWay(), [4, packet(1, 9), head(), writes(9), pause]];
  test.each<Case>([
    ["nobody else is there", 0, [...slow, [9_000, tick]]],
    ["somebody who has read all waits", 1, [...underWay(), [4, tick, pause], [1_005, tick]]],
    ["nobody waits for long", 0, [...underWay(), [4, tick, pause], [1_004, tick]]],
    ["a visitor socket is there", 1, [...slow, ...open(visitor, "", 5), [1_008, tick]]],
  ])("a paused tunnel, %s: %i violations", (_name, violations, steps) => {
    expect(judge(neighbours, steps)).toBe(violations);
  });
});

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

describe("refused_rightly", () => {
  const refused = (cause: "superseded" | "unauthorized" | "draining" | "limit_tunnels"): ServerEffect => ({
    type: "report",
    report: { type: "upgrade_refused", socket: tunnel, cause },
  });
  const claim = (socket: number, fence: number) =>
    calls(socket, {
      type: "upsert_connection",
      clientId: "home0",
      tunnel: String(ID_BASE + socket),
      node: "node-0",
      fence,
      leaseMs: 1,
      access: "token",
    });
  const asking: ServerStep[] = [[1, upgrade(tunnel, "&sender=true&signature=s"), check(1, "signature")]];
  test.each<Case>([
    [
      "superseded by a newer one",
      0,
      [...asking, [2, tick, claim(1, 5), claim(7, 6)], [3, tick, refused("superseded")]],
    ],
    [
      "superseded by an older one",
      1,
      [...asking, [2, tick, claim(1, 5), claim(7, 4)], [3, tick, refused("superseded")]],
    ],
    ["refused for its token", 0, [...asking, [2, checked(1, false), refused("unauthorized")]]],
    ["refused for a token that is good", 1, [...asking, [2, checked(1, true), refused("unauthorized")]]],
    ["refused for want of a token", 0, [[1, upgrade(tunnel), refused("unauthorized")]]],
    [
      "told of a drain",
      0,
      [
        [0, { type: "drain_requested" }],
        [1, upgrade(tunnel), refused("draining")],
      ],
    ],
    ["told of a drain that nobody asked for", 1, [[1, upgrade(tunnel), refused("draining")]]],
    ["told of a limit that is far away", 1, [[1, upgrade(tunnel), refused("limit_tunnels")]]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(refusedRightly, steps)).toBe(violations);
  });
});

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

describe("tokens_kept", () => {
  const issues = [opened("/auth/signature-token?clientId=home0", bearer, "POST")] as const;
  const insert = calls(1, {
    type: "insert_token",
    kind: "signature",
    tokenHash: fakeSha256(TOKEN),
    clientId: "home0",
    lifetimeMs: 1,
  });
  const stored = answered(1, { type: "token_inserted" });
  const hands = responds(200, `{"token":"${TOKEN}"}`);
  test.each<Case>([
    [
      "stored first",
      0,
      [
        [1, ...issues, insert],
        [2, stored, hands],
      ],
    ],
    [
      "shown before",
      1,
      [
        [1, ...issues, insert],
        [2, tick, hands],
      ],
    ],
    [
      "shown although it could not be stored",
      1,
      [
        [1, ...issues, insert],
        [2, answered(1, { type: "failed", fault: "unknown" }), hands],
      ],
    ],
    ["stored for a HEAD", 1, [[1, opened("/auth/signature-token?clientId=home0", bearer, "HEAD"), insert]]],
  ])("a token that is %s: %i violations", (_name, violations, steps) => {
    expect(judge(tokensKept, steps)).toBe(violations);
  });
});

test("calls_paced wants a wait between two attempts of one call", () => {
  const operation = { type: "sweep" } as const;
  const again = (nowMs: number) =>
    judge(
      callsPaced,
      [
        [0, tick, calls(1, operation)],
        [nowMs, tick, calls(2, operation)],
      ],
      { limits: { registryRetryMs: 50 } },
    );
  expect(again(50)).toBe(0);
  expect(again(49)).toBe(1);
});

test("upkeep wants leases renewed and the registry swept on time", () => {
  const limits = { leaseRenewMs: 50, sweepMs: 100 };
  const renew = calls(1, { type: "renew_leases", node: "node-0", leaseMs: 1 });
  const sweep = calls(2, { type: "sweep" });
  expect(
    judge(
      upkeep,
      [
        [0, tick, renew],
        [50, tick, renew],
        [99, tick],
      ],
      { limits },
    ),
  ).toBe(0);
  expect(
    judge(
      upkeep,
      [
        [0, tick, renew],
        [50, tick],
      ],
      { limits },
    ),
  ).toBe(1);
  expect(
    judge(
      upkeep,
      [
        [0, tick, sweep, renew],
        [100, tick, renew],
      ],
      { limits },
    ),
  ).toBe(1);
});

test("no_secrets finds a token in a report, a problem and a reason", () => {
  const report = (detail: string): ServerEffect => ({
    type: "report",
    report: { type: "agent_protocol_error", socket: tunnel, detail },
  });
  const close = (reason: string): ServerEffect => ({
    type: "socket_close",
    socket: tunnel,
    code: 1008,
    reason,
  });
  for (const effect of [
    report,
    close,
    (text: string) => responds(401, text),
    (text: string) => responds(401, "", ["x", text]),
  ]) {
    expect(judge(noSecrets, [[1, tick, effect("nothing to hide")]])).toBe(0);
    expect(judge(noSecrets, [[1, tick, effect(`it was ${TOKEN}`)]])).toBe(1);
  }
});
