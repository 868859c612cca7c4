import { describe, expect, test } from "vitest";
import { edgeLimits } from "../../../core/edge/limits.ts";
import { ask, GET, post, start } from "./harness.ts";

describe("responses on one connection", () => {
  test("go out in the order of their requests, whatever the order of the answers", () => {
    const run = start();
    run.visit(ask("GET /a") + ask("GET /b") + ask("GET /c"));
    expect(run.opened().map(({ target }) => target)).toEqual(["/a", "/b", "/c"]);
    run.respond(3, { body: ["third"] });
    run.respond(2, { body: ["second"] });
    expect(run.written()).toBe("");
    run.respond(1, { body: ["first"] });
    run.flushed();
    expect(run.written()).toContain("first");
    run.flushed();
    run.flushed();
    expect(run.written().match(/first|second|third/g)).toEqual(["first", "second", "third"]);
    expect([1, 2, 3].map(run.outcome)).toEqual([true, true, true]);
  });

  test("that were streamed before their turn come as they were ordered, and their bytes count from then on", () => {
    const run = start();
    run.visit(GET + GET);
    run.head(2, ["x-a", "b"]);
    run.body(2, "abc");
    run.end(2, ["x-b", "c"]);
    expect(run.told(2)).toEqual([]);
    run.answer(1);
    expect(run.written()).toMatch(/x-a: b\r\n[\s\S]*\r\n\r\n3\r\nabc\r\n0\r\nx-b: c\r\n\r\n$/);
    expect(run.flushedBytes(2)).toBe(0);
    run.flushed();
    expect(run.flushedBytes(2)).toBe(3);
    expect(run.outcome(2)).toBe(true);
  });

  test("are not begun while the one before has not left", () => {
    const run = start();
    run.visit(GET + GET);
    run.respond(1, { body: ["first"] });
    run.respond(2, { body: ["second"] });
    expect(run.written()).not.toContain("second");
    run.flushed(1, 10);
    expect(run.written()).not.toContain("second");
    run.flushed();
    expect(run.written()).toContain("second");
  });
});

describe("requests that wait for their answers", () => {
  test("are so many at most, and the rest is read when there is room", () => {
    const run = start({ turnsMax: 3 });
    run.visit(GET.repeat(5));
    expect(run.opened()).toHaveLength(3);
    run.answer(1);
    expect(run.opened()).toHaveLength(4);
    run.answer(2);
    expect(run.opened()).toHaveLength(5);
    for (const exchange of [3, 4, 5]) run.answer(exchange);
    expect(run.statuses()).toEqual([200, 200, 200, 200, 200]);
  });

  test("are read ahead as far as the bound, and no further until there is room", () => {
    const run = start({ turnsMax: 1, readAheadBytes: 100 });
    run.visit(GET + GET.repeat(2));
    expect(run.connection(1).paused).toBe(false);
    run.bytes(1, GET.repeat(2));
    expect(run.connection(1).paused).toBe(true);
    run.answer(1);
    expect(run.connection(1).paused).toBe(false);
    for (const exchange of [2, 3, 4, 5]) run.answer(exchange);
    expect(run.opened()).toHaveLength(5);
  });

  test("have no deadline of ours, though a whole head waits for room behind them", () => {
    const run = start({ turnsMax: 1 });
    run.visit(GET + GET);
    run.wait(10 * edgeLimits.headMs);
    run.answer(1);
    run.answer(2);
    expect(run.statuses()).toEqual([200, 200]);
    expect(run.faults).toEqual([]);
  });
});

