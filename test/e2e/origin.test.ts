/** What home services answer, well-behaved and not, and what of it reaches a visitor through a real agent. */
import { once } from "node:events";
import type net from "node:net";
import { describe, expect, test } from "vitest";
import { startHome } from "../helpers/moosicbox-agent.ts";
import { startRawOrigin } from "../helpers/origin.ts";
import { connect, statuses } from "../helpers/raw-http.ts";
import { startAgent, startServer, startTunnel, visitorsOf } from "../helpers/tunnel.ts";
import { problemCode } from "../helpers/visitor.ts";

const MIB = 1024 * 1024;
/** As many milliseconds as bring a late body into the next request's time. */
const LATE_MS = 5;
const GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

/** A tunnel to an origin that answers in bytes; `/good` gets a good response whatever else it does. */
async function startRawTunnel(answer: string | Buffer | ((socket: net.Socket, head: string) => void)) {
  const origin = await startRawOrigin((socket, head) => {
    if (head.includes(" /good?")) socket.write(GOOD);
    else if (typeof answer === "function") answer(socket, head);
    else socket.write(typeof answer === "string" ? Buffer.from(answer, "latin1") : answer);
  });
  const server = await startServer();
  const agent = await startAgent(server, origin.url);
  const clientToken = await server.register("home");
  const visitors = visitorsOf(server, "home", clientToken);
  return {
    server,
    agent,
    origin,
    ...visitors,
    authorization: `Authorization: Bearer ${clientToken}`,
    async expectGood(): Promise<void> {
      expect((await visitors.ask("/good")).body.toString()).toBe("good");
    },
  };
}

describe("response headers", () => {
  test.each([
    ["a NUL in a value", "X-A: b\0c\r\n", "origin_malformed"],
    ["a bare CR in a value", "X-A: b\rc\r\n", "origin_malformed"],
    ["an empty name", ": c\r\n", "origin_malformed"],
    ["a name that is no token", "X A: c\r\n", "origin_malformed"],
    ["a value of a megabyte", `X-A: ${"x".repeat(MIB)}\r\n`, "origin_head_too_large"],
    ["more than a packet can hold", `X-A: ${'"'.repeat(40_000)}\r\n`, "limit_response_headers"],
    ["two lengths that differ", "Content-Length: 1\r\n", "origin_malformed"],
  ])("H10: with %s fail as 502, and the next request is served", async (_what, header, code) => {
    const tunnel = await startRawTunnel(`HTTP/1.1 200 OK\r\n${header}Content-Length: 4\r\n\r\nevil`);
    const answer = await tunnel.ask("/x");
    expect(answer.status).toBe(502);
    expect(problemCode(answer)).toBe(code);
    expect(answer.headers["x-a"]).toBeUndefined();
    await tunnel.expectGood();
  });

  test("H10: keep the bytes beyond ASCII that HTTP allows", async () => {
    const tunnel = await startRawTunnel(
      "HTTP/1.1 200 OK\r\nX-Name: caf\xe9 \xff\r\nContent-Length: 0\r\n\r\n",
    );
    const visitor = connect(tunnel.server.port);
    visitor.get(tunnel.target("/x"), tunnel.authorization);
    await visitor.untilText("\r\n\r\n");
    expect(visitor.text).toContain("\r\nX-Name: caf\xe9 \xff\r\n");
  });

  test.each<[string, Record<string, string>, string]>([
    ["a line break in a value", { "x-a": "b\r\nx-evil: c" }, "agent_protocol"],
    ["a character beyond Latin-1", { "x-a": "\u{1f3b5}" }, "agent_protocol"],
    ["an empty name", { "": "b" }, "agent_protocol"],
    ["a length that is no number", { "content-length": "four" }, "agent_protocol"],
    ["more than the server takes", { "x-a": "x".repeat(64 * 1024) }, "limit_response_headers"],
  ])(
    "H10: from an agent, with %s, fail as 502, and the agent is told to stop",
    async (_what, headers, code) => {
      const { server, agent, ask } = await startHome();
      const asked = ask("/x");
      const request = await agent.request();
      agent.send({ requestId: request.request_id, packetId: 1, headers, body: "evil" });
      await agent.aborted(request.request_id);
      const answer = await asked;
      expect(answer.status).toBe(502);
      expect(problemCode(answer)).toBe(code);
      expect(answer.rawHeaders.join()).not.toContain("evil");
      expect(await server.status()).toMatchObject({ agentProtocolErrors: 1, exchanges: 0, heldBytes: 0 });
    },
  );

  test("H14: keep their order and odd casing, and several values of one become a list", async () => {
    const fields = [
      ["X-Odd-CASE", "1"],
      ["link", "</a>; rel=preload"],
      ["x-between", "2"],
      ["Link", "</b>; rel=preload"],
      ["WWW-Authenticate", 'Basic realm="a"'],
      ["LINK", "</c>; rel=preload"],
      ["WWW-Authenticate", "Bearer"],
      ["Set-Cookie", "one=1; Path=/"],
      ["X-Last", "3"],
    ];
    const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const tunnel = await startRawTunnel(`HTTP/1.1 401 Unauthorized\r\n${lines}Content-Length: 0\r\n\r\n`);
    const answer = await tunnel.ask("/x");
    expect(answer.status).toBe(401);
    expect(answer.rawHeaders.slice(0, 12)).toEqual(
      [
        ["X-Odd-CASE", "1"],
        ["link", "</a>; rel=preload, </b>; rel=preload, </c>; rel=preload"],
        ["x-between", "2"],
        ["WWW-Authenticate", 'Basic realm="a", Bearer'],
        ["Set-Cookie", "one=1; Path=/"],
        ["X-Last", "3"],
      ].flat(),
    );
  });

  test("H14: with five Set-Cookie, which no list can hold, are refused rather than robbed of four", async () => {
    const cookies = [1, 2, 3, 4, 5].map((n) => `Set-Cookie: c${n}=${n}\r\n`).join("");
    const tunnel = await startRawTunnel(`HTTP/1.1 200 OK\r\n${cookies}Content-Length: 0\r\n\r\n`);
    const answer = await tunnel.ask("/x");
    expect(answer.status).toBe(502);
    expect(problemCode(answer)).toBe("limit_set_cookie");
  });
});

