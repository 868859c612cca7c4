/** The properties of visitors' connections, each shown steps of an edge that breaks it and of one that does not. */
import { describe, expect, test } from "vitest";
import type { EdgeEffect, EdgeEvent } from "../../../core/edge/events.ts";
import { type EdgeLimits, edgeLimits } from "../../../core/edge/limits.ts";
import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import { agentLimits, serverLimits } from "../../../core/limits.ts";
import { inTurn } from "../../../sim/checkers/in-turn.ts";
import { lastAnswer } from "../../../sim/checkers/last-answer.ts";
import { leavingIsKnown } from "../../../sim/checkers/leaving-is-known.ts";
import { overIsOver } from "../../../sim/checkers/over-is-over.ts";
import { paced } from "../../../sim/checkers/paced.ts";
import { turnsBounded } from "../../../sim/checkers/turns-bounded.ts";
import { wellFormed } from "../../../sim/checkers/well-formed.ts";
import { targetOf } from "../../../sim/faults/index.ts";
import { ConnectionLedger } from "../../../sim/ledger/connections.ts";
import type { Property } from "../../../sim/record/checker.ts";
import { busyScenario } from "../scenarios.ts";

type Step = readonly [nowMs: number, event: EdgeEvent, ...effects: EdgeEffect[]];

const connection = 1 as ConnectionId;
const first = 1 as ExchangeId;
const second = 2 as ExchangeId;
const accepted: Step = [0, { type: "connection_accepted", connection, peer: "192.0.2.1" }];

function violations(property: Property, steps: readonly Step[], drawn: Partial<EdgeLimits> = {}): string[] {
  const found: string[] = [];
  const checker = property.create(
    (_kind, message) => found.push(message),
    () => {},
  );
  const limits = { ...edgeLimits, turnsMax: 2, readAheadBytes: 100, lingerMs: 1_000, ...drawn };
  checker.begun?.({ scenario: busyScenario(), serverLimits, edgeLimits: limits, agentLimits, targetOf });
  const ledger = new ConnectionLedger();
  for (const [nowMs, event, ...effects] of steps) {
    ledger.take(nowMs, event, effects, effects.length);
    checker.edgeStep?.({ name: "node-0", nowMs, ledger }, event, effects, effects.length);
  }
  return found;
}

function bytes(count: number): EdgeEvent {
  return { type: "connection_bytes", connection, bytes: new Uint8Array(count) };
}

function opened(exchange: ExchangeId, ...headers: readonly string[]): EdgeEffect {
  return {
    type: "exchange_opened",
    exchange,
    connection,
    method: "GET",
    target: "/",
    headers,
    hasBody: false,
    upgrade: false,
    expectsContinue: false,
    peer: "192.0.2.1",
    nonce: new Uint8Array(0),
  };
}

function write(...parts: readonly string[]): EdgeEffect {
  return { type: "connection_write", connection, parts, lastUse: false };
}

function end(exchange: ExchangeId): EdgeEvent {
  return { type: "respond_end", exchange, trailers: [] };
}

const both: Step = [0, bytes(10), opened(first), opened(second)];
const lastHead = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
const head = "HTTP/1.1 200 OK\r\n\r\n";

describe("answers in turn", () => {
  test("let a later one wait", () => {
    expect(violations(inTurn, [accepted, both, [0, end(second)], [0, end(first), write(head)]])).toEqual([]);
  });

  test("are none where a later one goes out first", () => {
    expect(violations(inTurn, [accepted, both, [0, end(second), write(head)]])).toHaveLength(1);
  });
});

describe("the last answer", () => {
  test("may be waited for by requests that were there before", () => {
    expect(violations(lastAnswer, [accepted, both, [0, end(first), write(lastHead)]])).toEqual([]);
  });

  test.each<readonly [string, readonly Step[]]>([
    [
      "another request",
      [
        [0, bytes(1), opened(first)],
        [0, end(first), write(lastHead)],
        [0, bytes(1), opened(second)],
      ],
    ],
    ["another answer", [both, [0, end(first), write(lastHead)], [0, end(second), write(head)]]],
    ["a request behind the last one", [[0, bytes(1), opened(first, "Connection", "close"), opened(second)]]],
  ])("is not followed by %s", (_, steps) => {
    expect(violations(lastAnswer, [accepted, ...steps])).toHaveLength(1);
  });
});

test("nothing is written behind the end", () => {
  const ended: Step = [0, end(first), write(head), { type: "connection_end", connection }];
  expect(violations(overIsOver, [accepted, both, ended])).toEqual([]);
  expect(violations(overIsOver, [accepted, both, ended, [0, end(first), write(head)]])).toHaveLength(1);
});

describe("turns", () => {
  test("are so many at most", () => {
    const third: Step = [0, bytes(1), opened(3 as ExchangeId)];
    expect(violations(turnsBounded, [accepted, both])).toEqual([]);
    expect(violations(turnsBounded, [accepted, both, third])).toHaveLength(1);
  });

  test("stop the reading where there are no more", () => {
    const pause: EdgeEffect = { type: "connection_pause", connection, paused: true };
    expect(violations(turnsBounded, [accepted, both, [0, bytes(100), pause]])).toEqual([]);
    expect(violations(turnsBounded, [accepted, both, [0, bytes(100)]])).toHaveLength(1);
  });
});

describe("a visitor who left", () => {
  const closed: EdgeEvent = { type: "connection_closed", connection, cause: "reset" };
  const told: readonly EdgeEffect[] = [
    { type: "exchange_closed", exchange: first, complete: false },
    { type: "exchange_closed", exchange: second, complete: false },
  ];

  test("is known at once where the connection is gone", () => {
    expect(violations(leavingIsKnown, [accepted, both, [0, closed, ...told]])).toEqual([]);
    expect(violations(leavingIsKnown, [accepted, both, [0, closed, ...told.slice(1)]])).toHaveLength(1);
  });

  test("is known in time where he ended his side", () => {
    const left: Step = [0, { type: "connection_ended", connection }];
    expect(violations(leavingIsKnown, [accepted, both, left, [1_400, { type: "tick" }]])).toEqual([]);
    expect(violations(leavingIsKnown, [accepted, both, left, [1_600, { type: "tick" }]])).toHaveLength(1);
  });
});

test("what is no answer by RFC 9112 is told", () => {
  const found: string[] = [];
  const checker = wellFormed.create(
    (_kind, message) => found.push(message),
    () => {},
  );
  checker.responseMalformed?.("two lengths");
  expect(found).toEqual(["a visitor got two lengths"]);
});

describe("an address that gets many answers without a home", () => {
  const limits = { addressUnservedMax: 2, addressUnservedMs: 1_000 };
  /** A request that is answered at once. */
  function refused(id: number, nowMs: number): Step[] {
    const exchange = id as ExchangeId;
    const respond = { type: "respond", exchange, status: 401, headers: [], body: [], close: false } as const;
    return [
      [nowMs, bytes(1), opened(exchange)],
      [nowMs, { ...respond, unserved: true }, { type: "exchange_closed", exchange, complete: true }],
    ];
  }

  test("asks one after the other from then on", () => {
    const steps = [accepted, ...refused(1, 0), ...refused(2, 0), ...refused(3, 1_000), ...refused(4, 2_000)];
    expect(violations(paced, steps, limits)).toEqual([]);
  });

  test("does not ask as fast as before", () => {
    const steps = [accepted, ...[1, 2, 3, 4, 5, 6].flatMap((id) => refused(id, 0))];
    expect(violations(paced, steps, limits)).not.toEqual([]);
  });
});
