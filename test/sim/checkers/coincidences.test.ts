/** What is true although it looks wrong, because two things happen in one step or a late one is nobody's any more. */
import { describe, expect, test } from "vitest";
import { agentPace } from "../../../sim/checkers/agent-pace.ts";
import { granted } from "../../../sim/checkers/granted.ts";
import { tokensKept } from "../../../sim/checkers/tokens-kept.ts";
import { fakeSha256, tokenNamed } from "../../../sim/tools/hash.ts";
import {
  aborts,
  answered,
  asks,
  calls,
  closed,
  exchange,
  ID_BASE,
  opened,
  responds,
  type ServerStep,
  Shows,
  tick,
  tunnel,
  upgrade,
} from "./steps.ts";

const TOKEN = tokenNamed("somebody");
const bearer = ["authorization", `Bearer ${TOKEN}`];
const check = (call: number) =>
  calls(call, {
    type: "check_token",
    kind: "client_access",
    tokenHash: fakeSha256(TOKEN),
    clientId: "home0",
  });
const valid = (call: number) => answered(call, { type: "token_checked", valid: true, fence: 1 });

describe("granted", () => {
  const limits = { tokenFreshMs: 10, tokenTrustMs: 100 };
  const registryFailed = {
    type: "report",
    report: { type: "registry_failed", operation: "check_token", fault: "unknown" },
  } as const;

  const home: ServerStep[] = [
    [
      0,
      upgrade(tunnel, `&sender=true&signature=${TOKEN}`),
      calls(90, { type: "check_token", kind: "signature", tokenHash: fakeSha256(TOKEN), clientId: "home0" }),
    ],
    [
      0,
      valid(90),
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
      [4, valid(1)],
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
        [1, opened(undefined, bearer), check(1)],
        [acceptedMs, valid(1)],
        [acceptedMs, closed(false)],
        [openedMs, opened(target, bearer, "POST")],
        [5_000, tick, responds(200, "{}")],
      ]).found;
    expect(found(20, 119)).toEqual([]);
    expect(found(20, 120)).toHaveLength(1);
  });
});

test("tokens_kept lets a token be stored for a request that is given up in the same step", () => {
  const stores = calls(1, {
    type: "insert_token",
    kind: "signature",
    tokenHash: fakeSha256(TOKEN),
    clientId: "home0",
    lifetimeMs: 1,
  });
  const asksFor = opened("/auth/signature-token?clientId=home0", bearer, "POST");
  const found = (...steps: ServerStep[]) => new Shows(tokensKept).server([[1, asksFor], ...steps]).found;
  expect(found([2, tick, stores, responds(503)])).toEqual([]);
  expect(found([2, tick, responds(503)], [3, tick, stores])).toHaveLength(1);
});

test("agent_pace forgets a request that was aborted before its answer began", () => {
  const request = {
    type: "origin_request",
    exchange,
    origin: 0,
    method: "GET",
    target: "/",
    headers: [],
    body: null,
    bodyBytes: null,
    upgrade: false,
  } as const;
  const much = { type: "socket_send_text", socket: tunnel, text: "x".repeat(2 ** 24) } as const;
  const text = { type: "socket_text", socket: tunnel, text: "" } as const;
  const begins = { type: "origin_head", exchange, status: 200, headers: [] } as const;
  const found = (gaveUp: boolean) =>
    new Shows(agentPace).agent([
      [1, text, request],
      [2, text, ...(gaveUp ? [{ type: "origin_abort", exchange } as const] : []), much],
      [3, begins],
    ]).found.length;
  expect(found(true)).toBe(0);
  expect(found(false)).toBe(1);
});
