/** Each checker, shown a world that keeps its property and one that breaks it. */
import { describe, expect, test } from "vitest";
import type { ExchangeId } from "../../../core/ids.ts";
import type { VisitorSocket } from "../../../sim/actors/visitor-socket.ts";
import { atMostOnce } from "../../../sim/checkers/at-most-once.ts";
import { authorized } from "../../../sim/checkers/authorized.ts";
import { bodyPrefix } from "../../../sim/checkers/body-prefix.ts";
import { cleanEnd } from "../../../sim/checkers/clean-end.ts";
import { headOnce } from "../../../sim/checkers/head-once.ts";
import { outcomeOnce } from "../../../sim/checkers/outcome-once.ts";
import { quiescence } from "../../../sim/checkers/quiescence.ts";
import { recovers } from "../../../sim/checkers/recovers.ts";
import { settles } from "../../../sim/checkers/settles.ts";
import { taint } from "../../../sim/checkers/taint.ts";
import { Ledger } from "../../../sim/ledger/ledger.ts";
import type { Checker, Property } from "../../../sim/record/checker.ts";
import type { Finish } from "../../../sim/record/finish.ts";
import type { HomeCall } from "../../../sim/record/home-call.ts";
import { Visit } from "../../../sim/record/visit.ts";
import { Watch } from "../../../sim/record/watch.ts";
import { answerOf, taintedBytes, taintKey } from "../../../sim/scenario/model.ts";
import { PROBES_FROM, type SocketOperation, type VisitOperation } from "../../../sim/scenario/scenario.ts";
import { visit as visitOperation } from "../scenarios.ts";

/** The checker of a property, and the violations that it reports. */
function watch(property: Property): { readonly checker: Checker; readonly found: string[] } {
  const found: string[] = [];
  const violate = (kind: string, message: string) => found.push(`${kind} ${message}`);
  return { checker: property.create(violate, () => {}), found };
}

function visitTo(clientId: string, operation: VisitOperation): Visit {
  return new Visit(operation, { clientId }, answerOf(clientId, operation), 0);
}

/** A visit whose home's head has come. */
function answered(id = 1, clientId = "a", operation = visitOperation(id, 0)): Visit {
  const visit = visitTo(clientId, operation);
  visit.status = visit.model.status;
  visit.headers = visit.model.headers;
  return visit;
}

function bodyOf(visit: Visit, from: number, length: number): Uint8Array {
  return taintedBytes(taintKey(visit.clientId, visit.operation.id), visit.model.bodyOffset + from, length);
}

function finish(parts: Partial<Finish>): Finish {
  return {
    visits: [],
    visitorSockets: [],
    homeCalls: [],
    held: [],
    faultFree: false,
    servers: [],
    rows: new Map(),
    ...parts,
  };
}

describe("body_prefix", () => {
  test("takes the model's bytes from wherever a range begins", () => {
    const { checker, found } = watch(bodyPrefix);
    const ranged = answered(1, "a", visitOperation(1, 0, { request: { range: { first: 100, last: 199 } } }));
    checker.visitBody?.(ranged, bodyOf(ranged, 0, 60));
    ranged.bytesReceived = 60;
    checker.visitBody?.(ranged, bodyOf(ranged, 60, 40));
    expect(found).toEqual([]);
  });

  test.each([
    ["one wrong byte", (visit: Visit) => bodyOf(visit, 0, 500).with(250, 0)],
    ["bytes from further on", (visit: Visit) => bodyOf(visit, 1, 500)],
    ["more than there is", (visit: Visit) => bodyOf(visit, 0, 40_001)],
  ])("finds %s", (_name, bytesOf) => {
    const { checker, found } = watch(bodyPrefix);
    const visit = answered();
    checker.visitBody?.(visit, bytesOf(visit));
    expect(found).toHaveLength(1);
  });
});

describe("clean_end", () => {
  test.each([
    [40_000, "complete", 0],
    [39_999, "complete", 1],
    [39_999, "cut", 0],
  ] as const)("%i of 40000 bytes and then %s: %i violations", (bytes, end, violations) => {
    const { checker, found } = watch(cleanEnd);
    const visit = answered();
    visit.bytesReceived = bytes;
    checker.visitEnded?.(visit, end);
    expect(found).toHaveLength(violations);
  });
});

