import { describe, expect, test } from "vitest";
import { head, start } from "./http-harness.ts";

describe("an interim response", () => {
  test("H12 goes out before the final one, headers as they are, as often as it is ordered", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    const headers = ["Link", "</a>", "link", "</\u00e9>"];
    run.server.perform({ type: "respond_interim", exchange, status: 103, headers });
    await client.untilText("\r\n\r\n");
    run.server.perform({ type: "respond_interim", exchange, status: 102, headers: [] });
    run.respond(exchange, { body: ["final"] });
    await client.untilText("final");
    expect(client.text).toMatch(
      /^HTTP\/1.1 103 Early Hints\r\nLink: <\/a>\r\nlink: <\/\u00e9>\r\n\r\nHTTP\/1.1 102 Processing\r\n\r\nHTTP\/1.1 200 OK\r\n.*\r\n\r\nfinal$/s,
    );
  });

  test("H12 is dropped for HTTP/1.0, behind the head, and while an earlier response is due", async () => {
    const run = await start();
    const interim = { type: "respond_interim", status: 103, headers: ["x", "1"] } as const;
    const old = run.client();
    old.send("GET / HTTP/1.0", "", "");
    const { exchange: ofOld } = await run.opened(1);
    run.server.perform({ ...interim, exchange: ofOld });
    run.respond(ofOld, { body: ["old"] });
    const client = run.client();
    client.get("/first");
    client.get("/second");
    const [first, second] = [(await run.opened(2)).exchange, (await run.opened(3)).exchange];
    run.server.perform({ ...interim, exchange: second });
    run.server.perform(head(first));
    run.server.perform({ ...interim, exchange: first });
    run.server.perform({ type: "respond_end", exchange: first, trailers: [] });
    await run.log.until(() => run.log.of(first).at(-1)?.type === "exchange_closed");
    run.server.perform({ ...interim, status: 102, exchange: second });
    run.respond(second, { body: ["second"] });
    await Promise.all([old.untilEnded(), client.untilText("second")]);
    expect(old.text).not.toContain("103");
    expect(client.text.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 102", "HTTP/1.1 200"]);
  });
});

describe("the trailers of a response", () => {
  const trailers = ["X-Sum", "1", "x-sUM", "2", "Y", "\u00e9"];

  test.each([null, "gzip", "br"] as const)(
    "H13 follow a chunked body in order, duplicates kept (coding %s)",
    async (coding) => {
      const run = await start();
      const client = run.client();
      client.get("/");
      const { exchange } = await run.opened(1);
      run.server.perform({ ...head(exchange), coding });
      run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from("body") });
      run.server.perform({ type: "respond_end", exchange, trailers });
      await run.log.first("exchange_closed");
      await client.untilText("Y: \u00e9\r\n\r\n");
      expect(client.text).toMatch(/\r\n0\r\nX-Sum: 1\r\nx-sUM: 2\r\nY: \u00e9\r\n\r\n$/);
      client.get("/next");
      await run.opened(2);
    },
  );

  test.each([
    ["a body with a length", "GET / HTTP/1.1", ["content-length", "4"]],
    ["HTTP/1.0", "GET / HTTP/1.0", []],
    ["HEAD", "HEAD / HTTP/1.1", []],
  ])("H13 are left out with %s", async (_name, line, headers) => {
    const run = await start();
    const client = run.client();
    client.send(line, "Host: x", "Connection: close", "", "");
    const { exchange } = await run.opened(1);
    run.server.perform({ ...head(exchange), headers });
    run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from("body") });
    run.server.perform({ type: "respond_end", exchange, trailers });
    await client.untilEnded();
    expect(client.text).not.toContain("X-Sum");
    expect(await run.log.first("exchange_closed")).toMatchObject({ complete: true });
  });
});

test("H25 each piece of an event stream is a chunk of its own that waits for nothing", async () => {
  const run = await start();
  const client = run.client();
  client.get("/");
  const { exchange } = await run.opened(1);
  run.server.perform({ ...head(exchange), headers: ["content-type", "text/event-stream"] });
  for (let index = 10; index < 60; index++) {
    const event = `data: ${index}\n\n`;
    run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from(event) });
    // Nothing else happens until it is there.
    await client.untilText(`\r\na\r\n${event}\r\n`);
    await run.log.until(() => run.flushed(exchange) === (index - 9) * event.length);
  }
});
