import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { describe, expect, test, vi } from "vitest";
import { InvariantError } from "../../../core/assert.ts";
import type { ExchangeId } from "../../../core/ids.ts";
import { listen } from "../listen.ts";
import { createCertificate } from "./certificate.ts";
import { cleanups, MIB, OK, origin, rawOrigin, secureOrigin, start } from "./harness.ts";

describe("the flow", () => {
  test("stops reading while paused, so that 64 MiB wait at the origin", async () => {
    let sent: net.Socket | undefined;
    const server = await origin((request, response) => {
      if (request.url === "/small") {
        response.end("x");
        return;
      }
      sent = request.socket;
      for (let part = 0; part < 64; part++) response.write(Buffer.alloc(MIB, part));
      response.end();
    });
    const run = start(server.url);
    const bulk = run.request({ target: "/bulk" });
    run.pause(bulk, true);
    await run.log.first("origin_head");
    for (let round = 0; round < 100; round++) await run.over(run.request({ target: "/small" }));
    const passed = run.bodyOf(bulk).length;
    expect(passed).toBe(0);
    const left = (sent?.bytesWritten ?? 0) - (sent?.writableLength ?? 0);
    expect(left).toBeLessThan(16 * MIB);
    run.pause(bulk, false);
    await run.over(bulk);
    const body = run.bodyOf(bulk);
    expect(body.length).toBe(64 * MIB);
    expect([...Array(64).keys()].every((part) => body[part * MIB] === part)).toBe(true);
  });

  test("pauses in the middle of a body, from within an event", async () => {
    const server = await origin((_request, response) => response.end(Buffer.alloc(8 * MIB)));
    const run = start(server.url);
    const bulk = run.request();
    await run.log.until(() => {
      if (run.bodyOf(bulk).length === 0) return false;
      run.pause(bulk, true);
      return true;
    });
    const atPause = run.bodyOf(bulk).length;
    await new Promise((resolve) => setImmediate(resolve));
    expect(run.bodyOf(bulk).length - atPause).toBeLessThanOrEqual(64 * 1024);
    run.pause(bulk, false);
    await run.over(bulk);
    expect(run.bodyOf(bulk).length).toBe(8 * MIB);
  });

  test("H20 the rest of an upload is not sent once the answer is complete", async () => {
    const raw = await rawOrigin((socket, _request, nth) => {
      if (nth > 1) return;
      socket.pause();
      socket.write(OK);
    });
    const run = start(raw.url);
    await run.over(run.request({ method: "POST", body: Buffer.alloc(32 * MIB) }));
    raw.resumeAll();
    await raw.allClosed();
    expect(run.log.types()).toEqual(["origin_head", "origin_body", "origin_ended"]);
  });
});

describe("several origins", () => {
  test("get what is theirs, each under the path of its own URL", async () => {
    const [first, second] = [
      await rawOrigin((socket) => socket.write(OK)),
      await rawOrigin((socket) => socket.write(OK)),
    ];
    const run = start([first.url, new URL("/base/", second.url)]);
    await run.over(run.request({ origin: 1, target: "/b" }));
    await run.over(run.request({ origin: 0, target: "/a" }));
    await run.over(run.request({ origin: 1, method: "OPTIONS", target: "*" }));
    expect(first.whole()).toMatch(/^GET \/a HTTP/);
    expect(first.connections()).toBe(1);
    expect(second.whole()).toMatch(/^GET \/base\/b HTTP/);
    expect(second.whole()).toMatch(/\r\n\r\nOPTIONS \* HTTP/);
    expect(() => run.request({ origin: 2 })).toThrow(InvariantError);
  });
});

