import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { describe, expect, test, vi } from "vitest";
import { REFUSAL_BYTES_MAX, REFUSAL_TIMEOUT_MS } from "../../../adapters/agent/web-sockets.ts";
import { listen } from "../listen.ts";
import { cleanups, SOCKET, start, TARGET, wsServer } from "./web-sockets-harness.ts";

describe("the handshake", () => {
  test("goes to the configured server, its path before the target, and offers no compression", async () => {
    const server = await wsServer();
    for (const base of [`http://${server.host}/tunnel/`, `ws://${server.host}/tunnel`]) {
      const run = start(new URL(base));
      run.connect();
      await run.log.first("socket_opened");
      expect(server.requests.at(-1)?.url).toBe(`/tunnel${TARGET}`);
      expect(server.requests.at(-1)?.headers["sec-websocket-extensions"]).toBeUndefined();
    }
  });

  test.each([401, 302, 503])(
    "that is answered with %i is refused, then closed, and followed nowhere",
    async (status) => {
      let requests = 0;
      const server = http.createServer((_request, response) => {
        requests += 1;
        response.writeHead(status, { location: "/elsewhere" }).end("a long story".repeat(10_000));
      });
      const run = start(new URL(`http://${await listen(server, cleanups)}/`));
      run.connect();
      await run.closed();
      const body = "a long story".repeat(200).slice(0, REFUSAL_BYTES_MAX);
      expect(run.log.events[0]).toEqual({ type: "socket_refused", socket: SOCKET, status, body });
      expect(run.log.types()).toEqual(["socket_refused", "socket_closed"]);
      expect(requests).toBe(1);
    },
  );

  const problem = '{"detail":"sp\u00e4ter"}';

  test.each([
    ["is whole", `Content-Length: ${Buffer.byteLength(problem)}\r\n\r\n${problem}`, problem],
    ["is cut", `Content-Length: 99\r\n\r\n${problem}`, problem],
    ["is not there", "Content-Length: 0\r\n\r\n", ""],
    ["is cut by the limit inside a character", `\r\n${"x".repeat(2047)}\u00e9`, "x".repeat(2047)],
  ])("that is refused with a body tells it, when it %s", async (_name, rest, body) => {
    const server = net.createServer((socket) => {
      socket.once("data", () => socket.end(`HTTP/1.1 426 Upgrade Required\r\n${rest}`));
    });
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    run.connect();
    await run.closed();
    expect(run.log.events).toMatchObject([
      { type: "socket_refused", status: 426, body },
      { type: "socket_closed", code: 1006 },
    ]);
  });

  test("that is refused for a while tells for how long", async () => {
    const server = net.createServer((socket) => {
      socket.once("data", () =>
        socket.end("HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"),
      );
    });
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    run.connect();
    await run.closed();
    expect(run.log.events[0]).toMatchObject({ type: "socket_refused", status: 503, retryAfter: "2" });
  });

  test.each(["by time", "by order"])("that is refused with a body without end is over %s", async (how) => {
    const server = net.createServer((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 503 No\r\nContent-Length: 99\r\n\r\nwait"));
    });
    const read = Promise.withResolvers<void>();
    const { push } = http.IncomingMessage.prototype;
    vi.spyOn(http.IncomingMessage.prototype, "push").mockImplementation(function (this: unknown, chunk) {
      if (String(chunk) === "wait") setImmediate(read.resolve);
      return push.call(this, chunk);
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    run.connect();
    await read.promise;
    if (how === "by order") run.perform({ type: "socket_terminate", socket: SOCKET });
    else vi.advanceTimersByTime(REFUSAL_TIMEOUT_MS);
    await run.closed();
    expect(run.log.events).toMatchObject([
      { type: "socket_refused", status: 503, body: "wait" },
      { type: "socket_closed", code: 1006 },
    ]);
  });

  test("carries the headers that were ordered, in order", async () => {
    const server = await wsServer();
    const run = start(new URL(`http://${server.host}/`));
    run.connect(SOCKET, { headers: ["Culvert-Access", "public", "X-B", "1", "x-b", "2"] });
    await run.log.first("socket_opened");
    const raw = server.requests[0]?.rawHeaders ?? [];
    expect(raw.join("\n")).toContain("Culvert-Access\npublic\nX-B\n1\nX-B\n2");
    expect(raw).not.toContain("Sec-WebSocket-Protocol");
  });

  test.each([
    ["the second", "b", "b"],
    ["none", null, null],
  ])("offers subprotocols in order, and the server chooses %s", async (_name, choice, protocol) => {
    const offers: string[][] = [];
    const server = await wsServer((offered) => {
      offers.push([...offered]);
      return choice ?? false;
    });
    const run = start(new URL(`http://${server.host}/`));
    run.connect(SOCKET, { protocols: ["culvert.1", "b"] });
    expect(await run.log.first("socket_opened")).toEqual({ type: "socket_opened", socket: SOCKET, protocol });
    expect(offers).toEqual([["culvert.1", "b"]]);
    expect(server.requests[0]?.headers["sec-websocket-protocol"]).toBe("culvert.1, b");
  });

  test.each([[["culvert.1"]], [[]]])(
    "is a failure when the server chooses what was not offered: %j",
    async (protocols) => {
      const server = await wsServer(() => false, ["Sec-WebSocket-Protocol: culvert.2"]);
      const run = start(new URL(`http://${server.host}/`));
      run.connect(SOCKET, { protocols });
      await run.closed();
      expect(run.log.events).toMatchObject([
        { type: "socket_failed", fault: { kind: "handshake_broken" } },
        { type: "socket_closed", code: 1006, reason: expect.stringMatching("subprotocol") },
      ]);
    },
  );

  test("that finds nobody tells why, and never with what target", async () => {
    const server = net.createServer();
    const host = await listen(server, cleanups);
    server.close();
    const run = start(new URL(`http://${host}/`));
    run.connect();
    await run.closed();
    const detail = `connect ECONNREFUSED ${host}`;
    expect(run.log.events).toEqual([
      { type: "socket_failed", socket: SOCKET, fault: { kind: "refused", detail } },
      { type: "socket_closed", socket: SOCKET, code: 1006, reason: detail },
    ]);
  });

  test.each([
    ["is not HTTP", "SSH-2.0-OpenSSH_9.6\r\n", "not_http"],
    [
      "proves nothing",
      "HTTP/1.1 101 Hi\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
      "handshake_broken",
    ],
    ["is cut", "HTTP/1.1 101 Hi\r\n", "closed"],
  ])(
    "whose answer %s closes the socket once, without the target in the reason",
    async (_name, answer, kind) => {
      const server = net.createServer((socket) => socket.end(answer));
      const run = start(new URL(`http://${await listen(server, cleanups)}/`));
      run.connect();
      await run.closed();
      expect(run.log.events).toMatchObject([
        { type: "socket_failed", fault: { kind } },
        { type: "socket_closed", code: 1006 },
      ]);
      expect(JSON.stringify(run.log.events)).not.toMatch(/s3cret|ws\?/);
    },
  );

  test.each(["socket_terminate", "socket_close"] as const)("ends at once by %s", async (type) => {
    const server = net.createServer();
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    run.connect();
    await once(server, "connection");
    run.perform({ type, socket: SOCKET, code: 1000, reason: "" });
    await run.closed();
    expect(run.log.events).toMatchObject([{ type: "socket_closed", code: 1006 }]);
  });
});