describe("a response body", () => {
  test.each([
    ["fewer bytes than it declared", "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n"],
    ["a chunk that breaks off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n"],
    ["chunks without an end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n"],
  ])("H11: never ends cleanly when the origin sends %s", async (_what, head) => {
    const tunnel = await startRawTunnel((socket) => {
      socket.write(head);
      socket.end("x".repeat(4_096));
    });
    const answer = await tunnel.ask("/x").catch((error) => {
      expect(error).toMatchObject({ code: "ECONNRESET" });
      return null;
    });
    // What comes at once may still become a 502; after a first packet only a cut is left, which may overtake the head.
    if (answer === null) await tunnel.server.log.line("exchange ended", { outcome: "agent_gave_up" });
    else if (answer.status === 200) expect(answer.isWhole).toBe(false);
    else expect(problemCode(answer)).toBe("origin_broken");
    await tunnel.expectGood();
  });

  test("H11: cuts the connection of the visitor who has seen a part of what the origin then breaks off", async () => {
    const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
    const tunnel = await startRawTunnel(async (socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
      await goOn;
      socket.end();
    });
    const visitor = connect(tunnel.server.port);
    visitor.get(tunnel.target("/x"), tunnel.authorization);
    await visitor.untilText("half");
    release();
    await visitor.untilEnded();
    expect(visitor.text).toMatch(/content-length: 10\r\n[\s\S]*\r\n\r\nhalf$/i);
    await tunnel.server.log.line("exchange ended", { outcome: "agent_gave_up" });
    await tunnel.expectGood();
  });

  test("H12: that comes late, where none belongs, answers no other request once its service is known for that", async () => {
    const late = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse";
    let first: net.Socket | undefined;
    const tunnel = await startRawTunnel((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n");
      if (first !== undefined) setTimeout(() => socket.destroyed || socket.write(late), LATE_MS);
      first ??= socket;
    });
    await tunnel.ask("/x", { method: "HEAD" });
    const socket = first ?? expect.fail("the service was not asked");
    const closed = once(socket, "close");
    socket.write(late);
    await closed;
    const lane = async () => {
      for (let round = 0; round < 40; round++) {
        await tunnel.ask("/x", { method: "HEAD" });
        await tunnel.expectGood();
      }
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
  });

  test("H11: beyond the declared length is no part of the response, and of no other", async () => {
    const tunnel = await startRawTunnel(
      `HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfourHTTP/1.1 200 OK\r\n\r\n`,
    );
    const answer = await tunnel.ask("/x");
    expect(answer.body.toString()).toBe("four");
    expect(answer.isWhole).toBe(true);
    await tunnel.expectGood();
  });

  test.each([
    ["fewer", "thre", true],
    ["more", "fivefive", false],
  ])(
    "H11: cuts the visitor's connection when an agent sends %s bytes than it declared",
    async (_what, body, last) => {
      const { agent, ask } = await startHome();
      const asked = ask("/x");
      const { request_id } = await agent.request();
      const headers = { "content-length": "5" };
      agent.send({ requestId: request_id, packetId: 1, status: 200, headers });
      await agent.heard();
      agent.send({ requestId: request_id, packetId: 2, last, body });
      const answer = await asked;
      expect(answer.isWhole).toBe(false);
      expect(answer.body.length).toBeLessThan(5);
      const next = ask("/next");
      agent.reply(await agent.request(), { body: "clean" });
      expect((await next).body.toString()).toBe("clean");
    },
  );

  test.each([
    ["HEAD", 200, "OK"],
    ["GET", 204, "No Content"],
    ["GET", 304, "Not Modified"],
  ])(
    "H12: that an origin sends with %s and %i is discarded, and the connection goes on",
    async (method, status, reason) => {
      const tunnel = await startRawTunnel(`HTTP/1.1 ${status} ${reason}\r\nContent-Length: 4\r\n\r\nevil`);
      const visitor = connect(tunnel.server.port);
      visitor.send(`${method} ${tunnel.target("/x")} HTTP/1.1`, "Host: x", tunnel.authorization, "", "");
      await visitor.untilText("\r\n\r\n");
      visitor.get(tunnel.target("/good"), tunnel.authorization);
      await visitor.untilText("good");
      expect(statuses(visitor)).toEqual([status, 200]);
      expect(visitor.text).not.toContain("evil");
    },
  );

  test.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])(
    "H12: that an agent sends with %s and %i is discarded, and the connection goes on",
    async (method, status) => {
      const { server, agent, target } = await startHome();
      const visitor = connect(server.port);
      const authorization = `Authorization: Bearer ${agent.clientToken}`;
      visitor.send(`${method} ${target("/x")} HTTP/1.1`, "Host: x", authorization, "", "");
      agent.reply(await agent.request(), { status, headers: { "content-length": "4" }, body: "evil" });
      await visitor.untilText("\r\n\r\n");
      visitor.get(target("/good"), authorization);
      agent.reply(await agent.request(), { body: "good" });
      await visitor.untilText("good");
      expect(statuses(visitor)).toEqual([status, 200]);
      expect(visitor.text).not.toContain("evil");
    },
  );

  test("H12: comes after a thousand informational responses as if there had been none", async () => {
    const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(500);
    const tunnel = await startRawTunnel(interim + GOOD);
    const answer = await tunnel.ask("/x");
    expect(answer.status).toBe(200);
    expect(answer.headers.link).toBeUndefined();
    expect(answer.body.toString()).toBe("good");
  });
});

