import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { head, KIB, MIB, start } from "./http-harness.ts";

describe("a cut", () => {
  test("before the head leaves the visitor without a byte", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    run.server.perform({ type: "respond_cut", exchange });
    await client.untilEnded();
    expect(client.text).toBe("");
    expect(run.log.events.slice(1)).toEqual([{ type: "exchange_closed", exchange, complete: false }]);
  });

  test.each([null, "br", "gzip"] as const)(
    "inside a chunked body (coding %s) sends no last chunk",
    async (coding) => {
      const run = await start();
      const client = run.client();
      client.get("/");
      const { exchange } = await run.opened(1);
      run.server.perform({ ...head(exchange), coding });
      run.server.perform({ type: "respond_body", exchange, bytes: randomBytes(1_000) });
      await run.log.first("exchange_flushed");
      run.server.perform({ type: "respond_body", exchange, bytes: randomBytes(1_000) });
      run.server.perform({ type: "respond_cut", exchange });
      await client.untilEnded();
      expect(client.text).toMatch(/^HTTP\/1.1 200 OK/);
      expect(client.text.endsWith("0\r\n\r\n")).toBe(false);
      expect(run.log.events.at(-1)).toEqual({ type: "exchange_closed", exchange, complete: false });
    },
  );

  test("after the order to end, while bytes still wait, is no complete response", async () => {
    const run = await start();
    const client = run.client();
    client.socket.pause();
    client.get("/");
    const { exchange } = await run.opened(1);
    run.respond(exchange, { headers: ["content-length", String(32 * MIB)], body: [Buffer.alloc(32 * MIB)] });
    run.server.perform({ type: "respond_cut", exchange });
    expect(await run.log.first("exchange_closed")).toEqual({
      type: "exchange_closed",
      exchange,
      complete: false,
    });
  });

  test("resets an HTTP/1.0 connection, whose clean end would make a part the whole", async () => {
    const run = await start();
    const client = run.client();
    client.send("GET / HTTP/1.0", "", "");
    const { exchange } = await run.opened(1);
    run.server.perform(head(exchange));
    run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from("part") });
    await client.untilText("part");
    run.server.perform({ type: "respond_cut", exchange });
    await client.untilEnded();
    expect(client.ending).toBe("reset");
  });

  test("of a response that waits for its turn spares the one before it", async () => {
    const run = await start();
    const client = run.client();
    client.get("/slow");
    client.get("/cut");
    const [slow, cut] = [(await run.opened(1)).exchange, (await run.opened(2)).exchange];
    run.server.perform(head(slow));
    run.server.perform({ type: "respond_cut", exchange: cut });
    run.server.perform({ type: "respond_body", exchange: slow, bytes: Buffer.from("whole") });
    run.server.perform({ type: "respond_end", exchange: slow, trailers: [] });
    await client.untilEnded();
    expect(client.text).toMatch(/5\r\nwhole\r\n0\r\n\r\n$/);
    expect(run.log.all("exchange_closed")).toEqual([
      { type: "exchange_closed", exchange: slow, complete: true },
      { type: "exchange_closed", exchange: cut, complete: false },
    ]);
  });
});

describe("a visitor who leaves", () => {
  test("H21 before the head closes the exchange, and later orders change nothing", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    client.leave();
    await run.log.first("exchange_closed");
    run.server.perform({ type: "exchange_read", exchange });
    run.server.perform(head(exchange));
    run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from("late") });
    run.server.perform({ type: "respond_end", exchange, trailers: [] });
    run.server.perform({ type: "respond_cut", exchange });
    run.respond(exchange, { body: ["late"] });
    await run.pulse();
    expect(run.log.of(exchange).slice(1)).toEqual([{ type: "exchange_closed", exchange, complete: false }]);
  });

  test("H21 inside his upload closes the exchange without an end of the body", async () => {
    const run = await start();
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", "content-length: 1000", "", "some");
    const { exchange } = await run.opened(1);
    run.server.perform({ type: "exchange_read", exchange });
    await run.log.first("exchange_body");
    client.leave();
    expect(await run.log.first("exchange_closed")).toEqual({
      type: "exchange_closed",
      exchange,
      complete: false,
    });
    expect(run.log.all("exchange_body_ended")).toEqual([]);
  });

  test.each([null, "br"] as const)(
    "H21 inside his download (coding %s) closes the exchange once",
    async (coding) => {
      const run = await start();
      const client = run.client();
      client.socket.pause();
      client.get("/");
      const { exchange } = await run.opened(1);
      run.server.perform({ ...head(exchange), coding });
      for (let index = 0; index < 256; index++) {
        run.server.perform({ type: "respond_body", exchange, bytes: randomBytes(64 * KIB) });
      }
      await run.log.first("exchange_flushed");
      client.leave();
      await run.log.first("exchange_closed");
      await run.pulse();
      expect(run.log.of(exchange).at(-1)).toEqual({ type: "exchange_closed", exchange, complete: false });
      expect(run.log.all("exchange_closed").filter((event) => event.exchange === exchange)).toHaveLength(1);
    },
  );

  test("closes every exchange that he has pipelined", async () => {
    const run = await start();
    const client = run.client();
    for (const target of ["/1", "/2", "/3"]) client.get(target);
    await run.opened(3);
    client.leave();
    await run.log.until(() => run.log.all("exchange_closed").length === 3);
    expect(run.log.all("exchange_closed").map((event) => event.complete)).toEqual([false, false, false]);
  });
});

describe("pipelining", () => {
  test("H19 answers in the order of the requests, and a malformed one in its turn", async () => {
    const run = await start();
    const client = run.client();
    client.get("/slow");
    client.get("/fast");
    client.send("GET / HTTP/1.1", "Host : x", "", "");
    const [slow, fast] = [(await run.opened(1)).exchange, (await run.opened(2)).exchange];
    await run.until(() => run.faults.length === 1);
    run.respond(fast, { body: ["fast"] });
    await run.pulse();
    expect(client.text).toBe("");
    run.respond(slow, { body: ["slow"] });
    await client.untilEnded();
    expect(client.text).toMatch(/^HTTP\/1.1 200 .*\r\n\r\nslowHTTP\/1.1 200 .*\r\n\r\nfastHTTP\/1.1 400 /s);
    for (const exchange of [slow, fast]) {
      expect(run.log.of(exchange).at(-1)).toEqual({ type: "exchange_closed", exchange, complete: true });
    }
  });

  test("H19 answers what came before a broken body, then 400 in place of its response", async () => {
    const run = await start();
    const client = run.client();
    client.get("/first");
    client.send("POST /broken HTTP/1.1", "Host: x", "transfer-encoding: chunked", "", "zz\r\n");
    const [first, broken] = [(await run.opened(1)).exchange, (await run.opened(2)).exchange];
    run.server.perform({ type: "exchange_read", exchange: broken });
    await run.until(() => run.faults.length === 1);
    run.respond(broken, { body: ["never seen"] });
    run.respond(first, { body: ["first"] });
    await client.untilEnded();
    expect(client.text).toMatch(/^HTTP\/1.1 200 .*\r\n\r\nfirstHTTP\/1.1 400 /s);
    expect(client.text).not.toContain("never seen");
    expect(run.log.of(broken).at(-1)).toEqual({ type: "exchange_closed", exchange: broken, complete: false });
  });

  test("ignores what follows a response that ends the connection", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    run.respond(exchange, { body: ["bye"], close: true });
    client.get("/ignored");
    await client.untilEnded();
    expect(run.log.all("exchange_opened")).toHaveLength(1);
  });
});
