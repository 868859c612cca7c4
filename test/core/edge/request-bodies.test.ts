import { describe, expect, test } from "vitest";
import { edgeLimits } from "../../../core/edge/limits.ts";
import { ask, GET, post, start } from "./harness.ts";

const CHUNKED = ask("POST /", "Transfer-Encoding: chunked");

describe("the body of a request", () => {
  test("is reported once it is wanted, with its end, and not before", () => {
    const run = start();
    run.visit(post(6, "abc"));
    expect(run.told(1)).toEqual([]);
    run.read(1);
    expect(run.received(1)).toBe("abc");
    run.bytes(1, "def");
    expect(run.told(1)).toEqual(["exchange_body", "exchange_body", "exchange_body_ended"]);
  });

  test("brings its trailers with its end", () => {
    const run = start();
    run.visit(`${CHUNKED}3\r\nabc\r\n0\r\nX-A: b\r\nX-A: c\r\n\r\n`);
    run.read(1);
    expect(run.of(1).at(-1)).toMatchObject({ trailers: ["X-A", "b", "X-A", "c"] });
  });

  test("is read ahead as far as the bound, and nothing of it is lost", () => {
    const run = start({ readAheadBytes: 10 });
    run.visit(post(20, "a".repeat(9)));
    expect(run.connection(1).paused).toBe(false);
    run.bytes(1, "b");
    expect(run.connection(1).paused).toBe(true);
    run.bytes(1, "c".repeat(5));
    run.read(1);
    expect(run.connection(1).paused).toBe(false);
    run.bytes(1, "d".repeat(5));
    expect(run.received(1)).toBe(`${"a".repeat(9)}b${"c".repeat(5)}${"d".repeat(5)}`);
    expect(run.told(1).at(-1)).toBe("exchange_body_ended");
  });

  test("waits while it is paused, and goes on where it stopped", () => {
    const run = start({ readAheadBytes: 4 });
    run.visit(post(8));
    run.read(1);
    run.bytes(1, "ab");
    run.pause(1);
    run.bytes(1, "cdef");
    expect(run.received(1)).toBe("ab");
    expect(run.connection(1).paused).toBe(true);
    run.pause(1, false);
    expect(run.received(1)).toBe("abcdef");
    expect(run.connection(1).paused).toBe(false);
  });

  test("that was paused before it is wanted waits for both", () => {
    const run = start();
    run.visit(post(3, "abc"));
    run.pause(1);
    run.read(1);
    expect(run.received(1)).toBe("");
    run.pause(1, false);
    expect(run.received(1)).toBe("abc");
  });

  test("of a request that is not the first may be read before its turn", () => {
    const run = start();
    run.visit(GET + post(3, "abc") + GET);
    run.read(2);
    expect(run.told(2)).toEqual(["exchange_body", "exchange_body_ended"]);
    expect(run.opened()).toHaveLength(3);
  });
});

