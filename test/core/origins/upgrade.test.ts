import { describe, expect, test } from "vitest";
import { OK, SWITCH, start } from "./harness.ts";

const HEADERS = ["Upgrade", "x", "Connection", "Upgrade"];

describe("an upgrade that the origin takes", () => {
  test("goes out with its headers exactly as they are", () => {
    const run = start({ basePaths: ["/base"] });
    run.request({ target: "/ws", headers: ["Connection", "Upgrade", "sec-Key", "x"], upgrade: true });
    expect(run.written(1)).toBe("GET /base/ws HTTP/1.1\r\nConnection: Upgrade\r\nsec-Key: x\r\n\r\n");
  });

  test("carries raw bytes both ways from the first one behind the head, and tells what has left", () => {
    const run = start();
    const exchange = run.upgrade();
    run.answer(1, `${SWITCH}HTTP/1.1 early`);
    expect(run.facts[0]).toEqual({ type: "head", exchange, status: 101, headers: HEADERS });
    expect(run.body()).toBe("HTTP/1.1 early");
    run.send(exchange, "one");
    run.flushed(1);
    run.bytes(1, "!");
    expect(run.connection(1).writes.at(-1)).toBe("one");
    expect(run.body()).toBe("HTTP/1.1 early!");
    expect(run.flushedBytes(exchange)).toBe(3);
  });

  test("ends when the origin ends it, after what was sent", () => {
    const run = start();
    const exchange = run.upgrade();
    run.answer(1, SWITCH);
    run.send(exchange, "enough");
    run.bytes(1, "bye");
    run.ended(1);
    expect(run.types()).toEqual(["head", "body", "ended"]);
    run.send(exchange, "late");
    run.endBody(exchange);
    expect(run.written(1)).toMatch(/enough$/);
    expect(run.connection(1)).toMatchObject({ ended: true, closed: false });
    run.flushed(1);
    run.closed(1);
    expect(run.types()).toEqual(["head", "body", "ended"]);
    expect(run.client.connections.size).toBe(0);
  });

  test("goes on one way when the other was ended", () => {
    const run = start();
    const exchange = run.upgrade();
    run.answer(1, SWITCH);
    run.send(exchange, "last words");
    run.endBody(exchange);
    run.send(exchange, "too late");
    expect(run.connection(1)).toMatchObject({ ended: true, closed: false });
    expect(run.written(1)).toMatch(/last words$/);
    run.bytes(1, "still here");
    expect(run.body()).toBe("still here");
    run.ended(1);
    expect(run.types().at(-1)).toBe("ended");
  });

  test("breaks with the connection", () => {
    const run = start();
    const exchange = run.upgrade();
    run.answer(1, SWITCH);
    run.closed(1);
    run.send(exchange, "x");
    expect(run.facts.at(-1)).toEqual({ type: "failed", exchange, fault: "broken" });
  });

  test("is held back from the head on, and is whole when it is wanted although the origin has left", () => {
    const run = start();
    const exchange = run.upgrade();
    run.pause(exchange, true);
    run.answer(1, `${SWITCH}early`);
    expect(run.types()).toEqual(["head"]);
    expect(run.connection(1).paused).toBe(true);
    run.ended(1);
    run.closed(1);
    run.endBody(exchange);
    run.pause(exchange, false);
    expect(run.body()).toBe("early");
    expect(run.types()).toEqual(["head", "body", "ended"]);
  });

  test("is cut by an abort", () => {
    const run = start();
    const exchange = run.upgrade();
    run.answer(1, SWITCH);
    run.abort(exchange);
    expect(run.connection(1).closed).toBe(true);
  });

  test("may be silent for longer than a connection may be idle, and is given to no other request", () => {
    const run = start();
    const exchange = run.upgrade();
    run.opened(1);
    run.answer(1, SWITCH);
    run.wait(100_000);
    run.exchange();
    run.bytes(1, "still");
    expect(run.body(exchange)).toBe("still");
    expect(run.connections).toHaveLength(2);
  });

  test("is closed with the client although its origin does not take what was sent", () => {
    const run = start();
    const exchange = run.upgrade();
    run.answer(1, SWITCH);
    run.send(exchange, "stuck");
    run.ended(1);
    run.close();
    expect(run.connection(1).closed).toBe(true);
  });
});

describe("an upgrade that the origin refuses", () => {
  test("is a plain response, and its connection is good for the next request", () => {
    const run = start();
    const exchange = run.upgrade();
    run.answer(1, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nno");
    run.send(exchange, "frames of somebody who did not wait");
    run.endBody(exchange);
    expect(run.types()).toEqual(["head", "body", "ended"]);
    run.exchange({}, OK);
    expect(run.written(1)).not.toContain("frames");
    expect(run.connections).toHaveLength(1);
  });

  test("sends nothing raw before the answer is known", () => {
    const run = start();
    const exchange = run.upgrade();
    run.send(exchange, "frames");
    run.endBody(exchange);
    expect(run.connection(1)).toMatchObject({ ended: false });
    expect(run.written(1)).not.toContain("frames");
  });
});
