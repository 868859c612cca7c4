import { describe, expect, test } from "vitest";
import { OK, start } from "./harness.ts";

describe("a response", () => {
  test("is told in parts, interim responses and trailers among them", () => {
    const run = start();
    const exchange = run.request();
    run.answer(
      1,
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    run.bytes(1, "2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n");
    expect(run.facts).toMatchObject([
      { type: "interim", exchange, status: 103, headers: ["Link", "x"] },
      { type: "head", exchange, status: 200, headers: ["Transfer-Encoding", "chunked"] },
      { type: "body", exchange, only: true },
      { type: "ended", exchange, trailers: ["X-Sum", "1"] },
    ]);
  });

  test("of a length is whole at that length, and good for the next request", () => {
    const run = start();
    run.request();
    run.answer(1, OK.slice(0, -1));
    expect(run.types()).toEqual(["head", "body"]);
    run.bytes(1, "k");
    expect(run.types()).toEqual(["head", "body", "body", "ended"]);
    expect(run.connection(1).closed).toBe(false);
  });

  test("that is cut by the end of the connection fails", () => {
    const run = start();
    const exchange = run.request();
    run.answer(1, OK.slice(0, -1));
    run.ended(1);
    expect(run.facts.at(-1)).toEqual({ type: "failed", exchange, fault: "broken" });
    expect(run.connection(1).closed).toBe(true);
  });

  test("without a length ends with the origin's end, and with nothing less", () => {
    const ended = start();
    ended.request();
    ended.answer(1, "HTTP/1.1 200 OK\r\n\r\nok");
    expect(ended.types()).toEqual(["head", "body"]);
    ended.ended(1);
    expect(ended.types()).toEqual(["head", "body", "ended"]);
    const cut = start();
    cut.request();
    cut.answer(1, "HTTP/1.1 200 OK\r\n\r\nok");
    cut.closed(1);
    expect(cut.types()).toEqual(["head", "body", "failed"]);
  });

  test("that is not HTTP fails and takes its connection along", () => {
    const run = start();
    const exchange = run.request();
    run.answer(1, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
    expect(run.facts).toEqual([{ type: "failed", exchange, fault: "malformed" }]);
    expect(run.connection(1).closed).toBe(true);
  });

  test("that switches protocols unasked fails", () => {
    const run = start();
    const exchange = run.request();
    run.answer(1, "HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
    expect(run.facts).toEqual([{ type: "failed", exchange, fault: "malformed" }]);
    expect(run.connection(1).closed).toBe(true);
  });

  test("to an upload that goes on comes whole although the origin resets the connection", () => {
    const run = start();
    const exchange = run.request({ method: "PUT", body: "streamed" });
    run.flushed(1);
    run.send(exchange, "part");
    run.bytes(1, "HTTP/1.1 413 No\r\nContent-Length: 8\r\n\r\ntoo");
    run.bytes(1, " much");
    run.closed(1, "reset");
    expect(run.types()).toEqual(["head", "body", "body", "ended"]);
    expect(run.body()).toBe("too much");
  });
});

describe("a body that is held back", () => {
  test("has reading stopped from its head on, and is told when it is wanted again", () => {
    const run = start();
    const exchange = run.request();
    run.pause(exchange, true);
    expect(run.connection(1).paused).toBe(false);
    run.answer(1);
    expect(run.types()).toEqual(["head"]);
    expect(run.connection(1).paused).toBe(true);
    run.pause(exchange, false);
    expect(run.connection(1).paused).toBe(false);
    expect(run.types()).toEqual(["head", "body", "ended"]);
  });

  test("may have been over for long: its connection is as old as if it had been read", () => {
    const run = start();
    const exchange = run.request();
    run.pause(exchange, true);
    run.answer(1);
    run.wait(1_600);
    run.pause(exchange, false);
    expect(run.types().at(-1)).toBe("ended");
    expect(run.connection(1).closed).toBe(true);
  });

  test("may be so from within a fact", () => {
    const run = start();
    const exchange = run.request();
    run.onFact((fact) => fact.type === "body" && run.pauseWithin(exchange));
    run.answer(1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    expect(run.body()).toBe("a");
    run.pause(exchange, false);
    expect(run.body()).toBe("ab");
    run.pause(exchange, false);
    expect(run.types().at(-1)).toBe("ended");
  });

  test("does not stop what has no body: interim responses, and an answer to HEAD", () => {
    const run = start();
    const exchange = run.request({ method: "HEAD" });
    run.pause(exchange, true);
    run.answer(1, "HTTP/1.1 103 x\r\n\r\n");
    run.bytes(1, OK.slice(0, -2));
    expect(run.types()).toEqual(["interim", "head", "ended"]);
    run.exchange();
    expect(run.connections).toHaveLength(1);
  });

  test("is whole although its connection is gone meanwhile", () => {
    const run = start();
    const exchange = run.request();
    run.pause(exchange, true);
    run.answer(1, "HTTP/1.1 200 OK\r\n\r\nok");
    run.bytes(1, "ay");
    run.ended(1);
    run.closed(1);
    expect(run.types()).toEqual(["head"]);
    run.pause(exchange, false);
    expect(run.body()).toBe("okay");
    expect(run.types().at(-1)).toBe("ended");
  });

  test("holds up no other exchange", () => {
    const run = start();
    const first = run.request();
    run.pause(first, true);
    run.answer(1);
    for (let round = 0; round < 3; round++) run.exchange();
    expect(run.of(first).map(({ type }) => type)).toEqual(["head"]);
    expect(run.connections).toHaveLength(2);
  });
});
