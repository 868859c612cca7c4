import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { MIB, OK, origin, rawOrigin, start } from "./harness.ts";

describe("the request", () => {
  test("H14 H16 goes out byte for byte, its headers in their order", async () => {
    const raw = await rawOrigin((socket) => socket.write(OK));
    const run = start(raw.url);
    run.request({
      target: "/a//b/../%2e%2e/%2F;x/%00\u00e9?q=&q=+&&Q=%ff",
      headers: ["Accept", "*/*", "hOST", "music.local", "X-Twice", "1", "range", "bytes=0-", "X-Twice", "2"],
    });
    await run.log.first("origin_ended");
    expect(raw.received().split("\r\n")).toEqual([
      "GET /a//b/../%2e%2e/%2F;x/%00\u00e9?q=&q=+&&Q=%ff HTTP/1.1",
      "Accept: */*",
      "hOST: music.local",
      "X-Twice: 1",
      "range: bytes=0-",
      "X-Twice: 2",
      "Connection: keep-alive",
      "",
      "",
    ]);
  });

  test("puts the path of the configured URL before the target", async () => {
    const raw = await rawOrigin((socket) => socket.write(OK));
    const run = start(new URL("/music/", raw.url));
    run.request({ target: "/track?id=1" });
    await run.log.first("origin_ended");
    expect(raw.received()).toMatch(/^GET \/music\/track\?id=1 HTTP/);
  });

  test.each(["get", "M-SEARCH", "pRoPfInD"])("keeps the method %s as it is", async (method) => {
    const raw = await rawOrigin((socket) => socket.write(OK));
    const run = start(raw.url);
    run.request({ method, target: "/x", headers: ["Host", "home", "a", "1", "a", "2"] });
    await run.log.first("origin_ended");
    expect(raw.received()).toMatch(new RegExp(`^${method} /x HTTP/1.1\r\nHost: home\r\n`));
    expect(raw.received()).toContain("a: 1\r\na: 2\r\n");
  });

  test("carries a body with its length, and says where a POST has none", async () => {
    const raw = await rawOrigin((socket) => socket.write(OK));
    const run = start(raw.url);
    const first = run.request({ method: "POST", body: Buffer.from('{"a":1}') });
    await run.over(first);
    expect(run.flushed(first)).toBe(7);
    expect(raw.received()).toContain("\r\nContent-Length: 7\r\n");
    expect(raw.received()).toMatch(/\r\n\r\n\{"a":1\}$/);
    const second = run.request({ method: "POST" });
    await run.over(second);
    expect(raw.received()).toContain("\r\nContent-Length: 0\r\n");
  });

  test("fails alone where HTTP cannot carry it", async () => {
    const raw = await rawOrigin((socket) => socket.write(OK));
    const run = start(raw.url);
    run.request({ headers: ["Accept", "a\r\nX-Smuggled: 1"] });
    run.request({ target: "/two words" });
    run.request({ method: "GET /x HTTP/1.1\r\n\r\nGET" });
    const faults = run.log.all("origin_failed").map((event) => event.fault);
    expect(faults).toEqual(["malformed", "malformed", "malformed"]);
    await run.over(run.request());
    expect(run.log.types()).toEqual([
      ...faults.map(() => "origin_failed"),
      "origin_head",
      "origin_body",
      "origin_ended",
    ]);
  });
});

