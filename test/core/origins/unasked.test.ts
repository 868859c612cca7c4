import { describe, expect, test } from "vitest";
import { OK, start } from "./harness.ts";

const FALSE = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse";
const POST = { method: "POST", body: Buffer.from("x") };

describe("bytes that nobody asked for", () => {
  test.each([FALSE, "late"])("close the idle connection that they come on: %j", (late) => {
    const run = start();
    run.exchange();
    run.bytes(1, late);
    expect(run.connection(1).closed).toBe(true);
    expect(run.types()).toEqual(["head", "body", "ended"]);
  });

  test.each([FALSE, "late"])("are no answer to a request that has not left yet: %j", (late) => {
    const run = start();
    run.exchange();
    const exchange = run.request({ target: "/next" });
    run.bytes(1, late);
    expect(run.connection(1).closed).toBe(true);
    run.answer(2);
    expect(run.written(2)).toMatch(/^GET \/next /);
    expect(run.body(exchange)).toBe("ok");
  });

  test("fail a request that has not left yet and cannot be repeated", () => {
    const run = start();
    run.exchange();
    const exchange = run.request(POST);
    run.bytes(1, FALSE);
    expect(run.of(exchange)).toEqual([{ type: "failed", exchange, fault: "broken" }]);
    expect(run.connections).toHaveLength(1);
  });

  test("on a new connection answer its request, as an origin may that is overloaded", () => {
    const run = start();
    run.request(POST);
    run.bytes(1, OK);
    expect(run.types()).toEqual(["head", "body", "ended"]);
    expect(run.connection(1).closed).toBe(true);
  });

  test("in place of a response on a kept connection have the request repeated", () => {
    const run = start();
    run.exchange({ method: "HEAD" }, OK.slice(0, -2));
    const exchange = run.request();
    run.flushed(1);
    run.bytes(1, "<html>");
    expect(run.connection(1).closed).toBe(true);
    run.answer(2);
    expect(run.body(exchange)).toBe("ok");
    expect(run.of(exchange)).toHaveLength(3);
  });

  test("in place of a response are malformed where the request cannot be repeated, or the connection is new", () => {
    const run = start();
    const first = run.request();
    run.answer(1, "<html>");
    run.exchange();
    const second = run.request(POST);
    run.answer(2, "<html>");
    expect(run.facts).toContainEqual({ type: "failed", exchange: first, fault: "malformed" });
    expect(run.facts).toContainEqual({ type: "failed", exchange: second, fault: "malformed" });
    expect(run.connections).toHaveLength(2);
  });

  test("behind an interim response are malformed", () => {
    const run = start();
    run.exchange();
    const exchange = run.request();
    run.answer(1, "HTTP/1.1 103 x\r\n\r\n<html>");
    expect(run.of(exchange).map(({ type }) => type)).toEqual(["interim", "failed"]);
    expect(run.connections).toHaveLength(1);
  });

  test.each([
    ["HEAD", OK],
    ["GET", "HTTP/1.1 304 x\r\n\r\n<html>"],
    ["GET", `${OK}${FALSE}`],
  ])("behind a good response of %s close its connection: %j", (method, answer) => {
    const run = start();
    run.exchange({ method }, answer);
    expect(run.types().at(-1)).toBe("ended");
    expect(run.connection(1).closed).toBe(true);
    expect(run.body()).not.toContain("false");
  });

  test("behind a response of declared length make that a lie", () => {
    const run = start();
    const exchange = run.request();
    run.answer(1, `${OK}ay`);
    expect(run.types()).toEqual(["head", "body", "failed"]);
    expect(run.facts.at(-1)).toEqual({ type: "failed", exchange, fault: "malformed" });
  });

  test("may be unread where reading was resumed a moment ago, and the connection is not used", () => {
    const run = start();
    const exchange = run.request();
    run.flushed(1);
    run.pause(exchange, true);
    run.bytes(1, OK);
    run.pause(exchange, false);
    expect(run.connection(1).closed).toBe(false);
    run.wait(4);
    run.request();
    expect(run.connections).toHaveLength(2);
    run.wait(1);
    run.request();
    expect(run.connections).toHaveLength(2);
  });
});

describe("an origin that sent unasked bytes", () => {
  const ways: Record<string, (run: ReturnType<typeof start>) => void> = {
    "while its connection was idle": (run) => run.bytes(run.exchange(), "late"),
    "before a request had left": (run) => {
      run.exchange();
      run.request(POST);
      run.bytes(1, FALSE);
    },
    "in place of a response": (run) => {
      run.exchange();
      run.request(POST);
      run.answer(1, "late");
    },
    "behind a response": (run) => run.exchange({ method: "HEAD" }, OK),
    "behind a length": (run) => run.exchange({}, `${OK}ay`),
  };

  test.each(Object.entries(ways))("%s is not kept alive for five minutes", (_when, misbehave) => {
    const run = start();
    misbehave(run);
    for (const ms of [0, 150_000, 149_999]) {
      run.wait(ms);
      run.exchange();
      expect(run.connections.at(-1)?.closed).toBe(true);
    }
    run.wait(1);
    run.exchange();
    expect(run.connections.at(-1)?.closed).toBe(false);
  });

  test("loses the connections that were kept to it, and others keep theirs", () => {
    const run = start({ basePaths: ["", ""] });
    run.exchange({ origin: 1 });
    run.request();
    run.request();
    run.answer(2);
    run.answer(3);
    run.bytes(2, "late");
    expect(run.connections.map(({ closed }) => closed)).toEqual([false, true, true]);
  });

  test("is trusted after what was only malformed", () => {
    const run = start();
    run.exchange({}, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
    expect(run.types()).toEqual(["failed"]);
    run.exchange();
    expect(run.connection(2).closed).toBe(false);
  });
});