describe("head_once", () => {
  const headOf = (status: number, headers: readonly string[], before: number | null = null) => {
    const { checker, found } = watch(headOnce);
    const visit = visitTo("a", visitOperation(1, 0));
    visit.status = before;
    checker.visitHead?.(visit, status, headers);
    return found.length;
  };
  const { headers } = answered();

  test("takes the home's head, and a failure of the server", () => {
    expect(headOf(200, headers)).toBe(0);
    expect(headOf(502, ["content-type", "application/problem+json"])).toBe(0);
  });

  test("finds a second head, another status, other headers, and a success that is no home's", () => {
    expect(headOf(200, headers, 200)).toBe(1);
    expect(headOf(206, headers)).toBe(1);
    expect(headOf(200, [...headers.slice(0, 2), "content-type", "text/html"])).toBe(1);
    expect(headOf(200, [])).toBe(1);
  });

  test("finds a body without a head", () => {
    const { checker, found } = watch(headOnce);
    checker.visitBody?.(visitTo("a", visitOperation(1, 0)), new Uint8Array(1));
    expect(found).toHaveLength(1);
  });
});

describe("taint", () => {
  const own = answered(1, "a");
  const neighbour = answered(2, "a");
  const stranger = answered(3, "b");

  const seen = (visit: Visit, act: (checker: Checker) => void, tampered = false) => {
    const { checker, found } = watch(taint);
    for (const each of [own, neighbour, stranger]) checker.visitStarted?.(each);
    visit.tampered = tampered;
    act(checker);
    visit.tampered = false;
    return found.length;
  };

  test("takes a visit's own bytes", () => {
    expect(seen(own, (checker) => checker.visitBody?.(own, bodyOf(own, 0, 100)))).toBe(0);
  });

  test("finds bytes of another client id, and of another visit", () => {
    expect(seen(own, (checker) => checker.visitBody?.(own, bodyOf(stranger, 0, 100)))).toBe(1);
    expect(seen(own, (checker) => checker.visitBody?.(own, bodyOf(neighbour, 0, 100)))).toBe(1);
  });

  test("lets an agent that tampers mix up its own visits, and nobody else's", () => {
    expect(seen(own, (checker) => checker.visitBody?.(own, bodyOf(neighbour, 0, 100)), true)).toBe(0);
    expect(seen(own, (checker) => checker.visitBody?.(own, bodyOf(stranger, 0, 100)), true)).toBe(1);
  });

  test("finds another's head", () => {
    expect(seen(own, (checker) => checker.visitHead?.(own, 200, own.headers))).toBe(0);
    expect(seen(own, (checker) => checker.visitHead?.(own, 200, stranger.headers))).toBe(1);
  });

  test.each([
    ['{"home":"a","echo":{"socket":5}}', 0],
    ['{"home":"b"}', 1],
    ['{"home":"a","echo":{"socket":6}}', 1],
    ["anything", 0],
  ])("judges the message %s to a visitor socket", (text, violations) => {
    const { checker, found } = watch(taint);
    checker.visitorSocketText?.(socketWith("signature"), text);
    expect(found).toHaveLength(violations);
  });
});

describe("outcome_once", () => {
  const snapshot = () => {
    throw new Error("this checker looks at what is ordered alone");
  };
  const process = { name: "node", nowMs: 0, ledger: new Ledger(0), snapshot, heldBytes: 0 };
  const exchange = 1 as ExchangeId;
  const opened = {
    type: "exchange_opened",
    exchange,
    method: "GET",
    target: "/",
    headers: [],
    hasBody: false,
    upgrade: false,
    expectsContinue: false,
    peer: "192.0.2.1",
    nonce: new Uint8Array(0),
  } as const;
  const whole = { type: "respond", exchange, status: 200, headers: [], body: [], close: false } as const;
  const piece = { type: "respond_body", exchange, bytes: new Uint8Array(1) } as const;
  const ended = {
    type: "report",
    report: {
      type: "exchange_ended",
      exchange,
      requestId: exchange,
      clientId: null,
      method: "GET",
      status: 200,
      outcome: "completed",
      bytesOut: 0,
      durationMs: 0,
    },
  } as const;
  const closed = { type: "exchange_closed", exchange, complete: true } as const;

  test("takes one answer and one outcome", () => {
    const { checker, found } = watch(outcomeOnce);
    checker.serverStep?.(process, opened, [piece, whole], 2);
    checker.serverStep?.(process, closed, [ended], 1);
    expect(found).toEqual([]);
  });

  test.each([
    ["a second outcome", [ended, ended]],
    ["bytes after the answer", [whole, piece]],
    ["a second answer", [whole, whole]],
  ] as const)("finds %s", (_name, effects) => {
    const { checker, found } = watch(outcomeOnce);
    checker.serverStep?.(process, opened, effects, effects.length);
    expect(found).toHaveLength(1);
  });

  test("finds an answer to an exchange that is closed, and to one that never was", () => {
    const { checker, found } = watch(outcomeOnce);
    checker.serverStep?.(process, { type: "tick" }, [whole], 1);
    checker.serverStep?.(process, opened, [], 0);
    checker.serverStep?.(process, closed, [], 0);
    checker.serverStep?.(process, { type: "tick" }, [piece], 1);
    expect(found).toHaveLength(2);
  });
});