describe("the abort", () => {
  const answers = {
    "before the head": "",
    "after the head": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    "in the body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour",
  };

  test.each(Object.entries(answers))("H21 closes the origin's connection %s", async (_phase, answer) => {
    const raw = await rawOrigin((socket) => socket.write(answer));
    const run = start(raw.url);
    const exchange = run.request();
    await raw.requested();
    if (answer !== "") await run.log.first(answer.endsWith("four") ? "origin_body" : "origin_head");
    run.abort(exchange);
    const atAbort = run.log.events.length;
    expect(run.log.events.at(-1)).toEqual({ type: "origin_failed", exchange, fault: "broken" });
    await raw.allClosed();
    run.abort(exchange);
    run.pause(exchange, true);
    await run.over(run.request({ target: "/next" }), () => raw.answerAll(OK));
    expect(run.log.events.slice(atAbort).every((event) => event.exchange !== exchange)).toBe(true);
  });

  test("H21 answers at once while the connection is not yet made", async () => {
    const raw = await rawOrigin((socket) => socket.write(OK));
    const run = start(raw.url);
    const exchange = run.request();
    run.abort(exchange);
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange, fault: "broken" }]);
    await run.over(run.request());
    expect(raw.received()).not.toContain("GET /1 ");
    expect(run.log.all("origin_failed")).toHaveLength(1);
  });

  test("H21 is no reason to repeat the request on another connection", async () => {
    const seen: string[] = [];
    const raw = await rawOrigin((socket, request) => {
      seen.push(request.slice(0, request.indexOf(" HTTP")));
      if (!request.startsWith("GET /slow ")) socket.write(OK);
    });
    const run = start(raw.url);
    await run.over(run.request({ target: "/first" }));
    const exchange = run.request({ target: "/slow" });
    await raw.requested(2);
    run.abort(exchange);
    await raw.allClosed();
    await run.over(run.request({ target: "/last" }));
    expect(seen).toEqual(["GET /first", "GET /slow", "GET /last"]);
  });

  test("H21 cancels an upload that the origin does not read", async () => {
    const raw = await rawOrigin((socket, _request, nth) => nth === 1 && socket.pause());
    const run = start(raw.url);
    const exchange = run.request({ method: "POST", body: Buffer.alloc(32 * MIB) });
    await raw.requested();
    run.abort(exchange);
    raw.resumeAll();
    await raw.allClosed();
    expect(run.log.types()).toEqual(["origin_failed"]);
  });
});