describe("a request that expects 100", () => {
  const EXPECTING = post(3, "", "Expect: 100-continue");

  test("is told to go on once its body is wanted, and once only", () => {
    const run = start();
    run.visit(EXPECTING);
    expect(run.opened()[0]).toMatchObject({ expectsContinue: true, hasBody: true });
    expect(run.written()).toBe("");
    run.read(1);
    run.read(1);
    expect(run.written()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    run.bytes(1, "abc");
    run.answer(1);
    expect(run.statuses()).toEqual([100, 200]);
    expect(run.connection(1).ended).toBe(false);
  });

  test("is told so when its turn has come", () => {
    const run = start();
    run.visit(GET + EXPECTING);
    run.read(2);
    expect(run.written()).toBe("");
    run.answer(1);
    expect(run.statuses()).toEqual([200, 100]);
  });

  test("is not told so behind the head of its answer", () => {
    const run = start();
    run.visit(EXPECTING);
    run.head(1);
    run.read(1);
    run.end(1);
    expect(run.statuses()).toEqual([200]);
  });

  test("is not told so behind the head of an answer that waits for its turn", () => {
    const run = start();
    run.visit(GET + EXPECTING);
    run.head(2);
    run.read(2);
    run.answer(1);
    expect(run.statuses()).toEqual([200, 200]);
  });

  test.each(["streamed", "whole"])("and was not told ends its connection with its %s answer", (how) => {
    const run = start();
    run.visit(EXPECTING);
    if (how === "whole") run.respond(1);
    else {
      run.head(1, ["content-length", "0"]);
      run.end(1);
    }
    run.flushed();
    expect(run.written()).toContain("connection: close");
    // It may be the body, left out, or another request.
    run.bytes(1, GET);
    expect(run.opened()).toHaveLength(1);
    expect(run.connection(1).ended).toBe(true);
  });

  test.each([
    ["without a body", ask("GET /", "Expect: 100-continue")],
    ["with HTTP/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"],
    ["of an unknown kind with HTTP/1.0", "POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 3\r\n\r\n"],
  ])("%s expects nothing", (_what, request) => {
    const run = start();
    run.visit(request);
    run.read(1);
    expect(run.opened()[0]).toMatchObject({ expectsContinue: false });
    expect(run.written()).toBe("");
  });

  test.each([
    ["something else", ["Expect: x"]],
    ["more than that", ["Expect: 100-continue, x"]],
    ["something else in a second field", ["Expect: 100-continue", "Expect: x"]],
  ])("and %s gets 417, the last response of its connection", (_what, fields) => {
    const run = start();
    run.visit(post(3, `abc${GET}`, ...fields));
    expect(run.opened()).toEqual([]);
    expect(run.statuses()).toEqual([417]);
    expect(run.connection(1).ended).toBe(true);
  });
});

describe("an answer before the end of its request", () => {
  test("lets the rest of the body go by, and the connection stays", () => {
    const run = start();
    run.visit(post(6, "abc"));
    run.answer(1);
    expect(run.outcome(1)).toBe(true);
    run.bytes(1, `def${GET}`);
    expect(run.told(1)).not.toContain("exchange_body");
    expect(run.opened()).toHaveLength(2);
  });

  test("reads on though the body was paused at its bound", () => {
    const run = start({ readAheadBytes: 3 });
    run.visit(post(6, "abc"));
    expect(run.connection(1).paused).toBe(true);
    run.answer(1);
    expect(run.connection(1).paused).toBe(false);
  });

  test("waits so long for the rest, however it dribbles", () => {
    const run = start();
    run.visit(post(1_000));
    run.answer(1);
    run.wait(edgeLimits.restMs / 2);
    run.bytes(1, "x");
    run.wait(edgeLimits.restMs / 2 - 1);
    expect(run.connection(1).destroyed).toBeNull();
    run.wait(1);
    expect(run.connection(1).destroyed).toBe("close");
    expect(run.statuses()).toEqual([200]);
  });
});

describe("a body that is broken", () => {
  test("before its answer gets 400, the last response of its connection", () => {
    const run = start();
    run.visit(`${CHUNKED}x\r\n`);
    run.read(1);
    expect(run.outcome(1)).toBe(false);
    expect(run.statuses()).toEqual([400]);
    expect(run.written()).toContain("connection: close");
    expect(run.connection(1).ended).toBe(true);
    expect(run.faults).toEqual(["bad_request"]);
  });

  test("behind others gets 400 in its turn, though its answer was ordered already", () => {
    const run = start();
    run.visit(`${GET}${CHUNKED}1\r\nabc`);
    run.respond(2);
    run.read(2);
    expect(run.outcome(2)).toBe(false);
    expect(run.written()).toBe("");
    run.answer(1);
    expect(run.statuses()).toEqual([200, 400]);
  });

  test("inside its answer cuts it", () => {
    const run = start();
    run.visit(CHUNKED);
    run.read(1);
    run.head(1);
    run.bytes(1, "x\r\n");
    expect(run.connection(1).destroyed).toBe("close");
    expect(run.statuses()).toEqual([200]);
    run.closed();
    expect(run.outcome(1)).toBe(false);
  });

  test("behind the last of its answer lets that go out, and nothing follows", () => {
    const run = start();
    run.visit(CHUNKED);
    run.read(1);
    run.respond(1);
    run.bytes(1, "x\r\n");
    expect(run.connection(1).destroyed).toBeNull();
    run.flushed();
    expect(run.outcome(1)).toBe(true);
    expect(run.statuses()).toEqual([200]);
    expect(run.connection(1).ended).toBe(true);
  });

  test("once its answer is out is answered no more, and the connection ends", () => {
    const run = start();
    run.visit(CHUNKED);
    run.answer(1);
    run.bytes(1, "x\r\n");
    expect(run.statuses()).toEqual([200]);
    expect(run.connection(1).ended).toBe(true);
  });

  test("of trailers beyond the limit of a head gets 431", () => {
    const run = start();
    run.visit(`${CHUNKED}0\r\nX-A: ${"b".repeat(edgeLimits.headBytesMax)}`);
    run.read(1);
    expect(run.statuses()).toEqual([431]);
  });
});
