import { describe, expect, test } from "vitest";
import { askedRightly } from "../../../sim/checkers/asked-rightly.ts";
import { boundLogins } from "../../../sim/checkers/bound-logins.ts";
import { oneAtATime } from "../../../sim/checkers/one-at-a-time.ts";
import type { HomeCall, HomeConnectionRecord } from "../../../sim/record/home-call.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { callOf, watch } from "./observations.ts";

function connectionOf(...logins: number[]): HomeConnectionRecord {
  return { clientId: "a", agent: "agent:a", calls: [], logins: new Set(logins) };
}

/** The next call on that connection, which goes on for now. */
function callOn(connection: HomeConnectionRecord, id: number, end: HomeCall["end"] = null): HomeCall {
  const call = { ...callOf(visitOperation(id, 0)), connection, end };
  connection.calls.push(call);
  return call;
}

describe("asked_rightly", () => {
  test("finds what is no request", () => {
    const { checker, found } = watch(askedRightly);
    const connection = connectionOf();
    checker.homeCalled?.(callOn(connection, 1));
    expect(found).toEqual([]);
    checker.homeMisread?.(connection, "a chunk of the size 'x'");
    expect(found).toHaveLength(1);
  });
});

describe("one_at_a_time", () => {
  test("lets a request follow an answer, and finds one that follows none", () => {
    const { checker, found } = watch(oneAtATime);
    const connection = connectionOf();
    checker.homeCalled?.(callOn(connection, 1, "answered"));
    checker.homeCalled?.(callOn(connection, 2));
    expect(found).toEqual([]);
    checker.homeCalled?.(callOn(connection, 3));
    expect(found).toHaveLength(1);
  });
});

describe("bound_logins", () => {
  test("lets a user go on, and finds somebody else in that name", () => {
    const { checker, found } = watch(boundLogins);
    const connection = connectionOf(1);
    checker.homeCalled?.(callOn(connection, 1, "answered"));
    checker.homeCalled?.(callOn(connectionOf(), 2));
    expect(found).toEqual([]);
    checker.homeCalled?.(callOn(connection, 2));
    expect(found).toHaveLength(1);
  });
});
