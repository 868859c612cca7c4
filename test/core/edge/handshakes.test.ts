import { describe, expect, test } from "vitest";
import { edgeLimits } from "../../../core/edge/limits.ts";
import { GET, HANDSHAKE, start } from "./harness.ts";

/** A handshake that was handed over and came back. */
function returned(limits: Parameters<typeof start>[0] = {}) {
  const run = start(limits);
  run.visit(HANDSHAKE);
  run.returned();
  return run;
}

describe("a well-formed handshake", () => {
  test("is handed over with its fields and what follows it, and is no exchange", () => {
    const run = start();
    run.visit(`${HANDSHAKE}\x81\x00`);
    expect(run.connection(1).handed).toMatchObject({ target: "/ws", rest: "\x81\x00" });
    expect(run.connection(1).handed?.headers.slice(0, 4)).toEqual(["Host", "x", "Connection", "Upgrade"]);
    expect(run.opened()).toEqual([]);
  });

  test("behind a response that is out is handed over too", () => {
    const run = start();
    run.visit(GET);
    run.answer(1);
    run.bytes(1, HANDSHAKE);
    expect(run.connection(1).handed).not.toBeNull();
  });

  test("behind a response that is due gets 400 in its turn", () => {
    const run = start();
    run.visit(GET + HANDSHAKE);
    expect(run.connection(1).handed).toBeNull();
    run.answer(1);
    expect(run.statuses()).toEqual([200, 400]);
    expect(run.written()).toContain("sec-websocket-version: 13");
    expect(run.connection(1).ended).toBe(true);
  });

  test("has no deadline of ours once it was handed over, and its end is the last that is heard of it", () => {
    const run = start();
    run.visit(HANDSHAKE);
    run.wait(100 * edgeLimits.idleMs);
    run.closeListener();
    expect(run.connection(1)).toMatchObject({ destroyed: null, ended: false, writes: [] });
    run.closed();
    expect(run.edge.connections.size).toBe(0);
    expect(run.facts).toEqual([{ type: "visitors_gone" }]);
  });

  test("is read with a bound once it is back, though the bound was reached before it was handed over", () => {
    const run = start({ turnsMax: 1, readAheadBytes: 10 });
    run.visit(GET + HANDSHAKE);
    expect(run.connection(1).paused).toBe(true);
    run.answer(1);
    expect(run.connection(1).handed).not.toBeNull();
    run.returned();
    run.bytes(1, "a".repeat(10));
    expect(run.connection(1).paused).toBe(true);
  });
});

describe("a handshake that is not well-formed", () => {
  test.each([
    ["another method", HANDSHAKE.replace("GET", "POST")],
    ["HTTP/1.0", HANDSHAKE.replace("HTTP/1.1", "HTTP/1.0")],
    ["no key", HANDSHAKE.replace(/Sec-WebSocket-Key.*\r\n/, "")],
    ["a short key", HANDSHAKE.replace("AAAA", "")],
    ["two keys", HANDSHAKE.replace(/(Sec-WebSocket-Key.*\r\n)/, "$1$1")],
    ["another version", HANDSHAKE.replace("13", "8")],
    ["no version", HANDSHAKE.replace(/Sec-WebSocket-Version.*\r\n/, "")],
    ["a body", HANDSHAKE.replace("Host", "Content-Length: 1\r\nHost")],
  ])("by %s gets 400 with the version that would do", (_what, handshake) => {
    const run = start();
    run.visit(handshake);
    expect(run.statuses()).toEqual([400]);
    expect(run.written()).toContain("sec-websocket-version: 13");
    expect(run.connection(1).handed).toBeNull();
  });

  test.each([
    ["to something else", HANDSHAKE.replace("websocket", "h2c")],
    ["that Connection does not name", HANDSHAKE.replace("Connection: Upgrade", "Connection: keep-alive")],
  ])("because it is an upgrade %s is a request as any other", (_what, handshake) => {
    const run = start();
    run.visit(handshake);
    expect(run.opened()[0]).toMatchObject({ target: "/ws", upgrade: false, hasBody: false });
  });
});

