import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { describe, expect, test } from "vitest";
import { listen } from "../listen.ts";
import { cleanups, MIB, OK, origin, rawOrigin, start } from "./harness.ts";

const HOST = ["Host", "home"];

describe("a streamed body", () => {
  test("of known length goes out under it, each piece at once, and what has left is told", async () => {
    const raw = await rawOrigin((socket, request) => /^world$|^GET /.test(request) && socket.write(OK));
    const run = start(raw.url);
    const exchange = run.request({
      method: "PUT",
      body: "streamed",
      bodyBytes: 11,
      headers: [...HOST, "A", "b"],
    });
    await raw.has("\r\n\r\n");
    expect(raw.whole()).toBe(
      "PUT /1 HTTP/1.1\r\nHost: home\r\nA: b\r\nContent-Length: 11\r\nConnection: keep-alive\r\n\r\n",
    );
    expect(run.log.types()).toEqual([]);
    run.send(exchange, "hello ");
    await raw.has("hello ");
    await run.log.until(() => run.flushed(exchange) === 6);
    run.send(exchange, "world");
    run.end(exchange);
    await run.over(exchange);
    expect(raw.whole()).toMatch(/\r\n\r\nhello world$/);
    expect(run.flushed(exchange)).toBe(11);
    await run.over(run.request());
    expect(raw.connections()).toBe(1);
  });

  test.each(["POST", "GET", "M-SEARCH", "get"])(
    "H13 of unknown length goes out in chunks, with its trailers: %s",
    async (method) => {
      const raw = await rawOrigin(
        (socket, request) => request.endsWith("\r\n\r\n") && request.includes("0\r\n") && socket.write(OK),
      );
      const run = start(raw.url);
      const exchange = run.request({ method, body: "streamed" });
      await raw.has("Transfer-Encoding: chunked\r\n");
      run.send(exchange, "hello ");
      await raw.has("6\r\nhello \r\n");
      run.send(exchange, "");
      run.send(exchange, "world");
      run.end(exchange, ["X-Sum", "1", "x-sum", "2", "Server-Timing", "caf\u00e9"]);
      await run.over(exchange);
      expect(raw.whole().slice(raw.whole().indexOf("\r\n\r\n") + 4)).toBe(
        "6\r\nhello \r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nServer-Timing: caf\u00e9\r\n\r\n",
      );
      expect(raw.whole()).toMatch(new RegExp(`^${method} `));
      expect(run.flushed(exchange)).toBe(11);
    },
  );

  test("of known length leaves trailers out, and one without a byte is well-formed", async () => {
    const raw = await rawOrigin((socket, request) => /(body|\r\n0\r\n)/.test(request) && socket.write(OK));
    const run = start(raw.url);
    const sized = run.request({ method: "POST", body: "streamed", bodyBytes: 4 });
    run.send(sized, "body");
    run.end(sized, ["X-Sum", "1"]);
    await run.over(sized);
    expect(raw.whole()).not.toContain("X-Sum");
    const empty = run.request({ method: "POST", body: "streamed" });
    run.end(empty);
    await run.over(empty);
    expect(run.log.types().filter((type) => type === "origin_ended")).toHaveLength(2);
  });

  test("H14 keeps Latin-1 in a head that goes out ahead of it, with an expectation or without", async () => {
    const raw = await rawOrigin((socket, request) => request.endsWith("x") && socket.write(OK));
    const run = start(raw.url);
    const name = 'attachment; filename="caf\u00e9 \u00c3\u00a9"';
    for (const expectation of [[], ["Expect", "100-continue"]]) {
      const headers = [...HOST, ...expectation, "Content-Disposition", name];
      const exchange = run.request({ method: "PUT", body: "streamed", bodyBytes: 1, headers });
      await raw.has("\r\n\r\n");
      run.send(exchange, "x");
      run.end(exchange);
      await run.over(exchange);
      expect(raw.whole()).toContain(`\r\nContent-Disposition: ${name}\r\n`);
      expect(raw.whole()).toContain(expectation.length > 0 ? "\r\nExpect: 100-continue\r\n" : "");
    }
  });

  test("H06 waits for nothing but its orders when it is expected, and the origin's 100 is told", async () => {
    const raw = await rawOrigin((socket, _request, nth) =>
      socket.write(nth === 1 ? "HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" : OK),
    );
    const run = start(raw.url);
    const headers = [...HOST, "Expect", "100-continue"];
    const exchange = run.request({ method: "PUT", body: "streamed", bodyBytes: 4, headers });
    expect(await run.log.first("origin_interim")).toEqual({
      type: "origin_interim",
      exchange,
      status: 100,
      headers: ["A", "b"],
    });
    expect(raw.whole()).toMatch(/\r\n\r\n$/);
    run.send(exchange, "body");
    run.end(exchange);
    await run.over(exchange);
    expect(raw.whole()).toMatch(/\r\n\r\nbody$/);
  });

  test("of 64 MiB arrives whole, and never more is told than the origin can have taken", async () => {
    const digest = createHash("sha256");
    let taken = 0;
    const server = await origin((request, response) => {
      request.on("data", (bytes: Buffer) => {
        taken += bytes.length;
        digest.update(bytes);
      });
      request.on("end", () => response.end());
    });
    const run = start(server.url);
    const piece = randomBytes(64 * 1024);
    const kept = Buffer.from(piece);
    const expected = createHash("sha256");
    const exchange = run.request({ method: "PUT", body: "streamed" });
    for (let sent = 0; sent < 64 * MIB; sent += piece.length) {
      await run.log.until(() => sent - run.flushed(exchange) < MIB);
      run.send(exchange, piece);
      expected.update(piece);
    }
    run.end(exchange);
    await run.over(exchange);
    expect(taken).toBe(64 * MIB);
    expect(run.flushed(exchange)).toBe(64 * MIB);
    expect(digest.digest("hex")).toBe(expected.digest("hex"));
    expect(piece.equals(kept)).toBe(true);
  });

  test("that the origin does not read is not told as gone, until it reads", async () => {
    const raw = await rawOrigin((socket, _request, nth) => nth === 1 && socket.pause());
    const run = start(raw.url);
    const exchange = run.request({ method: "PUT", body: "streamed", bodyBytes: 32 * MIB });
    await raw.requested();
    for (let part = 0; part < 32; part++) run.send(exchange, Buffer.alloc(MIB));
    run.end(exchange);
    await run.over(run.request({ target: "/other", origin: 0 }), () => raw.answerAll(OK));
    expect(run.flushed(exchange)).toBeLessThan(32 * MIB);
    run.abort(exchange);
    const atAbort = run.log.events.length;
    raw.resumeAll();
    await raw.allClosed();
    expect(run.log.events.slice(atAbort)).toEqual([]);
  });

  test.each([
    ["longer than declared", ["hello"], false],
    ["shorter than declared", ["hel"], true],
  ])("that is %s fails and takes its connection along", async (_name, pieces, ends) => {
    const raw = await rawOrigin(() => {});
    const run = start(raw.url);
    const exchange = run.request({ method: "PUT", body: "streamed", bodyBytes: 4 });
    await raw.requested();
    for (const piece of pieces) run.send(exchange, piece);
    if (ends) run.end(exchange);
    await run.over(exchange);
    expect(run.log.events.at(-1)).toEqual({ type: "origin_failed", exchange, fault: "malformed" });
    await raw.allClosed();
    expect(raw.whole()).not.toContain("hello");
  });

  test("with a trailer that HTTP cannot carry fails", async () => {
    const raw = await rawOrigin(() => {});
    const run = start(raw.url);
    const exchange = run.request({ method: "PUT", body: "streamed" });
    await raw.requested();
    run.end(exchange, ["A", "b\r\nX-Smuggled: 1"]);
    await run.over(exchange);
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange, fault: "malformed" }]);
    await raw.allClosed();
  });

  test("is never repeated on another connection", async () => {
    const seen: string[] = [];
    const raw = await rawOrigin((socket, request, nth) => {
      seen.push(request.slice(0, request.indexOf(" HTTP")));
      if (nth === 1) socket.write(OK);
      else socket.destroy();
    });
    const run = start(raw.url);
    await run.over(run.request({ target: "/first" }));
    await run.over(run.request({ target: "/once", body: "streamed", bodyBytes: 9 }));
    expect(run.log.events.at(-1)).toMatchObject({ type: "origin_failed", fault: "broken" });
    expect(seen).toEqual(["GET /first", "GET /once"]);
  });
});

