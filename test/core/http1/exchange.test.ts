import { describe, expect, test } from "vitest";
import { InvariantError } from "../../../core/assert.ts";
import { OK, start } from "./harness.ts";

describe("a request", () => {
  test("is written at once, head and small body together", () => {
    const run = start();
    run.request({ method: "POST", target: "/a?b", headers: ["Host", "home"], body: Buffer.from("four") });
    expect(run.connection(1).writes).toEqual([
      "POST /a?b HTTP/1.1\r\nHost: home\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\nfour",
    ]);
  });

  test("whose body is large is written behind its head, so that the head is known to have left", () => {
    const run = start();
    const exchange = run.request({ method: "POST", body: Buffer.alloc(16 * 1024 + 1, "x") });
    const [head, body] = run.connection(1).writes;
    expect(head).toMatch(/\r\n\r\n$/);
    expect(body).toHaveLength(16 * 1024 + 1);
    run.flushed(1);
    expect(run.flushedBytes(exchange)).toBe(16 * 1024 + 1);
  });

  test("is for a configured origin, and for no upgrade with a body", () => {
    const run = start();
    expect(() => run.request({ origin: 1 })).toThrow(InvariantError);
    expect(() => run.request({ upgrade: true, body: "streamed" })).toThrow(InvariantError);
  });

  test("that HTTP cannot carry fails without a connection", () => {
    const run = start();
    const orders = [
      { method: "GE T" },
      { target: "/a b" },
      { target: "/a#b" },
      { target: "/\u00e9" },
      { target: "" },
      { target: "http://home/" },
      { headers: ["A", "b\r\nC: d"] },
      { headers: ["A b", "c"] },
      { headers: ["A", "\u0100"] },
    ];
    for (const order of orders) run.request(order);
    expect(run.facts.map((fact) => fact.type === "failed" && fact.fault)).toEqual(
      orders.map(() => "malformed"),
    );
    expect(run.connections).toEqual([]);
  });

  test("fails with what became of its new connection", () => {
    const run = start();
    const causes = ["refused", "name_not_resolved", "tls_invalid", "connect_timeout", "broken"] as const;
    for (const [index, cause] of causes.entries()) {
      const exchange = run.request();
      run.closed(index + 1, cause);
      expect(run.of(exchange)).toEqual([{ type: "failed", exchange, fault: cause }]);
    }
    for (const cause of ["reset", null] as const) {
      const exchange = run.request();
      run.closed(run.connections.length, cause);
      expect(run.of(exchange)).toEqual([{ type: "failed", exchange, fault: "broken" }]);
    }
  });

  test("tells what of its body has left, and nothing of its head", () => {
    const run = start();
    const exchange = run.request({ method: "PUT", body: "streamed", bodyBytes: 8 });
    const head = run.written(1).length;
    run.send(exchange, "four");
    run.send(exchange, "more");
    run.flushed(1, head);
    run.flushed(1, 3);
    expect(run.facts).toEqual([]);
    run.flushed(1, 2);
    expect(run.facts).toEqual([{ type: "flushed", exchange, bytes: 4 }]);
    run.flushed(1, 3);
    expect(run.flushedBytes(exchange)).toBe(8);
  });
});

describe("a streamed body", () => {
  test("of known length goes out under it, each piece at once, without trailers", () => {
    const run = start();
    const exchange = run.request({ method: "PUT", body: "streamed", bodyBytes: 11 });
    run.send(exchange, "hello ");
    run.send(exchange, "");
    run.send(exchange, "world");
    run.endBody(exchange, ["A", "b"]);
    expect(run.connection(1).writes).toEqual([
      "PUT / HTTP/1.1\r\nContent-Length: 11\r\nConnection: keep-alive\r\n\r\n",
      "hello ",
      "world",
    ]);
    run.answer(1);
    expect(run.connection(1).closed).toBe(false);
    expect(run.flushedBytes(exchange)).toBe(11);
  });

  test("of unknown length goes out in chunks, with its trailers", () => {
    const run = start();
    const exchange = run.request({ method: "POST", body: "streamed" });
    run.send(exchange, "hello ");
    run.send(exchange, "");
    run.send(exchange, "twenty bytes of body");
    run.endBody(exchange, ["X-Sum", "1", "Server-Timing", "caf\u00e9"]);
    expect(run.connection(1).writes).toEqual([
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n",
      "6\r\nhello \r\n",
      "14\r\ntwenty bytes of body\r\n",
      "0\r\nX-Sum: 1\r\nServer-Timing: caf\u00e9\r\n\r\n",
    ]);
    run.answer(1);
    expect(run.connection(1).closed).toBe(false);
    expect(run.flushedBytes(exchange)).toBe(26);
  });

  test.each([
    ["longer than declared", ["hello"], false],
    ["shorter than declared", ["hel"], true],
  ])("that is %s fails and takes its connection along", (_name, pieces, ends) => {
    const run = start();
    const exchange = run.request({ method: "PUT", body: "streamed", bodyBytes: 4 });
    for (const piece of pieces) run.send(exchange, piece);
    if (ends) run.endBody(exchange);
    expect(run.facts).toEqual([{ type: "failed", exchange, fault: "malformed" }]);
    expect(run.connection(1).closed).toBe(true);
    expect(run.written(1)).not.toContain("hello");
  });

  test("with a trailer that HTTP cannot carry fails", () => {
    const run = start();
    const exchange = run.request({ method: "PUT", body: "streamed" });
    run.endBody(exchange, ["A", "b\r\nX-Smuggled: 1"]);
    expect(run.facts).toEqual([{ type: "failed", exchange, fault: "malformed" }]);
    expect(run.connection(1).closed).toBe(true);
  });

  test("is written no further once the connection is gone, while its response is held back", () => {
    const run = start();
    const exchange = run.request({ method: "PUT", body: "streamed" });
    run.flushed(1);
    run.pause(exchange, true);
    run.bytes(1, OK);
    run.ended(1);
    run.closed(1, "reset");
    const { writes } = run.connection(1);
    const before = writes.length;
    run.send(exchange, "late");
    run.endBody(exchange);
    expect(writes).toHaveLength(before);
    run.pause(exchange, false);
    expect(run.types()).toEqual(["head", "body", "ended"]);
  });
});