describe("a connection after a response", () => {
  test.each([
    ["HTTP/1.1", "", true],
    ["HTTP/1.1", "Connection: close\r\n", false],
    ["HTTP/1.1", "Connection: x, CLOSE\r\n", false],
    ["HTTP/1.1", "Connection: keep-alive\r\n", true],
    ["HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", false],
    ["HTTP/1.0", "", false],
    ["HTTP/1.0", "Connection: keep-alive\r\n", true],
    ["HTTP/1.0", "Connection: close\r\n", false],
    ["HTTP/1.0", "Connection: keep-alive, close\r\n", false],
  ])("to %s with '%s' stays: %s", (version, field, stays) => {
    const run = start();
    run.visit(`GET / ${version}\r\nHost: x\r\n${field}\r\n`);
    run.answer(1);
    expect(run.written()).toContain(
      stays ? "Connection: keep-alive\r\nKeep-Alive: timeout=75\r\n" : "connection: close\r\n",
    );
    expect(run.connection(1).ended).toBe(!stays);
    run.bytes(1, GET);
    expect(run.opened()).toHaveLength(stays ? 2 : 1);
  });

  test("without a length ends for HTTP/1.0, and stays for HTTP/1.1", () => {
    for (const [version, ends] of [
      ["1.0", true],
      ["1.1", false],
    ] as const) {
      const run = start();
      run.visit(`GET / HTTP/${version}\r\nHost: x\r\nConnection: keep-alive\r\n\r\n`);
      run.head(1);
      run.body(1, "abc");
      run.end(1);
      run.flushed();
      expect(run.connection(1).ended).toBe(ends);
      expect(run.written()).toMatch(ends ? /\r\n\r\nabc$/ : /\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/);
    }
  });

  test("that the server has close ends, and what came behind the request is dropped", () => {
    const run = start();
    run.visit(post(10, "abc"));
    run.answer(1, { status: 413, close: true });
    run.bytes(1, `defghij${GET}`);
    expect(run.opened()).toHaveLength(1);
    expect(run.connection(1).ended).toBe(true);
    expect(run.told(1)).toEqual(["exchange_flushed", "exchange_closed"]);
  });
});

describe("what follows the last request of a connection", () => {
  test.each([
    ["a close", ask("GET /", "Connection: close")],
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n"],
    ["a close with a body", post(3, "abc", "Connection: close")],
  ])("is no request, behind %s", (_what, last) => {
    const run = start();
    run.visit(last + GET);
    run.read(1);
    run.bytes(1, GET);
    expect(run.opened()).toHaveLength(1);
    run.answer(1);
    expect(run.statuses()).toEqual([200]);
    expect(run.connection(1).ended).toBe(true);
  });

  test("is not even looked at", () => {
    const run = start();
    run.visit(`${ask("GET /", "Connection: close")}\0\0`);
    run.wait(10 * edgeLimits.headMs);
    run.answer(1);
    expect(run.statuses()).toEqual([200]);
    expect(run.faults).toEqual([]);
  });
});

describe("once the listener is closed", () => {
  test("the last response of each connection says that it is the last, and those before it do not", () => {
    const run = start();
    run.visit(GET + GET);
    run.closeListener();
    run.answer(1);
    expect(run.written()).not.toContain("connection: close");
    run.answer(2);
    expect(run.written().match(/connection: close/g)).toHaveLength(1);
    expect(run.outcome(2)).toBe(true);
    expect(run.connection(1).ended).toBe(true);
  });

  test("no further request of a connection is taken", () => {
    const run = start();
    run.visit(GET);
    run.closeListener();
    run.bytes(1, GET);
    expect(run.opened()).toHaveLength(1);
  });

  test("a connection that has not asked for anything may do so once", () => {
    const run = start();
    run.accept();
    run.closeListener();
    run.bytes(1, GET + GET);
    expect(run.opened()).toHaveLength(1);
    run.answer(1);
    expect(run.written()).toContain("connection: close");
  });

  test("who has just connected, or has his answer, is waited for a moment only", () => {
    const run = start();
    run.accept();
    run.visit(GET);
    run.answer(1);
    run.flushed(2);
    run.step({ type: "responses_close" });
    run.bytes(2, GET);
    run.answer(2);
    run.flushed(2);
    expect(run.connection(2).ended).toBe(true);
    run.closeListener();
    run.wait(edgeLimits.partingMs - 1);
    expect([run.connection(1).destroyed, run.connection(2).destroyed]).toEqual([null, null]);
    expect(run.facts).not.toContainEqual({ type: "visitors_gone" });
    run.wait(1);
    expect([run.connection(1).destroyed, run.connection(2).destroyed]).toEqual(["close", "close"]);
  });

  test("the server is told once when nobody is left who may ask or read", () => {
    const run = start();
    run.visit(GET);
    run.accept();
    run.closeListener();
    run.bytes(2, GET);
    run.wait(edgeLimits.partingMs);
    run.answer(2);
    run.flushed(2);
    run.closed(2);
    expect(run.facts).not.toContainEqual({ type: "visitors_gone" });
    run.answer(1);
    run.flushed(1);
    run.closed(1);
    run.accept();
    run.closed(3);
    expect(run.facts.filter(({ type }) => type === "visitors_gone")).toHaveLength(1);
  });

  test("idle connections are closed, and those whose response is out end", () => {
    const run = start();
    run.visit(GET);
    run.answer(1);
    run.visit(GET);
    run.head(2);
    run.closeListener();
    expect(run.connection(1).destroyed).toBe("close");
    run.end(2);
    run.flushed(2);
    expect(run.connection(2).ended).toBe(true);
  });
});