describe("a request target", () => {
  test.each([
    "/a//b/../c/./d",
    "/%2e%2e/%2E%2E/a%2Fb",
    "/a;x=1;y/b,c",
    "/%00/%0d%0a/%ff%fe",
    "/sp%20ace/plus+sign/~user/!$&'()*",
    '/quote"and|pipe',
  ])("H16: has the path %s arrive byte for byte", async (path) => {
    const tunnel = await startRawTunnel(GOOD);
    const visitor = connect(tunnel.server.port);
    visitor.get(tunnel.target(path), tunnel.authorization);
    await visitor.untilText("good");
    expect(tunnel.origin.heads[0]).toMatch(/^GET (\S+)\?clientId=home HTTP\/1\.1\r\n/);
    expect(tunnel.origin.heads[0]?.split(" ")[1]).toBe(`${path}?clientId=home`);
  });

  test("H16: has its query decoded and encoded anew, of a repeated key the last value", async () => {
    const tunnel = await startRawTunnel(GOOD);
    const visitor = connect(tunnel.server.port);
    visitor.get(tunnel.target("/x?q=1&empty=&q=a+b&flag&sum=1%2B1&&n=%C3%A9"), tunnel.authorization);
    await visitor.untilText("good");
    expect(tunnel.origin.heads[0]?.split(" ")[1]).toBe(
      "/x?q=a+b&empty=&flag=&sum=1+1&n=%C3%A9&clientId=home",
    );
  });

  test("H16: has in its query what is no escape, and what is no UTF-8, arrive as plain text", async () => {
    const tunnel = await startRawTunnel(GOOD);
    const visitor = connect(tunnel.server.port);
    visitor.get(tunnel.target("/x?off=100%&q=%ff"), tunnel.authorization);
    await visitor.untilText("good");
    expect(tunnel.origin.heads[0]?.split(" ")[1]).toBe("/x?off=100%25&q=%25ff&clientId=home");
  });
});