describe("authorized", () => {
  test.each([
    ["client", 0],
    ["none", 1],
    ["wrong", 1],
    ["foreign", 1],
    ["expired", 1],
  ] as const)("a visit with the credential %s at a home: %i violations", (credential, violations) => {
    const operation = visitOperation(1, 0, { request: { credential } });
    const { checker, found } = watch(authorized);
    checker.homeCalled?.(callOf(operation));
    checker.visitHead?.(visitTo("a", operation), 200, []);
    checker.visitHead?.(visitTo("a", operation), 401, []);
    checker.visitorSocketText?.(socketWith(credential), "{}");
    expect(found).toHaveLength(3 * violations);
  });
});

describe("at_most_once_at_home", () => {
  test("lets an idempotent request come twice, and no other", () => {
    const { checker, found } = watch(atMostOnce);
    const get = callOf(visitOperation(1, 0));
    const post = callOf(visitOperation(2, 0, { request: { method: "POST" } }));
    for (const call of [get, get, post]) checker.homeCalled?.(call);
    expect(found).toEqual([]);
    checker.homeCalled?.(post);
    expect(found).toHaveLength(1);
  });

  test("finds a request that was altered on its way", () => {
    const { checker, found } = watch(atMostOnce);
    checker.homeCalled?.({ ...callOf(visitOperation(1, 0)), bodyIntact: false });
    checker.homeCalled?.({ ...callOf(visitOperation(2, 0)), method: "PUT" });
    expect(found).toHaveLength(2);
  });
});

describe("what is judged at the end", () => {
  const done = answered();
  done.end = "complete";
  const failed = visitTo("a", visitOperation(2, 0));
  failed.end = "cut";
  const open = visitTo("a", visitOperation(3, 0));
  const probe = visitTo("a", visitOperation(PROBES_FROM, 0));
  probe.end = "complete";
  probe.status = 424;

  test.each([
    ["settles", settles, { visits: [done, failed] }, 0],
    ["settles", settles, { visits: [done, open] }, 1],
    ["settles", settles, { visits: [done, failed], faultFree: true }, 1],
    ["recovers", recovers, { visits: [done, failed, open] }, 0],
    ["recovers", recovers, { visits: [probe] }, 1],
    ["quiescence", quiescence, { held: [{ process: "node", what: "exchanges", count: 0 }] }, 0],
    ["quiescence", quiescence, { held: [{ process: "node", what: "exchanges", count: 1 }] }, 1],
    ["quiescence", quiescence, { homeCalls: [callOf(visitOperation(1, 0))] }, 1],
  ] as const)("%s", (_name, property, parts, violations) => {
    const { checker, found } = watch(property);
    checker.finished?.(finish(parts));
    expect(found).toHaveLength(violations);
  });
});

test("a watch shows each observation to every checker that wants it", () => {
  const seen: string[] = [];
  const watching = new Watch([
    { healed: () => seen.push("a") },
    {},
    { healed: () => seen.push("b"), homeCalled: () => seen.push("call") },
  ]);
  watching.healed();
  watching.homeCalled(callOf(visitOperation(1, 0)));
  expect(seen).toEqual(["a", "b", "call"]);
});

function callOf(operation: VisitOperation): HomeCall {
  const { method } = operation.request;
  return {
    clientId: "a",
    visit: operation,
    method,
    target: "/",
    atUs: 0,
    bodyIntact: true,
    headersIntact: true,
    end: null,
  };
}

function socketWith(credential: SocketOperation["credential"]): VisitorSocket {
  const operation = {
    kind: "socket",
    id: 5,
    atMs: 0,
    home: 0,
    credential,
    messages: [],
    closesAtMs: 1,
  } as const;
  return { operation, clientId: "a" } as unknown as VisitorSocket;
}
