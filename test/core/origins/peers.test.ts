import { describe, expect, test } from "vitest";
import { clientLimits } from "../../../core/origins/client.ts";
import { OK, start } from "./harness.ts";

const GREETING = "HTTP/1.1 100 Continue\r\n\r\n";
const FAREWELL = "HTTP/1.1 421 Misdirected Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const POST = { method: "POST", body: Buffer.from("x") };

function startKept() {
  const run = start({ toPeers: true });
  run.request();
  run.opened(1);
  run.bytes(1, GREETING);
  run.answer(1);
  run.facts.length = 0;
  return run;
}

describe("a request to another node", () => {
  test("leaves when that node has greeted, and the greeting is no fact of it", () => {
    const run = start({ toPeers: true });
    const exchange = run.request(POST);
    run.opened(1);
    expect(run.written(1)).toBe("");
    run.bytes(1, GREETING.slice(0, 9));
    expect(run.written(1)).toBe("");
    run.bytes(1, GREETING.slice(9));
    expect(run.written(1)).toMatch(/^POST \/ .*x$/s);
    run.answer(1);
    expect(run.of(exchange).map(({ type }) => type)).toEqual(["flushed", "head", "body", "ended"]);
  });

  test.each([null, "reset", "broken"] as const)(
    "whose connection is lost before that has not left, and was refused: %s",
    (cause) => {
      const run = start({ toPeers: true });
      const exchange = run.request(POST);
      run.opened(1);
      run.closed(1, cause);
      expect(run.of(exchange)).toEqual([{ type: "failed", exchange, fault: "refused" }]);
    },
  );

  test("whose connection is lost after that may have been done", () => {
    const run = start({ toPeers: true });
    const exchange = run.request(POST);
    run.opened(1);
    run.bytes(1, GREETING);
    run.closed(1, "reset");
    expect(run.of(exchange)).toEqual([{ type: "failed", exchange, fault: "broken" }]);
  });

  test("has the time of a connection that is made for the greeting, too", () => {
    const run = start({ toPeers: true });
    const exchange = run.request();
    run.opened(1);
    run.wait(clientLimits.connectMs);
    expect(run.of(exchange)).toEqual([{ type: "failed", exchange, fault: "connect_timeout" }]);
  });

  test("that meets what is no greeting is malformed", () => {
    const run = start({ toPeers: true });
    const exchange = run.request();
    run.opened(1);
    run.bytes(1, "220 mail.example ESMTP\r\n");
    expect(run.of(exchange)).toEqual([{ type: "failed", exchange, fault: "malformed" }]);
  });

  test("that crosses a farewell reads it as its answer, whether it has left or not", () => {
    for (const hasLeft of [true, false]) {
      const run = startKept();
      const exchange = run.request(POST);
      expect(run.connections).toHaveLength(1);
      if (hasLeft) run.flushed(1);
      run.bytes(1, FAREWELL);
      expect(run.of(exchange)).toContainEqual({
        type: "head",
        exchange,
        status: 421,
        headers: ["Connection", "close", "Content-Length", "0"],
      });
      expect(run.connection(1).closed).toBe(true);
    }
  });
});

describe("a connection to another node", () => {
  test("that is idle ends with its farewell, and the next one is kept all the same", () => {
    const run = startKept();
    run.bytes(1, FAREWELL);
    expect(run.connection(1).closed).toBe(true);
    run.request();
    run.opened(2);
    run.bytes(2, GREETING);
    run.answer(2);
    expect(run.connection(2).closed).toBe(false);
    expect(run.types()).toEqual(["head", "body", "ended"]);
  });

  test("is used by what cannot be repeated for as long as it is kept", () => {
    const run = startKept();
    run.stall(clientLimits.idleMs - 1);
    run.request(POST);
    expect(run.connections).toHaveLength(1);
    run.answer(1, OK);
    expect(run.types()).toEqual(["flushed", "head", "body", "ended"]);
  });
});