describe("a range", () => {
  test.each([
    ["bytes=0-3", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/9\r\n", 206],
    ["bytes=-4", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-8/9\r\n", 206],
    [
      "bytes=0-0, 8-8",
      "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\n",
      206,
    ],
    ["bytes=99-", "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */9\r\n", 416],
    ["cats=1-2", "HTTP/1.1 200 OK\r\nAccept-Ranges: none\r\n", 200],
  ])("H18: %s passes through, and so does what the origin makes of it", async (range, head, status) => {
    const tunnel = await startRawTunnel(`${head}Content-Length: 4\r\n\r\nabcd`);
    const answer = await tunnel.ask("/x", { headers: { range, "accept-encoding": "gzip, br" } });
    expect(tunnel.origin.heads[0]).toContain(`\r\nrange: ${range}\r\n`);
    expect(answer.status).toBe(status);
    expect(answer.rawHeaders.slice(0, 2)).toEqual((head.split("\r\n")[1] ?? "").split(": "));
    expect(answer.body.toString()).toBe("abcd");
  });

  test("H18: with If-Range, which the protocol cannot carry, is not asked for, so that no part of another version comes", async () => {
    const tunnel = await startRawTunnel(GOOD);
    const answer = await tunnel.ask("/x", { headers: { range: "bytes=0-1", "if-range": '"old"' } });
    expect(tunnel.origin.heads[0]).not.toMatch(/range/i);
    expect(answer.status).toBe(200);
    expect(answer.body.toString()).toBe("good");
  });

  test("H18: given twice is a clear 400", async () => {
    const tunnel = await startRawTunnel(GOOD);
    const visitor = connect(tunnel.server.port);
    visitor.get(tunnel.target("/x"), tunnel.authorization, "Range: bytes=0-1", "Range: bytes=2-3");
    await visitor.untilText('"code":"bad_request"');
    expect(tunnel.origin.heads).toEqual([]);
  });

  test("H18: of ten thousand pieces is more head than the server takes", async () => {
    const tunnel = await startRawTunnel(GOOD);
    const range = `bytes=${Array.from({ length: 10_000 }, (_, index) => `${index}-${index}`).join()}`;
    expect((await tunnel.ask("/x", { headers: { range } })).status).toBe(431);
    expect(tunnel.origin.heads).toEqual([]);
    await tunnel.expectGood();
  });
});

describe("an upload", () => {
  const upload = JSON.stringify("x".repeat(3 * MIB));

  test.each([401, 413])(
    "H20: that the origin refuses with %i before it has read it brings that answer",
    async (status) => {
      const tunnel = await startRawTunnel((socket) => {
        socket.pause();
        socket.end(`HTTP/1.1 ${status} No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno`);
      });
      const answer = await tunnel.ask("/x", { method: "POST", body: upload });
      expect(answer.status).toBe(status);
      expect(answer.body.toString()).toBe("no");
      await tunnel.expectGood();
    },
  );

  test("H20: beyond the limit gets its 413 while the visitor is still sending", async () => {
    const tunnel = await startTunnel((_request, response) => response.end());
    const visitor = connect(tunnel.server.port);
    const head = [
      `POST ${tunnel.target("/x")} HTTP/1.1`,
      "Host: x",
      `Authorization: Bearer ${tunnel.clientToken}`,
    ];
    visitor.send(...head, `Content-Length: ${64 * MIB}`, "", "");
    visitor.socket.write(Buffer.alloc(16 * MIB, 0x20));
    await visitor.untilText('"code":"limit_request_body"');
    expect(statuses(visitor)).toEqual([413]);
    expect(tunnel.origin.requests).toEqual([]);
    expect(await tunnel.server.status()).toMatchObject({ exchanges: 0, heldBytes: 0 });
  });
});
