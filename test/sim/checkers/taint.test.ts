import { describe, expect, test } from "vitest";
import { taint } from "../../../sim/checkers/taint.ts";
import type { Checker } from "../../../sim/record/checker.ts";
import type { Visit } from "../../../sim/record/visit.ts";
import { answered, bodyOf, socketWith, watch } from "./observations.ts";

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