describe("a handshake that comes back", () => {
  test("is an exchange with a body to come", () => {
    expect(returned().opened()[0]).toMatchObject({ target: "/ws", upgrade: true, hasBody: true });
  });

  test("that is closed already is none", () => {
    const run = start();
    run.visit(HANDSHAKE);
    run.closed();
    expect(run.facts).toEqual([]);
  });

  test("has what came before its answer behind it, in order", () => {
    const run = returned();
    run.bytes(1, "ab");
    run.bytes(1, "c");
    expect(run.received(1)).toBe("");
    run.upgrade(1);
    run.bytes(1, "d");
    expect(run.received(1)).toBe("abcd");
    expect(run.written()).toBe("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
  });

  test("is read as far as the bound before its answer", () => {
    // Each piece counts for 256 bytes beside its own.
    const run = returned({ readAheadBytes: 300 });
    run.bytes(1, "abc");
    expect(run.connection(1).paused).toBe(false);
    run.bytes(1, "de");
    expect(run.connection(1).paused).toBe(true);
    run.upgrade(1);
    expect(run.connection(1).paused).toBe(false);
    expect(run.received(1)).toBe("abcde");
  });

  test("may get interim responses, and then its refusal, which ends the connection", () => {
    const run = returned();
    run.interim(1);
    run.bytes(1, "early");
    run.answer(1, { status: 403 });
    expect(run.statuses()).toEqual([103, 403]);
    expect(run.written()).toContain("connection: close");
    expect(run.outcome(1)).toBe(true);
    expect(run.connection(1).ended).toBe(true);
    run.bytes(1, GET);
    expect(run.opened()).toHaveLength(1);
  });

  test("may be refused by a streamed response", () => {
    const run = returned();
    run.head(1, [], 503);
    run.body(1, "abc");
    run.end(1);
    run.flushed();
    expect(run.written()).toMatch(/3\r\nabc\r\n0\r\n\r\n$/);
    expect(run.outcome(1)).toBe(true);
  });

  test("whose visitor ends his side before the answer is closed", () => {
    const run = returned();
    run.ended();
    expect(run.connection(1).destroyed).toBe("close");
    run.upgrade(1);
    run.closed();
    expect(run.outcome(1)).toBe(false);
  });
});

describe("an upgraded connection", () => {
  const open = () => {
    const run = returned();
    run.upgrade(1);
    run.flushed();
    return run;
  };

  test("carries bytes both ways as they are", () => {
    const run = open();
    run.body(1, "\x81\x00");
    run.flushed();
    expect(run.connection(1).writes.at(-1)).toBe("\x81\x00");
    expect(run.flushedBytes(1)).toBe(2);
    run.bytes(1, GET);
    expect(run.received(1)).toBe(GET);
  });

  test("is read ahead to the bound while it is paused, and has no deadline of ours", () => {
    const run = open();
    const much = "x".repeat(edgeLimits.readAheadBytes);
    run.pause(1);
    expect(run.connection(1).paused).toBe(false);
    run.bytes(1, much);
    expect(run.connection(1).paused).toBe(true);
    run.wait(100 * edgeLimits.idleMs);
    expect(run.received(1)).toBe("");
    run.pause(1, false);
    expect(run.received(1)).toBe(much);
    expect(run.connection(1)).toMatchObject({ paused: false, destroyed: null });
  });

  test("is complete with our end, where the visitor has ended first", () => {
    const run = open();
    run.ended();
    expect(run.told(1).at(-1)).toBe("exchange_body_ended");
    run.body(1, "abc");
    run.end(1);
    expect(run.connection(1).ended).toBe(true);
    expect(run.outcome(1)).toBeNull();
    run.flushed();
    expect(run.outcome(1)).toBe(true);
  });

  test("is complete with the visitor's end, where ours is out", () => {
    const run = open();
    run.end(1);
    run.flushed();
    run.bytes(1, "abc");
    expect(run.outcome(1)).toBeNull();
    run.ended();
    expect(run.told(1)).toEqual(["exchange_body", "exchange_body_ended", "exchange_closed"]);
    expect(run.outcome(1)).toBe(true);
  });

  test.each([
    ["closed in order behind our end", null, true],
    ["reset behind our end", "reset", false],
  ] as const)("that is %s is complete: %s %s", (_how, cause, complete) => {
    const run = open();
    run.end(1);
    run.closed(1, cause);
    expect(run.outcome(1)).toBe(complete);
  });

  test.each([true, false])("that is cut is not complete (behind our end: %s)", (isEnded) => {
    const run = open();
    if (isEnded) run.end(1);
    run.cut(1);
    // Behind our end it is known that nothing more would have come.
    expect(run.connection(1).destroyed).toBe(isEnded ? "close" : "reset");
    run.closed();
    expect(run.outcome(1)).toBe(false);
  });

  test("that closes while bytes of ours wait is not complete", () => {
    const run = open();
    run.body(1, "abc");
    run.end(1);
    run.closed();
    expect(run.outcome(1)).toBe(false);
  });
});
