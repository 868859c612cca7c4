/** Services that do less than HTTP has: scripts that end lines as they please, those that serve one connection at a time. */
import type net from "node:net";
import { describe, expect, test } from "vitest";
import { startRawOrigin } from "../helpers/origin.ts";
import { DOMAIN } from "../helpers/passage.ts";
import { connect } from "../helpers/raw-http.ts";
import { type Protocol, startAgent, startServer, visitorsOf } from "../helpers/tunnel.ts";

const PROTOCOLS = ["moosicbox", "native"] as const;

type Home = {
  readonly protocol: Protocol;
  readonly answer: (target: string) => string;
  readonly flags?: readonly string[];
};

async function startSmallHome({ protocol, answer, flags = [] }: Home) {
  const origin = await startRawOrigin((socket, head) =>
    socket.write(Buffer.from(answer(head.split(" ")[1] ?? ""), "latin1")),
  );
  const server = await startServer({ flags: [`--domain=${DOMAIN}`] });
  await startAgent(server, origin.url, { protocol, flags: ["--access=public", ...flags] });
  return {
    origin,
    /** The whole answer to a GET of this target, as it came. */
    get: async (target: string): Promise<string> => {
      const visitor = connect(server.port);
      visitor.send(`GET ${target} HTTP/1.1`, `Host: home.${DOMAIN}`, "Connection: close", "", "");
      await visitor.untilEnded();
      return visitor.text;
    },
  };
}

describe.each(PROTOCOLS)("over the %s protocol", (protocol) => {
  test("H10: a head whose lines end with LF alone arrives with those that HTTP has", async () => {
    const { get } = await startSmallHome({
      protocol,
      answer: () => "HTTP/1.0 200 OK\r\nX-Script: a\nContent-Length: 4\n\ngood",
    });
    const text = await get("/");
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text).toMatch(/\r\nx-script: a\r\n/i);
    expect(text).toMatch(/\r\n\r\ngood$/);
    expect(text).not.toMatch(/(?<!\r)\n/);
  });

  test("H16: a target in raw UTF-8 arrives as escapes", async () => {
    const { get, origin } = await startSmallHome({
      protocol,
      answer: () => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
    });
    expect(await get("/caf\u00c3\u00a9?\u00c3\u00a9=\u00e2\u0082\u00ac")).toMatch(/\r\n\r\ngood$/);
    expect(origin.heads[0]).toMatch(/^GET \/caf%C3%A9\?%C3%A9=%E2%82%AC HTTP\/1\.1\r\n/);
  });

  test("--keep-alive off tells the service of each request that no other follows, and sends none", async () => {
    const { get, origin } = await startSmallHome({
      protocol,
      answer: () => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
      flags: ["--keep-alive=off"],
    });
    for (const target of ["/1", "/2", "/3"]) expect(await get(target)).toMatch(/\r\n\r\ngood$/);
    expect(origin.heads).toHaveLength(3);
    for (const head of origin.heads) expect(head).toMatch(/\r\nConnection: close\r\n/i);
  });

  test("--limit originHeadBytesMax bounds the head of an answer, and the error names it", async () => {
    const { get } = await startSmallHome({
      protocol,
      answer: (target) => {
        const length = target === "/small" ? 1_000 : 3_000;
        return `HTTP/1.1 200 OK\r\nX-A: ${"x".repeat(length)}\r\nContent-Length: 4\r\n\r\ngood`;
      },
      flags: ["--limit=originHeadBytesMax=2048"],
    });
    expect(await get("/small")).toMatch(/\r\n\r\ngood$/);
    const refused = await get("/large");
    expect(refused).toContain('"code":"origin_head_too_large"');
    expect(refused).toContain("originHeadBytesMax=2048, in bytes; the agent's --limit");
  });
});

test("H10: two limits let a head through that is larger than the defaults take", async () => {
  const origin = await startRawOrigin((socket) =>
    socket.write(
      `HTTP/1.1 200 OK\r\nX-A: ${"x".repeat(200_000)}\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood`,
    ),
  );
  const server = await startServer({
    flags: [`--domain=${DOMAIN}`, "--limit=responseHeaderBytesMax=300000"],
  });
  await startAgent(server, origin.url, {
    protocol: "native",
    flags: ["--access=public", "--limit=originHeadBytesMax=300000"],
  });
  const visitor = connect(server.port);
  visitor.send("GET / HTTP/1.1", `Host: home.${DOMAIN}`, "Connection: close", "", "");
  await visitor.untilEnded();
  expect(visitor.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(visitor.text).toContain("x".repeat(200_000));
});

test("a POST never goes on a connection that its service is about to end, as services do after two seconds", async () => {
  const overdue = new Set<net.Socket>();
  const isOverdue = Promise.withResolvers<void>();
  const origin = await startRawOrigin((socket) => {
    if (overdue.has(socket)) {
      socket.resetAndDestroy();
      return;
    }
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    setTimeout(() => {
      overdue.add(socket);
      isOverdue.resolve();
    }, 2_000);
  });
  const server = await startServer();
  await startAgent(server, origin.url, { protocol: "native" });
  const { ask } = visitorsOf(server, "home", await server.register("home"));
  expect((await ask("/page")).body.toString()).toBe("good");
  await isOverdue.promise;
  const answer = await ask("/order", { method: "POST", body: "1" });
  expect([answer.status, answer.body.toString()]).toEqual([200, "good"]);
  expect(origin.heads).toHaveLength(2);
});