describe("H20 an answer to an upload that goes on", () => {
  const refusals = [413, 401, 204].map((status): [number, string] => [
    status,
    `HTTP/1.1 ${status} No\r\nContent-Length: ${status === 204 ? 0 : 8}\r\nConnection: close\r\n\r\n${status === 204 ? "" : "too much"}`,
  ]);

  test.each(refusals)(
    "comes whole although the origin resets the connection: %i",
    async (status, refusal) => {
      for (let round = 0; round < 20; round++) {
        const server = net.createServer((socket) => {
          // Never reads: what has come by then makes the kernel answer the close with a reset.
          socket.once("readable", () => {
            socket.end(refusal);
            socket.destroySoon();
          });
        });
        const run = start(new URL(`http://${await listen(server, cleanups)}/`));
        const exchange = run.request({ method: "PUT", body: "streamed" });
        const feed = () => {
          if (run.log.types().includes("origin_ended")) return;
          for (let part = 0; part < 8; part++) run.send(exchange, Buffer.alloc(64 * 1024));
          setImmediate(feed);
        };
        feed();
        await run.over(exchange);
        const types = run.log.types().filter((type) => type !== "origin_flushed");
        expect(types).toEqual(
          status === 204 ? ["origin_head", "origin_ended"] : ["origin_head", "origin_body", "origin_ended"],
        );
        expect(run.log.all("origin_head")[0]?.status).toBe(status);
        expect(run.body().toString()).toBe(status === 204 ? "" : "too much");
      }
    },
  );

  test("waits for a paused reader, and is whole then", async () => {
    const closed = Promise.withResolvers<void>();
    const server = http.createServer((request, response) => {
      request.socket.on("close", closed.resolve);
      response.writeHead(413, { connection: "close" }).end(Buffer.alloc(50_000, "x"));
    });
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    const exchange = run.request({ method: "PUT", body: "streamed" });
    run.pause(exchange, true);
    run.send(exchange, Buffer.alloc(MIB));
    await run.log.first("origin_head");
    await closed.promise;
    for (let part = 0; part < 64; part++) run.send(exchange, Buffer.alloc(64 * 1024));
    await new Promise((resolve) => setImmediate(resolve));
    expect(run.log.types()).not.toContain("origin_failed");
    run.pause(exchange, false);
    await run.over(exchange);
    expect(run.body().length).toBe(50_000);
    expect(run.log.types().at(-1)).toBe("origin_ended");
  });

  test.each(["204 No Content", "200 OK"])(
    "stops it when it is complete, and what follows goes nowhere: %s",
    async (status) => {
      const raw = await rawOrigin((socket, _request, nth) => {
        if (nth === 1)
          socket.write(
            `HTTP/1.1 ${status}\r\n${status.startsWith("2") && status !== "204 No Content" ? "Content-Length: 0\r\n" : ""}\r\n`,
          );
      });
      const run = start(raw.url);
      const exchange = run.request({ method: "PUT", body: "streamed" });
      await run.over(exchange);
      const before = run.log.events.length;
      run.send(exchange, "late");
      run.end(exchange, ["A", "b"]);
      await raw.allClosed();
      expect(run.log.events.length).toBe(before);
      expect(raw.whole()).not.toContain("late");
    },
  );

  test.each([null, "streamed"] as const)("leaves its connection to no other request: %s", async (body) => {
    const raw = await rawOrigin((socket, _request, nth) => {
      if (nth > 1) return;
      socket.pause();
      socket.write(OK);
    });
    const run = start(raw.url);
    await run.over(run.request({ method: "PUT", body: body ?? Buffer.alloc(32 * MIB) }));
    await run.over(run.request());
    expect(raw.connections()).toBe(2);
  });

  test("without an answer is a failure", async () => {
    const raw = await rawOrigin((socket) => socket.destroy());
    const run = start(raw.url);
    const exchange = run.request({ method: "PUT", body: "streamed" });
    run.send(exchange, Buffer.alloc(MIB));
    await run.over(exchange);
    expect(run.log.events.at(-1)).toEqual({ type: "origin_failed", exchange, fault: "broken" });
  });
});

describe("H13 the trailers of a response", () => {
  test("come with its end, in order, and are none without chunks", async () => {
    const raw = await rawOrigin((socket, _request, nth) =>
      socket.write(
        nth === 1
          ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nB: \r\n\r\n"
          : OK,
      ),
    );
    const run = start(raw.url);
    await run.over(run.request());
    await run.over(run.request());
    expect(run.log.all("origin_ended").map((event) => event.trailers)).toEqual([
      ["X-Sum", "1", "x-sum", "2", "B", ""],
      [],
    ]);
  });
});
