import { afterEach, describe, expect, test, vi } from "vitest";
import { MIB, start } from "./http-harness.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("the body of a request", () => {
  test("H06 is announced as waiting for 100 only where there is one", async () => {
    const run = await start();
    run.client().get("/", "expect: 100-continue");
    expect(await run.opened(1)).toMatchObject({ hasBody: false, expectsContinue: false });
    run.client().send("POST / HTTP/1.1", "Host: x", "content-length: 4", "expect: 100-continue", "", "");
    expect(await run.opened(2)).toMatchObject({ hasBody: true, expectsContinue: true });
    run.client().send("POST / HTTP/1.0", "content-length: 4", "expect: 100-continue", "", "");
    expect(await run.opened(3)).toMatchObject({ hasBody: true, expectsContinue: false });
  });

  test("H13 ends with its trailers as they were sent", async () => {
    const run = await start();
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", "transfer-encoding: chunked", "", "");
    client.send("4", "body", "0", "X-Sum: 1", "x-sUM: 2", "Y: \u00e9", "", "");
    const { exchange } = await run.opened(1);
    run.server.perform({ type: "exchange_read", exchange });
    expect(await run.log.first("exchange_body_ended")).toEqual({
      type: "exchange_body_ended",
      exchange,
      trailers: ["X-Sum", "1", "x-sUM", "2", "Y", "\u00e9"],
    });
  });

  test.each(["before", "after"])("is read no further while paused %s it is wanted", async (order) => {
    const run = await start();
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", `content-length: ${32 * MIB}`, "", "");
    const { exchange } = await run.opened(1);
    const pause = { type: "exchange_pause", exchange, paused: true } as const;
    if (order === "before") run.server.perform(pause);
    run.server.perform({ type: "exchange_read", exchange });
    if (order === "after") run.server.perform(pause);
    client.socket.write(Buffer.alloc(32 * MIB));
    // Twice the same work, begun later: once it is done, the first would be done as well if it were read.
    const other = run.client();
    other.send("POST / HTTP/1.1", "Host: x", `content-length: ${64 * MIB}`, "", "");
    const { exchange: beside } = await run.opened(2);
    run.server.perform({ type: "exchange_read", exchange: beside });
    other.socket.write(Buffer.alloc(64 * MIB));
    await run.log.until(() => run.received(beside) === 64 * MIB);
    expect(client.socket.writableLength).toBeGreaterThan(0);
    expect(run.received(exchange)).toBeLessThan(1 * MIB);
    run.server.perform({ type: "exchange_pause", exchange, paused: false });
    await run.log.until(() => run.log.of(exchange).at(-1)?.type === "exchange_body_ended");
    expect(run.received(exchange)).toBe(32 * MIB);
  });

  test("that was resumed before it is wanted loses nothing", async () => {
    const run = await start();
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", "content-length: 4", "", "body");
    const { exchange } = await run.opened(1);
    run.server.perform({ type: "exchange_pause", exchange, paused: true });
    run.server.perform({ type: "exchange_pause", exchange, paused: false });
    await run.pulse();
    run.server.perform({ type: "exchange_read", exchange });
    await run.log.first("exchange_body_ended");
    expect(run.received(exchange)).toBe(4);
  });

  test("H20 that ends after its response leaves the connection usable, though it was paused", async () => {
    const run = await start();
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", `content-length: ${8 * MIB}`, "", "");
    const { exchange } = await run.opened(1);
    run.server.perform({ type: "exchange_read", exchange });
    run.server.perform({ type: "exchange_pause", exchange, paused: true });
    client.socket.write(Buffer.alloc(8 * MIB));
    run.respond(exchange, { status: 401, body: ["early"] });
    await client.untilText("early");
    const before = run.received(exchange);
    client.get("/next");
    run.respond((await run.opened(2)).exchange, { body: ["next"] });
    await client.untilText("\r\n\r\nnext");
    expect(run.received(exchange)).toBe(before);
  });

  test("H20 that does not end within five seconds of its response ends the connection, without a reset", async () => {
    let nowMs = 0;
    const run = await start({ nowMs: () => nowMs });
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", "content-length: 10", "", "part");
    const { exchange } = await run.opened(1);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    run.respond(exchange, { status: 413, body: ["early"] });
    await client.untilText("early");
    await run.pulse();
    nowMs = 4_999;
    vi.advanceTimersByTime(4_999);
    await run.pulse();
    expect(client.ending).toBe(null);
    nowMs = 5_000;
    vi.advanceTimersByTime(1);
    await client.untilEnded();
    expect(client.ending).toBe("end");
  });
});