describe("a request is repeated", () => {
  test.each(["GET", "HEAD", "OPTIONS"])(
    "as %s without a body, where the origin was just closing its kept connection",
    (method) => {
      for (const close of ["fin", "reset", null] as const) {
        const run = start();
        run.exchange();
        const exchange = run.request({ method, target: "/again", headers: ["A", "b"] });
        run.flushed(1);
        if (close === "fin") run.ended(1);
        else run.closed(1, close);
        expect(run.of(exchange)).toEqual([]);
        const attempts = [run.connection(1).writes.at(-1), run.written(2)];
        expect(attempts[1]).toBe(attempts[0]);
        run.answer(2, method === "HEAD" ? OK.slice(0, -2) : OK);
        expect(run.of(exchange).at(-1)?.type).toBe("ended");
      }
    },
  );

  test("on each kept connection, and on a new one once", () => {
    const run = start();
    for (let each = 0; each < 3; each++) run.request();
    for (const id of [1, 2, 3]) run.answer(id);
    const exchange = run.request();
    for (const id of [3, 2, 1, 4]) run.ended(id);
    expect(run.of(exchange)).toEqual([{ type: "failed", exchange, fault: "broken" }]);
    expect(run.connections).toHaveLength(4);
  });

  test("with its body held back as before", () => {
    const run = start();
    run.exchange();
    const exchange = run.request();
    run.pause(exchange, true);
    run.ended(1);
    run.answer(2);
    expect(run.of(exchange).map(({ type }) => type)).toEqual(["head"]);
    expect(run.connection(2).paused).toBe(true);
    run.pause(exchange, false);
    expect(run.body(exchange)).toBe("ok");
  });
});

describe("a request is not repeated", () => {
  test.each([
    ["a method that is not safe", { method: "POST" }],
    ["a body", { body: Buffer.from("x") }],
    ["a body to come", { body: "streamed" as const }],
    ["a method that is idempotent, but not safe", { method: "PUT" }],
  ])("with %s", (_name, order) => {
    const run = start();
    run.exchange();
    const exchange = run.request(order);
    run.flushed(1);
    run.closed(1, "reset");
    expect(run.of(exchange).at(-1)).toEqual({ type: "failed", exchange, fault: "broken" });
    expect(run.connections).toHaveLength(1);
  });

  test.each([
    ["a byte of the response has come", "H", "reset" as const],
    ["an interim response has come", "HTTP/1.1 103 x\r\n\r\n", "reset" as const],
    ["it was not the origin that closed", "", "broken" as const],
  ])("when %s", (_name, came, cause) => {
    const run = start();
    run.exchange();
    const exchange = run.request();
    run.flushed(1);
    if (came !== "") run.bytes(1, came);
    run.closed(1, cause);
    expect(run.of(exchange).at(-1)).toEqual({ type: "failed", exchange, fault: "broken" });
    expect(run.connections).toHaveLength(1);
  });

  test("on a new connection", () => {
    const run = start();
    run.request();
    run.flushed(1);
    run.ended(1);
    expect(run.types()).toEqual(["failed"]);
    expect(run.connections).toHaveLength(1);
  });

  test("when it was aborted", () => {
    const run = start();
    run.exchange();
    const exchange = run.request();
    run.abort(exchange);
    run.closed(1);
    expect(run.of(exchange)).toEqual([]);
    expect(run.connections).toHaveLength(1);
  });
});

describe("an abort", () => {
  test("closes the connection and is the last of its exchange, in each phase", () => {
    for (const came of ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", OK.slice(0, -1)]) {
      const run = start();
      const exchange = run.request();
      if (came !== "") run.answer(1, came);
      const before = run.facts.length;
      run.abort(exchange);
      expect(run.connection(1).closed).toBe(true);
      run.bytes(1, OK);
      run.closed(1);
      run.abort(exchange);
      run.pause(exchange, true);
      run.send(exchange, "x");
      run.endBody(exchange);
      expect(run.facts).toHaveLength(before);
    }
  });

  test("is taken from within a fact, and what came behind that is not told", () => {
    const run = start();
    run.onFact((fact) => fact.type === "head" && run.abortWithin(fact));
    run.request();
    run.answer(1);
    expect(run.types()).toEqual(["head"]);
    expect(run.connection(1).closed).toBe(true);
  });

  test("of all by the close of the client fails what runs, and closes what is idle", () => {
    const run = start();
    run.request();
    run.request();
    run.answer(2);
    run.close();
    expect(run.types()).toEqual(["head", "body", "ended", "failed"]);
    expect(run.connections.every(({ closed }) => closed)).toBe(true);
  });
});
