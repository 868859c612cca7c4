import { describe, expect, test } from "vitest";
import { edgeLimits } from "../../../core/edge/limits.ts";
import { GET, start } from "./harness.ts";

const { headMs, idleMs, partingMs } = edgeLimits;
const GREETING = "HTTP/1.1 100 Continue\r\n\r\n";
const FAREWELL = /^HTTP\/1\.1 421 Misdirected Request\r\nX-Mark: astray\r\n(?:.*\r\n)*\r\n$/;

const startForPeers = () => start({}, { forPeers: { farewell: ["X-Mark", "astray"] } });

/** What was written after the greeting. */
const said = (run: ReturnType<typeof start>, id = 1) => run.written(id).slice(GREETING.length);

describe("a connection of another node", () => {
  test("is greeted before anything has come, and one of a visitor is not", () => {
    const run = startForPeers();
    run.accept();
    expect(run.written()).toBe(GREETING);
    const visitors = start();
    visitors.accept();
    expect(visitors.written()).toBe("");
  });

  test("that is idle when the listener closes is told that nothing was taken in, and what comes then is dropped", () => {
    const run = startForPeers();
    run.visit(GET);
    run.answer(1);
    const answered = said(run);
    run.closeListener();
    expect(said(run).slice(answered.length)).toMatch(FAREWELL);
    expect(run.connection(1)).toMatchObject({ ended: true, destroyed: null });
    run.bytes(1, GET);
    expect(run.facts.filter(({ type }) => type === "exchange_opened")).toHaveLength(1);
    run.wait(partingMs);
    expect(run.connection(1).destroyed).toBe("close");
  });

  test("that has not asked yet may still ask for a moment, and is told so then", () => {
    const run = startForPeers();
    run.accept();
    run.accept();
    run.flushed(1);
    run.flushed(2);
    run.closeListener();
    run.bytes(1, GET);
    run.answer(1);
    expect(said(run)).toMatch(/^HTTP\/1\.1 200 /);
    run.wait(partingMs);
    expect(said(run, 2)).toMatch(FAREWELL);
  });

  test("that says nothing, or not all of a head, is told so in the end", () => {
    const run = startForPeers();
    run.visit(GET);
    run.answer(1);
    const answered = said(run);
    run.visit("GET /");
    run.wait(headMs);
    expect(said(run, 2)).toMatch(FAREWELL);
    run.wait(idleMs);
    expect(said(run).slice(answered.length)).toMatch(FAREWELL);
  });
});
