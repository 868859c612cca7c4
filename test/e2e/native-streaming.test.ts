/** Answers that are made while they are read: events, neighbours, and streams that go on for long. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { bodyOf, HOST, headOf, settled, startPassage } from "../helpers/passage.ts";
import { startTunnel } from "../helpers/tunnel.ts";
import { open } from "../helpers/visitor.ts";

const MIB = 1024 * 1024;

/** An event of forty bytes, as it goes on the wire. */
const EVENT = `data: ${"x".repeat(32)}\n\n`;

describe("events", () => {
  test.each([
    ["native", "GET", "text/event-stream", "identity"],
    ["native", "GET", "text/event-stream", "gzip, br"],
    ["native", "POST", "text/event-stream", "br"],
    ["native", "GET", "text/html", "gzip"],
    ["moosicbox", "GET", "text/event-stream", "identity"],
    ["moosicbox", "POST", "text/html", "identity"],
  ] as const)(
    "H25: reach the visitor one by one, each before the next is sent, through the %s protocol by %s as %s for %s",
    async (protocol, method, type, coding) => {
      const { home, visit, settled } = await startPassage(protocol);
      const visitor = visit();
      const body = method === "POST" ? ["Content-Length: 2", "", "{}"] : ["", ""];
      visitor.send(`${method} /events HTTP/1.1`, HOST, `Accept-Encoding: ${coding}`, ...body);
      const call = await home.call();
      call.send("HTTP/1.1 200 OK", `Content-Type: ${type}`, "Transfer-Encoding: chunked", "", "");
      await visitor.untilText("\r\n\r\n");
      expect(headOf(visitor.text)).toContain(`Content-Type: ${type}`);
      const chunk = `28\r\n${EVENT}\r\n`;
      for (let count = 1; count <= 50; count++) {
        call.send(chunk);
        await visitor.until(() => bodyOf(visitor.text) === chunk.repeat(count));
      }
      visitor.leave();
      await call.untilEnded();
      await settled();
    },
  );

  test("H25: may go on for longer than every deadline", async () => {
    const { home, visit } = await startPassage("native", {
      server: { limits: { exchangeIdleMs: 800, agentNoticeMs: 0 } },
    });
    const visitor = visit();
    visitor.send("GET /events HTTP/1.1", HOST, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 200 OK", "Content-Type: text/event-stream", "", "");
    for (let count = 1; count <= 20; count++) {
      call.send(EVENT);
      await visitor.until(() => visitor.text.split(EVENT).length === count + 1);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    call.socket.end();
    await visitor.untilText("\r\n0\r\n\r\n");
  });

  test("H25: are each out although a download runs beside them", async () => {
    const song = Buffer.alloc(MIB);
    const tunnel = await startTunnel(
      (request, response) => {
        if (request.url?.startsWith("/song")) stream(response, song);
        else response.write("event");
      },
      { agent: { protocol: "native" } },
    );
    const headers = { authorization: `Bearer ${tunnel.clientToken}` };
    const ask = (path: string) => open(tunnel.server.url + tunnel.target(path), { headers });
    const download = await ask("/song");
    let downloadedBytes = 0;
    download.on("data", (bytes: Buffer) => {
      downloadedBytes += bytes.length;
    });
    const besideBytes: number[] = [];
    for (let count = 0; count < 20; count++) {
      const before = downloadedBytes;
      const response = await ask("/event");
      await once(response, "data");
      besideBytes.push(downloadedBytes - before);
      response.destroy();
    }
    // What of the download comes first: no more than its window and what the kernels' buffers hold. It is the usual one, since
    // visitor, server, agent and home share this one thread.
    const usualBytes = besideBytes.toSorted((a, b) => a - b)[10];
    expect(usualBytes).toBeLessThan(40 * MIB);
    download.destroy();
    await settled(tunnel.server);
  });
});

describe("a hundred streams", () => {
  test("T11: of which one is not read: the others arrive, and so does what it holds when it is read again", async () => {
    const song = Buffer.alloc(MIB, "song");
    const long = Buffer.alloc(64 * MIB);
    const tunnel = await startTunnel(
      (request, response) => response.end(request.url?.startsWith("/long") ? long : song),
      { agent: { protocol: "native" } },
    );
    const headers = { authorization: `Bearer ${tunnel.clientToken}` };
    const ask = (path: string) => open(tunnel.server.url + tunnel.target(path), { headers });
    const stalled = await ask("/long");
    const others = await Promise.all(Array.from({ length: 99 }, () => ask("/song")));
    for (const size of await Promise.all(others.map(sizeOf))) expect(size).toBe(song.length);
    expect(await tunnel.server.status()).toMatchObject({ exchanges: 1 });
    expect(await sizeOf(stalled)).toBe(long.length);
    await settled(tunnel.server);
  });

  test("T11: full in both directions at once come free again", async () => {
    const bytes = 4 * MIB;
    const { server, home, visit, settled } = await startPassage("native");
    const visitors = Array.from({ length: 8 }, () => {
      const visitor = visit();
      visitor.send("POST /both HTTP/1.1", HOST, `Content-Length: ${bytes}`, "", "");
      return visitor;
    });
    const calls = [];
    for (const _ of visitors) calls.push(await home.call());
    for (const call of calls) {
      call.socket.pause();
      call.send("HTTP/1.1 200 OK", `Content-Length: ${bytes}`, "Connection: close", "", "");
      call.socket.write(Buffer.alloc(bytes - 1));
    }
    for (const visitor of visitors) {
      await visitor.untilText("\r\n\r\n");
      visitor.socket.pause();
      visitor.socket.write(Buffer.alloc(bytes));
    }
    // Both ends of all eight stand still; somebody else does not notice.
    const other = visit();
    other.send("GET /other HTTP/1.1", HOST, "", "");
    (await home.call()).answer("200 OK", [], "served");
    await other.untilText("\r\n\r\nserved");
    expect((await server.status()).exchanges).toBe(8);
    for (const visitor of visitors) visitor.socket.resume();
    for (const call of calls) call.socket.resume();
    for (const call of calls) {
      await call.until(() => call.bytes > bytes);
      // An answer that ends before its request would stop the upload.
      call.send("x");
    }
    for (const visitor of visitors) await visitor.until(() => visitor.bytes > bytes);
    await settled();
  });
});

/** Writes it again and again, as fast as it is taken. */
function stream(response: ServerResponse, piece: Buffer): void {
  response.on("close", () => response.removeAllListeners("drain"));
  const write = () => {
    while (!response.destroyed && response.write(piece)) {}
  };
  response.on("drain", write);
  write();
}

async function sizeOf(response: IncomingMessage): Promise<number> {
  let size = 0;
  for await (const piece of response) size += piece.length;
  return size;
}
