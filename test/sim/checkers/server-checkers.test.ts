/** Checkers that watch a server's steps: each is shown steps that keep its property and steps that break it. */
import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { ServerEvent } from "../../../core/events.ts";
import type { CallId, ExchangeId, SocketId } from "../../../core/ids.ts";
import { agentLimits, serverLimits } from "../../../core/limits.ts";
import { contradictions } from "../../../sim/checkers/contradictions.ts";
import { drains } from "../../../sim/checkers/drains.ts";
import { listens } from "../../../sim/checkers/listens.ts";
import { messageLimit } from "../../../sim/checkers/message-limit.ts";
import { patience } from "../../../sim/checkers/patience.ts";
import { targetOf } from "../../../sim/faults/index.ts";
import { LedgerWriter } from "../../../sim/ledger/writer.ts";
import type { Property } from "../../../sim/record/checker.ts";
import { encodeSimPacket } from "../../../sim/wire/packet.ts";
import { busyScenario } from "../scenarios.ts";

type Step = readonly [nowMs: number, event: ServerEvent, ...effects: ServerEffect[]];

const ID_BASE = 1_000;
const exchange = 1 as ExchangeId;
const tunnel = 1 as SocketId;
const visitor = 2 as SocketId;
const tick: ServerEvent = { type: "tick" };
const limits = {
  ...serverLimits,
  visitorMessageBytesMax: 20,
  registryVisitorMs: 3_000,
  waitMs: 0,
  registryTunnelMs: 5_000,
  drainMs: 4_000,
};

/** The violations that the property reports while the steps are taken. */
function violationsOf(property: Property, steps: readonly Step[]): string[] {
  const found: string[] = [];
  const checker = property.create(
    (_kind, message) => found.push(message),
    () => {},
  );
  const writer = new LedgerWriter(ID_BASE);
  const snapshot = () => {
    throw new Error("these checkers look at the ledger alone");
  };
  checker.begun?.({ scenario: busyScenario(), serverLimits: limits, agentLimits, targetOf });
  for (const [nowMs, event, ...effects] of steps) {
    writer.take(nowMs, event, effects, effects.length);
    checker.serverStep?.(
      { name: "node-0", nowMs, ledger: writer.ledger, snapshot, heldBytes: 0 },
      event,
      effects,
      effects.length,
    );
  }
  return found;
}

function upgrade(socket: SocketId, sender: boolean): ServerEvent {
  const target = `/ws?clientId=a${sender ? "&sender=true" : ""}`;
  return { type: "upgrade_requested", socket, target, headers: [] };
}

/** The steps that open a socket. */
function open(socket: SocketId, sender: boolean): Step[] {
  return [
    [0, upgrade(socket, sender)],
    [1, { type: "registry_answered", call: 1 as CallId, outcome: { type: "swept" } }, accept(socket)],
    [2, { type: "socket_opened", socket, nonce: new Uint8Array(16) }],
  ];
}

function accept(socket: SocketId): ServerEffect {
  return { type: "upgrade_accept", socket, protocol: null };
}

function opened(target: string): ServerEvent {
  const nonce = new Uint8Array(16);
  return {
    type: "exchange_opened",
    exchange,
    method: "GET",
    target,
    headers: [],
    hasBody: false,
    upgrade: false,
    expectsContinue: false,
    peer: "192.0.2.1",
    nonce,
  };
}

const askAgent: ServerEffect = {
  type: "socket_send_text",
  socket: tunnel,
  text: `{"type":"HTTP","request_id":${ID_BASE + exchange},"method":"GET"}`,
};

function packet(packetId: number, contentType: string, body: string, last = false): ServerEvent {
  const head = packetId === 1 ? { status: 200, headers: { "content-type": contentType } } : null;
  const bytes = encodeSimPacket({
    requestId: ID_BASE + exchange,
    packetId,
    last,
    head,
    body: new TextEncoder().encode(body),
  });
  return { type: "socket_bytes", socket: tunnel, bytes };
}

