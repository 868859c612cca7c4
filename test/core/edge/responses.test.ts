import { describe, expect, test } from "vitest";
import { ask, DATE, GET, post, start } from "./harness.ts";

const KIB = 1024;

describe("a whole response", () => {
  test("of up to 4 KiB is one write, head and body", () => {
    const run = start();
    run.visit(GET);
    run.respond(1, { body: ["a".repeat(2 * KIB), "b".repeat(2 * KIB)] });
    expect(run.connection(1).writes).toHaveLength(1);
  });

  test("beyond that is a write for the head and one for each piece", () => {
    const run = start();
    run.visit(GET);
    run.respond(1, { body: ["a".repeat(2 * KIB), "b".repeat(2 * KIB), "c"] });
    expect(
      run
        .connection(1)
        .writes.map(({ length }) => length)
        .slice(1),
    ).toEqual([2 * KIB, 2 * KIB, 1]);
  });

  test("without a length goes in chunks, ended at once", () => {
    const run = start();
    run.visit(GET);
    run.respond(1, { headers: [], body: ["abc", "", "defg"] });
    expect(run.written()).toMatch(/Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n$/);
    run.flushed();
    expect(run.flushedBytes(1)).toBe(7);
  });

  test("has its fields as they are, and then those of this hop", () => {
    const run = start();
    run.visit(GET);
    run.respond(1, { status: 299, headers: ["X-A", "b", "x-a", "\xe9"], body: [] });
    expect(run.written()).toBe(
      `HTTP/1.1 299 Unknown\r\nX-A: b\r\nx-a: \xe9\r\nDate: ${DATE}\r\nConnection: keep-alive\r\n` +
        "Keep-Alive: timeout=75\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
  });
});

describe("bytes of a body that leave", () => {
  test.each([
    ["in chunks", []],
    ["with a length", ["content-length", "12"]],
  ])("sum up to what was ordered, %s, wherever the kernel cuts them", (_how, headers) => {
    for (let step = 1; step < 40; step++) {
      const run = start();
      run.visit(GET);
      run.head(1, headers);
      for (const piece of ["abc", "", "d", "efghijkl"]) run.body(1, piece);
      run.end(1);
      const connection = run.connection(1);
      while (connection.unflushedBytes > 0) run.flushed(1, Math.min(step, connection.unflushedBytes));
      expect(run.flushedBytes(1)).toBe(12);
      expect(run.told(1).at(-1)).toBe("exchange_closed");
    }
  });

  test("are told piece by piece, and the head's are nobody's", () => {
    const run = start();
    run.visit(GET);
    run.head(1);
    run.flushed();
    expect(run.told(1)).toEqual([]);
    run.body(1, "abc");
    run.flushed(1, 7);
    expect(run.told(1)).toEqual([]);
    run.flushed();
    expect(run.of(1).at(-1)).toMatchObject({ type: "exchange_flushed", bytes: 3 });
  });

  test("of a response that is over are not those of the next", () => {
    const run = start();
    run.visit(GET + GET);
    run.answer(1, { body: ["abc"] });
    run.answer(2, { body: ["defgh"] });
    expect([1, 2].map(run.flushedBytes)).toEqual([3, 5]);
  });
});

describe("a response that has no body", () => {
  test.each([
    ["to HEAD", ask("HEAD /"), 200],
    ["with 204", GET, 204],
    ["with 304", GET, 304],
  ])("%s sends none, whether whole or streamed, and all of it counts as gone", (_what, request, status) => {
    const run = start();
    run.visit(request + request);
    run.answer(1, { status, body: ["abc"] });
    run.head(2, [], status);
    run.body(2, "defg");
    run.end(2, ["x-a", "b"]);
    run.flushed();
    expect([1, 2].map(run.flushedBytes)).toEqual([3, 4]);
    expect([1, 2].map(run.outcome)).toEqual([true, true]);
    expect(run.written()).not.toMatch(/abc|defg|chunked|x-a/);
    expect(run.written()).toMatch(/\r\n\r\n$/);
    run.bytes(1, GET);
    expect(run.opened()).toHaveLength(3);
  });
});

describe("an interim response", () => {
  test("goes out before the head, as often as it is ordered, without a field of ours", () => {
    const run = start();
    run.visit(GET);
    run.interim(1, 103, ["Link", "</a>"]);
    run.interim(1, 102);
    run.respond(1);
    expect(run.written()).toMatch(
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
    );
  });

  test("is dropped behind the head, before its turn, and for HTTP/1.0", () => {
    const run = start();
    run.visit(GET + GET);
    run.interim(2);
    run.head(1);
    run.interim(1);
    run.end(1);
    run.flushed();
    run.answer(2);
    expect(run.statuses()).toEqual([200, 200]);
    run.visit("GET / HTTP/1.0\r\n\r\n");
    run.interim(3);
    expect(run.written(2)).toBe("");
  });
});

describe("an order to cut", () => {
  test.each([
    ["HTTP/1.1", "close"],
    ["HTTP/1.0", "reset"],
  ] as const)("destroys a connection of %s by a %s, inside the body and before it", (version, how) => {
    for (const isBegun of [true, false]) {
      const run = start();
      run.visit(`GET / ${version}\r\nHost: x\r\n\r\n`);
      if (isBegun) run.head(1);
      run.cut(1);
      expect(run.connection(1).destroyed).toBe(how);
      expect(run.outcome(1)).toBeNull();
      run.closed();
      expect(run.outcome(1)).toBe(false);
    }
  });

  test("waits for its turn, and no request behind it is taken", () => {
    const run = start();
    run.visit(GET + GET);
    run.cut(2);
    run.bytes(1, GET);
    run.answer(1);
    expect(run.opened()).toHaveLength(2);
    expect(run.outcome(1)).toBe(true);
    expect(run.connection(1).destroyed).toBe("close");
  });

  test("behind the last of a response that has not left is no complete response, whatever leaves still", () => {
    const run = start();
    run.visit(GET);
    run.respond(1, { body: ["abc"] });
    run.cut(1);
    run.flushed();
    expect(run.outcome(1)).toBeNull();
    run.closed();
    expect(run.outcome(1)).toBe(false);
  });

  test("of a response that is out changes nothing", () => {
    const run = start();
    run.visit(GET);
    run.answer(1);
    run.cut(1);
    expect(run.connection(1).destroyed).toBeNull();
  });
});

describe("a request that is refused", () => {
  test.each([
    ["without a host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["with two hosts", ask("GET /", "Host: y"), 400],
    ["with two hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400],
    ["CONNECT", ask("CONNECT x:1"), 405],
    ["that is no HTTP", "\x16\x03\x01", 400],
    ["with a head that is too large", `GET /${"a".repeat(20 * KIB)}`, 431],
  ])("%s gets its status, and the connection ends with it", (_what, request, status) => {
    const run = start();
    run.visit(request);
    run.bytes(1, GET);
    expect(run.statuses()).toEqual([status]);
    expect(run.written()).toMatch(/connection: close\r\n[\s\S]*\r\n\r\n\{"type":"about:blank"/);
    expect(run.connection(1)).toMatchObject({ ended: true, destroyed: null });
    expect(run.opened()).toEqual([]);
  });

  test("is answered behind those that were asked before, and what comes with it goes by", () => {
    const run = start();
    run.visit(GET + GET + post(5, "abc", "Expect: x"));
    run.bytes(1, `de${GET}`);
    run.answer(1);
    expect(run.statuses()).toEqual([200]);
    run.answer(2);
    expect(run.statuses()).toEqual([200, 200, 417]);
    expect(run.opened()).toHaveLength(2);
  });
});