describe("the response", () => {
  test("H10 hands over its headers in order, with duplicates and Latin-1 bytes", async () => {
    const head = "HTTP/1.1 206 Partial Content\r\nSet-Cookie: a\r\nX-Caf\u00e9: no\r\n".replace(
      "\u00e9",
      "e",
    );
    const raw = await rawOrigin((socket) =>
      socket.end(
        Buffer.from(`${head}Name: caf\u00e9\r\nset-cookie: b\r\nContent-Length: 0\r\n\r\n`, "latin1"),
      ),
    );
    const run = start(raw.url);
    await run.over(run.request());
    expect(run.log.events[0]).toMatchObject({
      type: "origin_head",
      exchange: 1,
      status: 206,
      headers: [
        "Set-Cookie",
        "a",
        "X-Cafe",
        "no",
        "Name",
        "caf\u00e9",
        "set-cookie",
        "b",
        "Content-Length",
        "0",
      ],
    });
    expect(run.log.types()).toEqual(["origin_head", "origin_ended"]);
  });

  test("gives the memory of a piece back when told so, and touches nothing that is not its own", async () => {
    const home = await origin((_request, response) => response.end(Buffer.alloc(50_000, "x")));
    const run = start(home.url);
    const exchange = run.request();
    await run.over(exchange);
    const pieces = run.log.events.flatMap((event) => (event.type === "origin_body" ? [event.bytes] : []));
    const foreign = new Uint8Array(50_000);
    for (const piece of [...pieces, foreign]) {
      run.origin.perform({ type: "origin_release", bytes: piece.subarray(piece.length - 1) });
    }
    expect(pieces.map(({ buffer }) => buffer.byteLength)).toEqual(pieces.map(() => 0));
    expect(foreign.buffer.byteLength).toBe(50_000);
  });

  test("comes as it is: not decompressed, and no redirect followed", async () => {
    const zipped = gzipSync("a song");
    const server = await origin((_request, response) => {
      response.writeHead(302, { "content-encoding": "gzip", location: "http://127.0.0.1:1/" }).end(zipped);
    });
    const run = start(server.url);
    await run.over(run.request());
    expect(run.log.all("origin_head")[0]?.status).toBe(302);
    expect(run.body()).toEqual(zipped);
  });

  test("H12 comes behind a thousand interim ones of each kind, all of them reported", async () => {
    const noise =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nlink: y\r\n\r\n";
    const raw = await rawOrigin((socket) => socket.write(noise.repeat(1000) + OK));
    const run = start(raw.url);
    for (const exchange of [run.request(), run.request()]) {
      await run.over(exchange);
      const own = run.log.events.filter((event) => event.exchange === exchange);
      const interims = own.filter((event) => event.type === "origin_interim");
      expect(interims).toHaveLength(3000);
      expect(interims.slice(0, 3)).toEqual([
        { type: "origin_interim", exchange, status: 100, headers: [] },
        { type: "origin_interim", exchange, status: 102, headers: [] },
        { type: "origin_interim", exchange, status: 103, headers: ["Link", "x", "link", "y"] },
      ]);
      const rest = own.slice(interims.length).map((event) => event.type);
      expect(rest).toEqual(["origin_head", "origin_body", "origin_ended"]);
    }
  });

  test.each([
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops"],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\noops"],
    ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\noops"],
  ])("H12 discards the body of a response that has none: %s %j", async (method, answer) => {
    let answered = 0;
    const raw = await rawOrigin((socket) => socket.write(answered++ === 0 ? answer : OK));
    const run = start(raw.url);
    await run.over(run.request({ method }));
    expect(run.log.types()).toEqual(["origin_head", "origin_ended"]);
    await run.over(run.request());
    expect(run.body().toString()).toBe("ok");
    expect(run.log.all("origin_head")[1]?.status).toBe(200);
  });

  test("H12 keeps the connection after a proper HEAD, 204 and 304", async () => {
    const raw = await rawOrigin((socket, request) => {
      const status = request.startsWith("HEAD") ? "200 OK\r\nContent-Length: 9" : "204 No Content";
      socket.write(`HTTP/1.1 ${status}\r\n\r\n`);
    });
    const run = start(raw.url);
    for (const method of ["HEAD", "GET", "HEAD"]) await run.over(run.request({ method }));
    expect(run.log.types().join()).toBe(Array(3).fill("origin_head,origin_ended").join());
    expect(raw.connections()).toBe(1);
  });

  test.each([
    ["fewer bytes than declared", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour"],
    ["more bytes than declared", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfour"],
    ["a chunk that is cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfour"],
    ["no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n"],
    ["a chunk size that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"],
  ])("H11 is a failure with %s, and the next request finds a clean connection", async (_name, answer) => {
    let answered = 0;
    const raw = await rawOrigin((socket) => {
      if (answered++ === 0) socket.end(answer);
      else socket.write(OK);
    });
    const run = start(raw.url);
    await run.over(run.request());
    expect(run.log.types()).not.toContain("origin_ended");
    expect(run.log.types().at(-1)).toBe("origin_failed");
    await run.over(run.request());
    expect(run.log.types().slice(-3)).toEqual(["origin_head", "origin_body", "origin_ended"]);
    expect(run.log.events.at(-2)).toMatchObject({ bytes: Buffer.from("ok") });
  });

  test("ends with the connection where it declares no length", async () => {
    const raw = await rawOrigin((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
    const run = start(raw.url);
    await run.over(run.request());
    expect(run.body().toString()).toBe("until the end");
    expect(run.log.types().at(-1)).toBe("origin_ended");
  });

  test.each([
    ["is not HTTP", "SSH-2.0-OpenSSH_9.6\r\n"],
    ["has a header without a name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"],
    ["has a NUL in a header", "HTTP/1.1 200 OK\r\nA: x\0y\r\n\r\n"],
    ["has a bare CR in a header", "HTTP/1.1 200 OK\r\nA: x\ry\r\n\r\n"],
    ["has two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"],
  ])("H10 is malformed when it %s", async (_name, answer) => {
    const raw = await rawOrigin((socket) => socket.write(answer));
    const run = start(raw.url);
    await run.over(run.request());
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange: 1, fault: "malformed" }]);
  });

  test("H10 has a head as large as its limit, and no larger one", async () => {
    const head = `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: ${"x".repeat(100_000)}\r\n\r\n`;
    const raw = await rawOrigin((socket) => socket.write(head));
    for (const [headBytesMax, type] of [
      [head.length, "origin_ended"],
      [head.length - 1, "origin_failed"],
    ] as const) {
      const run = start(raw.url, { limits: { headBytesMax } });
      await run.over(run.request());
      expect(run.log.events.at(-1)).toMatchObject({
        type,
        ...(type === "origin_failed" ? { fault: "head_too_large" } : {}),
      });
    }
  });

  test("H10 keeps every header of a large head", async () => {
    const fields = Array.from({ length: 5_000 }, (_, index) => `h${index}: v\r\n`).join("");
    const raw = await rawOrigin((socket) => socket.write(`HTTP/1.1 204 No Content\r\n${fields}\r\n`));
    const run = start(raw.url);
    await run.over(run.request());
    expect(run.log.all("origin_head")[0]?.headers).toHaveLength(10_000);
  });

  test("is a failure when the origin switches protocols unasked", async () => {
    const raw = await rawOrigin((socket) =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    );
    const run = start(raw.url);
    await run.over(run.request());
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange: 1, fault: "malformed" }]);
  });

  test("is a failure when it is 101 without the headers of a switch, and its connection is not used again", async () => {
    const raw = await rawOrigin((socket, request) =>
      socket.write(request.includes("/next") ? OK : "HTTP/1.1 101 Switching Protocols\r\n\r\nraw"),
    );
    const run = start(raw.url);
    await run.over(run.request());
    await run.over(run.upgrade());
    expect(run.log.events).toMatchObject([
      { type: "origin_failed", fault: "malformed" },
      { type: "origin_failed", fault: "malformed" },
    ]);
    await run.over(run.request({ target: "/next" }));
    expect(raw.connections()).toBe(3);
  });

  test("H20 is read although the origin answers and closes before it has read the request", async () => {
    const raw = await rawOrigin((socket, _request, nth) => {
      if (nth > 1) return;
      socket.pause();
      socket.end("HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much");
    });
    const run = start(raw.url);
    await run.over(run.request({ method: "POST", body: Buffer.alloc(32 * MIB) }));
    expect(run.log.types()).toEqual(["origin_head", "origin_body", "origin_ended"]);
    expect(run.body().toString()).toBe("too much");
    raw.resumeAll();
    await raw.allClosed();
  });
});
