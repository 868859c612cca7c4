import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { ServerEvent } from "../../../core/events.ts";
import type { ExchangeId, SocketId } from "../../../core/ids.ts";
import { drains } from "../../../sim/checkers/drains.ts";
import { KIND } from "../../../sim/wire/native.ts";
import {
  accept,
  askAgent,
  exchange,
  limits,
  open,
  opened,
  type Step,
  tick,
  tunnel,
  upgrade,
  violationsOf,
  visitor,
} from "./server-steps.ts";
import { frame } from "./session-steps.ts";

describe("drains", () => {
  const drain: ServerEvent = { type: "drain_requested" };
  const says: ServerEffect = { type: "responses_close" };
  const parts: ServerEffect = { type: "listener_close" };
  const gone: ServerEvent = { type: "visitors_gone" };
  const close: ServerEffect = { type: "socket_close", socket: tunnel, code: 1001, reason: "draining" };
  /** Past `leaveMs`, and `drainMs` with what short ones get beyond it. */
  const LEFT_MS = 2_100;
  const OVER_MS = 4_503;

  /** A tunnel of the native protocol that has its welcome. */
  const native: Step[] = open(tunnel, true).map((step) =>
    step[2]?.type === "upgrade_accept"
      ? [step[0], step[1], { ...accept(tunnel), protocol: "culvert.1" } as ServerEffect]
      : step,
  );
  const moved: ServerEvent = { type: "socket_bytes", socket: tunnel, bytes: frame(KIND.moved) };
  const endedAs = (outcome: "draining" | "completed", id: ExchangeId = exchange): ServerEffect => ({
    type: "report",
    report: {
      type: "exchange_ended",
      exchange: id,
      requestId: 1_001,
      clientId: "a",
      method: "GET",
      status: 200,
      outcome,
      bytesOut: 0,
      durationMs: 1,
    },
  });

  test("wants visitors told at once", () => {
    expect(violationsOf(drains, [...open(tunnel, true), [3, drain, says]])).toEqual([]);
    expect(violationsOf(drains, [...open(tunnel, true), [3, drain]])).toHaveLength(1);
  });

  test("wants the listener open for as long as a balancer needs to notice", () => {
    const unready = { ...limits, unreadyMs: 500 };
    const until = (ms: number): Step[] => [...native, [3, drain, says], [4, moved], [ms, tick, parts]];
    expect(violationsOf(drains, until(503), unready)).toEqual([]);
    expect(violationsOf(drains, until(502), unready)).toHaveLength(1);
  });

  test("wants the listener open until the agents have moved, or for a while", () => {
    expect(violationsOf(drains, [...native, [3, drain, says], [4, moved], [60, tick, parts]])).toEqual([]);
    expect(violationsOf(drains, [...native, [3, drain, says], [60, tick, parts]])).toHaveLength(1);
    expect(violationsOf(drains, [...native, [3, drain, says], [LEFT_MS, tick, parts]])).toEqual([]);
    expect(violationsOf(drains, [...native, [3, drain, says], [4, moved], [2_000, tick]])).toHaveLength(1);
  });

  test("wants the listener open while something lasts for which there is nobody else", () => {
    const running: Step[] = [...native, [2, opened("/library"), askAgent], [3, drain, says]];
    expect(violationsOf(drains, [...running, [LEFT_MS, tick, parts]])).toHaveLength(1);
    expect(violationsOf(drains, [...running, [4_003, tick, parts]])).toEqual([]);
  });

  test("wants every socket sent away once nothing is left to finish", () => {
    const left: Step[] = [...open(tunnel, true), [3, drain, says], [LEFT_MS, tick, parts]];
    expect(violationsOf(drains, [...left, [LEFT_MS, gone, close]])).toEqual([]);
    expect(violationsOf(drains, [...left, [LEFT_MS, gone]])).toHaveLength(1);
    expect(violationsOf(drains, left)).toEqual([]);
  });

  test("wants no agent taken in", () => {
    const refusal: ServerEffect = {
      type: "upgrade_refuse",
      socket: visitor,
      status: 503,
      headers: [],
      body: new Uint8Array(0),
    };
    const left: Step[] = [...open(tunnel, true), [3, drain, says]];
    expect(violationsOf(drains, [...left, [4, upgrade(visitor, true), refusal]])).toEqual([]);
    expect(violationsOf(drains, [...left, [4, upgrade(visitor as SocketId, true)]])).toHaveLength(1);
  });

  test("lets what runs be finished, but no longer than it may", () => {
    const running: Step[] = [...open(tunnel, true), [2, opened("/library"), askAgent], [3, drain, says]];
    const cutAt = (nowMs: number): Step[] => [
      [nowMs, tick, { type: "respond_cut", exchange }],
      [nowMs, { type: "exchange_closed", exchange, complete: false }, endedAs("draining")],
    ];
    expect(violationsOf(drains, [...running, ...cutAt(3_000)])).toHaveLength(1);
    expect(violationsOf(drains, [...running, ...cutAt(4_003)])).toEqual([]);
    expect(violationsOf(drains, [...running, [OVER_MS, tick]])).toHaveLength(1);
    expect(violationsOf(drains, [...running, [OVER_MS, tick, close]])).toEqual([]);
  });
});