describe("the connection", () => {
  test("is reused", async () => {
    const raw = await rawOrigin((socket) => socket.write(OK));
    const run = start(raw.url);
    for (let round = 0; round < 5; round++) await run.over(run.request());
    expect(raw.connections()).toBe(1);
  });

  test("that the origin was just closing costs a GET one more attempt and a POST its answer, never a second request", async () => {
    const seen: string[] = [];
    const raw = await rawOrigin((socket, request, nth) => {
      seen.push(request.slice(0, request.indexOf(" HTTP")));
      if (nth === 1) socket.write(OK);
      else socket.destroy();
    });
    const run = start(raw.url);
    await run.over(run.request({ target: "/first" }));
    await run.over(run.request({ target: "/again" }));
    expect(run.log.types().join()).toBe(
      "origin_head,origin_body,origin_ended,origin_head,origin_body,origin_ended",
    );
    await run.over(run.request({ method: "POST", target: "/once", body: Buffer.from("1") }));
    expect(run.log.events.at(-1)).toMatchObject({ type: "origin_failed", fault: "broken" });
    expect(seen).toEqual(["GET /first", "GET /again", "GET /again", "POST /once"]);
  });

  test("that the origin closes in the middle of a head is no reason to repeat the request", async () => {
    const raw = await rawOrigin((socket, _request, nth) => {
      if (nth === 1) socket.write(OK);
      else socket.end("HTTP/1.1 200 OK\r\nConte");
    });
    const run = start(raw.url);
    await run.over(run.request());
    await run.over(run.request());
    expect(run.log.events.at(-1)).toMatchObject({ type: "origin_failed", fault: "broken" });
    expect(raw.connections()).toBe(1);
  });

  test("that takes the place of a stale one holds the body back as that did", async () => {
    const raw = await rawOrigin((socket, _request, nth) => {
      if (nth === 1) socket.write(OK);
      else socket.destroy();
    });
    const run = start(raw.url);
    await run.over(run.request());
    const exchange = run.request();
    run.pause(exchange, true);
    await run.log.until(() => run.log.all("origin_head").length === 2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(raw.connections()).toBe(2);
    expect(run.bodyOf(exchange).length).toBe(0);
    await run.over(exchange, () => run.pause(exchange, false));
    expect(run.bodyOf(exchange).toString()).toBe("ok");
  });

  test("on which an answer without a body was held back is good for the next one", async () => {
    const raw = await rawOrigin((socket, request) =>
      socket.write(request.startsWith("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" : OK),
    );
    const run = start(raw.url);
    const exchange = run.request({ method: "HEAD" });
    run.pause(exchange, true);
    await run.over(exchange);
    await run.over(run.request());
    expect(run.body().toString()).toBe("ok");
    expect(raw.connections()).toBe(1);
  });

  test("on which more came while a body was held back answers no other request", async () => {
    let peer: net.Socket | undefined;
    const raw = await rawOrigin((socket, request) => {
      peer ??= socket;
      socket.write(request.startsWith("GET /1 ") ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfo" : OK);
    });
    const run = start(raw.url);
    const first = run.request();
    await run.log.until(() => {
      if (run.body().length === 0) return false;
      run.pause(first, true);
      return true;
    });
    // Each in a read of its own: nothing is read in one that was written after its beginning was seen to have come.
    const other = await rawOrigin((socket) => socket.write(OK));
    const meanwhile = start(other.url);
    for (const piece of ["ur", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse"]) {
      peer?.write(piece);
      for (let round = 0; round < 20; round++) await meanwhile.over(meanwhile.request());
    }
    let second: ExchangeId | undefined;
    const ended = run.log.until(() => {
      if (run.log.all("origin_ended").length === 0) return false;
      second ??= run.request({ target: "/next" });
      return true;
    });
    run.pause(first, false);
    await ended;
    await run.over(second as ExchangeId);
    expect(run.bodyOf(first).toString()).toBe("four");
    expect(run.bodyOf(second as ExchangeId).toString()).toBe("ok");
  });

  test("that breaks before the response is a failure", async () => {
    const raw = await rawOrigin((socket) => socket.destroy());
    const run = start(raw.url);
    await run.over(run.request());
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange: 1, fault: "broken" }]);
  });

  test("is refused where nobody listens", async () => {
    const server = net.createServer();
    const host = await listen(server, cleanups);
    server.close();
    const run = start(new URL(`http://${host}/`));
    await run.over(run.request());
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange: 1, fault: "refused" }]);
  });

  test("finds no address for a name that does not exist", async () => {
    const run = start(new URL("http://nobody.invalid/"));
    await run.over(run.request());
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange: 1, fault: "name_not_resolved" }]);
  });

  test("is given up when it does not come up in time", async () => {
    const silent = await rawOrigin(() => {});
    const run = start(new URL(`https://${silent.url.host}/`), { limits: { connectMs: 50 } });
    await run.over(run.request());
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange: 1, fault: "connect_timeout" }]);
  });

  test("that came up in time may take its time from then on", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    cleanups.push(() => vi.useRealTimers());
    const raw = await rawOrigin(() => {});
    const run = start(raw.url);
    const exchange = run.request();
    await raw.requested();
    vi.advanceTimersByTime(10_000);
    await run.over(exchange, () => raw.answerAll(OK));
    expect(run.log.types()).toEqual(["origin_head", "origin_body", "origin_ended"]);
  });

  test("is not made to a certificate that does not verify, nor to a port without TLS", async () => {
    const secure = await secureOrigin(createCertificate());
    const run = start(secure.url);
    await run.over(run.request());
    const plain = await rawOrigin((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const other = start(new URL(`https://${plain.url.host}/`));
    await other.over(other.request());
    const failed = [{ type: "origin_failed", exchange: 1, fault: "tls_invalid" }];
    expect(run.log.events).toEqual(failed);
    expect(other.log.events).toEqual(failed);
  });

  test("is made to any certificate where that is wished", async () => {
    const secure = await secureOrigin(createCertificate());
    const run = start(secure.url, { tlsSkipVerify: true });
    await run.over(run.request({ method: "PUT", body: "streamed" }), () => run.end(1 as ExchangeId));
    expect(run.body().toString()).toBe("ok");
  });

  test("is verified by the configured name and asks for it, whatever the Host header says", async () => {
    const certificate = createCertificate();
    const trusted = tls.getCACertificates("default");
    tls.setDefaultCACertificates([...trusted, certificate.cert]);
    cleanups.push(() => tls.setDefaultCACertificates(trusted));
    const asked: string[] = [];
    const server = https.createServer(certificate, (_request, response) => response.end("ok"));
    server.on("secureConnection", (socket) => asked.push(String(socket.servername)));
    const [, port] = (await listen(server, cleanups)).split(":");
    const run = start(new URL(`https://localhost:${port}/`));
    // A method in lower case takes another way through Node, which would take the name from the header.
    for (const method of ["GET", "get"]) {
      await run.over(run.request({ method, headers: ["Host", "visitor.example.org"] }));
    }
    expect(run.log.types()).not.toContain("origin_failed");
    expect(asked).toEqual(["localhost"]);
  });

  test("is made over TLS to a certificate that verifies", async () => {
    const certificate = createCertificate();
    const trusted = tls.getCACertificates("default");
    tls.setDefaultCACertificates([...trusted, certificate.cert]);
    cleanups.push(() => tls.setDefaultCACertificates(trusted));
    const secure = await secureOrigin(certificate);
    const run = start(secure.url);
    for (let round = 0; round < 2; round++) await run.over(run.request());
    expect(run.log.types().join()).toBe(
      "origin_head,origin_body,origin_ended,origin_head,origin_body,origin_ended",
    );
  });

  test("is made to an address over TLS by the name that was given for it", async () => {
    const certificate = createCertificate();
    const trusted = tls.getCACertificates("default");
    tls.setDefaultCACertificates([...trusted, certificate.cert]);
    cleanups.push(() => tls.setDefaultCACertificates(trusted));
    const asked: string[] = [];
    const server = https.createServer(certificate, (_request, response) => response.end("ok"));
    server.on("secureConnection", (socket) => asked.push(String(socket.servername)));
    const url = new URL(`https://${await listen(server, cleanups)}/`);
    const right = start(url, { serverName: "localhost" });
    await right.over(right.request());
    expect(right.body().toString()).toBe("ok");
    const wrong = start(url, { serverName: "other.example.org" });
    await wrong.over(wrong.request());
    expect(wrong.log.events).toEqual([{ type: "origin_failed", exchange: 1, fault: "tls_invalid" }]);
    expect(asked).toEqual(["localhost"]);
  });

  test("is made to a Unix socket, whatever characters its path has, as soon as somebody listens there", async () => {
    const folder = mkdtempSync(join(tmpdir(), "culvert socket? "));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "app.sock");
    const run = start(new URL(`unix:${encodeURI(path).replace("?", "%3F")}`));
    await run.over(run.request());
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange: 1, fault: "refused" }]);
    const server = http.createServer((request, response) =>
      response.end(`${request.headers.host} ${request.url}`),
    );
    cleanups.push(() => server.close());
    server.listen(path);
    await once(server, "listening");
    const exchange = run.request({ target: "/x" });
    await run.over(exchange);
    expect(run.bodyOf(exchange).toString()).toBe("home /x");
  });

  test("is cut with all others by close", async () => {
    const raw = await rawOrigin(() => {});
    const run = start(raw.url);
    const exchange = run.request();
    await raw.requested();
    run.origin.close();
    await run.over(exchange);
    expect(run.log.events).toEqual([{ type: "origin_failed", exchange, fault: "broken" }]);
  });

  test("that was kept and is cut by close is no reason to repeat the request", async () => {
    const raw = await rawOrigin((socket, _request, nth) => nth === 1 && socket.write(OK));
    const run = start(raw.url);
    await run.over(run.request());
    const exchange = run.request();
    await raw.requested(2);
    run.origin.close();
    await run.over(exchange);
    await raw.allClosed();
    expect(run.log.events.at(-1)).toEqual({ type: "origin_failed", exchange, fault: "broken" });
    expect(raw.connections()).toBe(1);
  });
});