describe("contradictions", () => {
  const cut: ServerEffect = { type: "respond_cut", exchange };
  const before: Step[] = [
    ...open(tunnel, true),
    [3, opened("/library"), askAgent],
    [4, packet(1, "text/plain", "one")],
    [5, packet(2, "", "two")],
  ];

  test("lets a packet come twice that is the same", () => {
    expect(violationsOf(contradictions, [...before, [6, packet(1, "text/plain", "one")]])).toEqual([]);
    expect(violationsOf(contradictions, [...before, [6, packet(2, "", "two")]])).toEqual([]);
  });

  test.each([
    ["other headers", packet(1, "text/html!", "one")],
    ["other bytes", packet(2, "", "TWO")],
    ["another length", packet(2, "", "twofold")],
    ["the last flag", packet(2, "", "two", true)],
  ])("wants the exchange ended when a packet comes again with %s", (_, event) => {
    expect(violationsOf(contradictions, [...before, [6, event]])).toHaveLength(1);
    expect(violationsOf(contradictions, [...before, [6, event, cut]])).toEqual([]);
  });
});

describe("drains", () => {
  const close: ServerEffect = { type: "socket_close", socket: tunnel, code: 1001, reason: "draining" };
  const drain: ServerEvent = { type: "drain_requested" };

  test("wants every socket sent away once nothing is left to finish", () => {
    expect(violationsOf(drains, [...open(tunnel, true), [3, drain, close]])).toEqual([]);
    expect(violationsOf(drains, [...open(tunnel, true), [3, drain]])).toHaveLength(1);
    expect(
      violationsOf(drains, [
        [0, upgrade(visitor, false)],
        [3, drain],
      ]),
    ).toHaveLength(1);
  });

  test("lets what runs be finished, but no longer than it may", () => {
    const running: Step[] = [...open(tunnel, true), [2, opened("/library"), askAgent], [3, drain]];
    expect(violationsOf(drains, [...running, [4_002, tick]])).toEqual([]);
    expect(violationsOf(drains, [...running, [4_003, tick]])).toHaveLength(1);
    expect(violationsOf(drains, [...running, [4_003, tick, close]])).toEqual([]);
  });
});

test("listens finds a tunnel that is dropped while it is not read", () => {
  const paused = (value: boolean): ServerEffect => ({ type: "socket_pause", socket: tunnel, paused: value });
  const drop: ServerEffect = { type: "socket_terminate", socket: tunnel };
  const silent: Step[] = [...open(tunnel, true), [3, tick, paused(true)]];
  expect(violationsOf(listens, [...silent, [10_000, tick, drop]])).toHaveLength(1);
  expect(violationsOf(listens, [...silent, [5_000, tick, paused(false)], [10_000, tick, drop]])).toEqual([]);
});

test("message_limit measures in bytes", () => {
  const close: ServerEffect = { type: "socket_close", socket: visitor, code: 1009, reason: "limit_message" };
  const say = (text: string): ServerEvent => ({ type: "socket_text", socket: visitor, text });
  const open2 = open(visitor, false);
  expect(violationsOf(messageLimit, [...open2, [3, say("x".repeat(20))]])).toEqual([]);
  expect(violationsOf(messageLimit, [...open2, [3, say("\u00e9".repeat(11))]])).toHaveLength(1);
  expect(violationsOf(messageLimit, [...open2, [3, say("\u00e9".repeat(11)), close]])).toEqual([]);
});

describe("patience", () => {
  test.each([
    ["a request", opened("/library"), 3_000],
    ["a request for a token", opened("/auth/signature-token?clientId=a"), 6_250],
    ["a visitor socket", upgrade(visitor, false), 5_000],
    ["a tunnel", upgrade(tunnel, true), 10_250],
  ])("lets %s wait for the registry as long as the limit says", (_, event, patienceMs) => {
    expect(
      violationsOf(patience, [
        [0, event],
        [patienceMs - 1, tick],
      ]),
    ).toEqual([]);
    expect(
      violationsOf(patience, [
        [0, event],
        [patienceMs, tick],
      ]),
    ).toHaveLength(1);
  });
});
