/** Heads of requests, line by line at both ends, through each protocol. */
import { describe, expect, test } from "vitest";
import { FORWARDED, HOST, headOf, startPassage } from "../helpers/passage.ts";
import { statuses } from "../helpers/raw-http.ts";

describe("the headers of a request", () => {
  const sent = [
    HOST,
    "X-Odd-CASE: 1",
    "Cookie: a=1",
    "accept: text/plain",
    "x-twice: first",
    "X-Between: caf\xe9, \xff",
    "X-Twice: second",
    "cookie: b=2",
    "User-Agent: by hand",
    "Authorization: Bearer of-the-home",
    "Range: bytes=0-3",
    "Connection: X-Of-This-Hop, close",
    "X-Of-This-Hop: 1",
    "Keep-Alive: timeout=5",
    "TE: trailers",
    "Proxy-Connection: keep-alive",
    "X-Empty:",
  ];

  test("H14: arrive in order, with duplicates and odd casing, through the native protocol", async () => {
    const { home, homeHost, visit } = await startPassage("native");
    visit().send("GET /x?a=1 HTTP/1.1", ...sent, "", "");
    const { head } = await home.call();
    expect(head).toEqual([
      "GET /x?a=1 HTTP/1.1",
      `Host: ${homeHost}`,
      ...sent.slice(1, 11),
      "X-Empty: ",
      ...FORWARDED,
      "Connection: keep-alive",
    ]);
  });

  test("H14: other than accept and range are no part of the MoosicBox protocol", async () => {
    const { home, homeHost, visit } = await startPassage("moosicbox");
    visit().send("GET /x?a=1 HTTP/1.1", ...sent, "", "");
    const { head } = await home.call();
    expect(head).toEqual([
      "GET /x?a=1 HTTP/1.1",
      `Host: ${homeHost}`,
      // By that a MoosicBox home tells visitors of the tunnel from those of its own network.
      "user-agent: MOOSICBOX_TUNNEL",
      "accept: text/plain",
      "range: bytes=0-3",
      "Connection: keep-alive",
    ]);
  });

  test("H08: cannot be used to strip what the server adds or the home needs", async () => {
    const { home, visit } = await startPassage("native");
    visit().send(
      "GET /x HTTP/1.1",
      HOST,
      "Connection: X-Forwarded-For, Forwarded, Authorization, Cookie, X-Mine",
      "Authorization: Bearer of-the-home",
      "Cookie: a=1",
      "X-Mine: 1",
      "",
      "",
    );
    const { head } = await home.call();
    expect(head.slice(2)).toEqual([
      "Authorization: Bearer of-the-home",
      "Cookie: a=1",
      ...FORWARDED,
      "Connection: keep-alive",
    ]);
  });

  const STORY = [
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: music.example",
    "Forwarded: for=198.51.100.1",
    "X-Real-IP: 192.0.2.7",
  ];

  test("H09: about who asks are the server's own, whatever a visitor claims", async () => {
    const { home, visit } = await startPassage("native");
    visit().send("GET /x HTTP/1.1", HOST, ...STORY, "Via: 1.1 somewhere", "", "");
    const { head } = await home.call();
    expect(head.slice(2)).toEqual(["Via: 1.1 somewhere", ...FORWARDED, "Connection: keep-alive"]);
  });

  test("H09: about who asks are taken over from a trusted proxy, which is not added to them", async () => {
    const { home, visit } = await startPassage("native", {
      server: { flags: ["--trusted-proxy=127.0.0.0/8"] },
    });
    visit().send("GET /x HTTP/1.1", HOST, ...STORY, "", "");
    const { head } = await home.call();
    expect(head.slice(2)).toEqual([
      "X-Real-IP: 192.0.2.7",
      "X-Forwarded-For: 192.0.2.7",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Host: music.example",
      "Forwarded: for=192.0.2.7;proto=https;host=music.example",
      "Connection: keep-alive",
    ]);
  });

  test("H15: may be fifteen hundred, and none is dropped or joined", async () => {
    const { home, homeHost, visit } = await startPassage("native");
    const many = Array.from({ length: 1_500 }, (_, index) => `n${index % 7}: ${index}`);
    visit().send("GET /x HTTP/1.1", HOST, ...many, "", "");
    const { head } = await home.call();
    expect(head.slice(1)).toEqual([`Host: ${homeHost}`, ...many, ...FORWARDED, "Connection: keep-alive"]);
  });
});

describe.each(["moosicbox", "native"] as const)(
  "the head of a request, through the %s protocol,",
  (protocol) => {
    test.each([
      ["a block of 17 KiB", "GET /x HTTP/1.1", [`X-Long: ${"x".repeat(17 * 1024)}`]],
      ["four thousand fields", "GET /x HTTP/1.1", Array.from({ length: 4_000 }, (_, index) => `n: ${index}`)],
      ["a line of 64 KiB", `GET /${"x".repeat(64 * 1024)} HTTP/1.1`, []],
      [
        "a block of 17 KiB in an upgrade",
        "GET /x HTTP/1.1",
        ["Connection: Upgrade", "Upgrade: websocket", `X-Long: ${"x".repeat(17 * 1024)}`],
      ],
    ])(
      "H15: beyond the limit gets 431, such as %s, and the next request is served",
      async (_what, line, fields) => {
        const { home, visit } = await startPassage(protocol);
        const visitor = visit();
        visitor.send(line, HOST, ...fields, "", "");
        await visitor.untilEnded();
        expect(statuses(visitor)).toEqual([431]);
        const next = visit();
        next.send("GET /next HTTP/1.1", HOST, "", "");
        const call = await home.call();
        expect(call.head[0]).toBe("GET /next HTTP/1.1");
        call.answer("200 OK", [], "served");
        await next.untilText("served");
      },
    );
  },
);

describe("a request target", () => {
  const targets = [
    "/a//b/../c/./d",
    "/%2e%2e/%2E%2E/a%2Fb",
    "/a;x=1;y/b,c",
    "/%00/%0d%0a/%ff%fe",
    "/sp%20ace/plus+sign/~user/!$&'()*",
    '/quote"and|pipe',
    "/x?q=1&empty=&q=a+b&flag&sum=1%2B1&&n=%C3%A9",
    "/x?",
    "//not-a-host/x",
    "/x?q=%ff&clientId=other&signature=of-the-home",
  ];

  test.each(targets)("H16: %s arrives byte for byte through the native protocol", async (target) => {
    const { home, visit } = await startPassage("native");
    visit().send(`GET ${target} HTTP/1.1`, HOST, "", "");
    expect((await home.call()).head[0]).toBe(`GET ${target} HTTP/1.1`);
  });

  test("H16: in absolute form names the home by its own host, and goes nowhere but to it", async () => {
    const { home, homeHost, visit } = await startPassage("native");
    visit().send("GET http://home.tunnel.test:81/a//b?c HTTP/1.1", "Host: elsewhere.test", "", "");
    expect((await home.call()).head.slice(0, 2)).toEqual(["GET /a//b?c HTTP/1.1", `Host: ${homeHost}`]);
  });

  test("H16: has its query encoded anew by the MoosicBox protocol, its path is byte-identical", async () => {
    const { home, visit } = await startPassage("moosicbox");
    visit().send("GET /a//b/%2e%2e/%ff?q=1&empty=&q=a+b&flag HTTP/1.1", HOST, "", "");
    expect((await home.call()).head[0]).toBe("GET /a//b/%2e%2e/%ff?q=a+b&empty=&flag= HTTP/1.1");
  });
});

describe("a method", () => {
  test.each(["TRACE", "PROPFIND", "DELETE", "M-SEARCH", "QUERY", "OPTIONS"])(
    "H17: %s arrives at the home",
    async (method) => {
      const { home, visit } = await startPassage("native");
      const visitor = visit();
      visitor.send(`${method} /x HTTP/1.1`, HOST, "", "");
      const call = await home.call();
      expect(call.head[0]).toBe(`${method} /x HTTP/1.1`);
      call.answer("200 OK", [], "served");
      await visitor.untilText("served");
    },
  );

  test("H17: OPTIONS about the whole server is asked of the home as such", async () => {
    const { home, visit } = await startPassage("native");
    visit().send("OPTIONS * HTTP/1.1", HOST, "", "");
    expect((await home.call()).head[0]).toBe("OPTIONS * HTTP/1.1");
  });

  test("H17: a preflight is the home's to answer", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send(
      "OPTIONS /x HTTP/1.1",
      HOST,
      "Origin: https://music.example",
      "Access-Control-Request-Method: PUT",
      "",
      "",
    );
    const call = await home.call();
    expect(call.head).toContain("Access-Control-Request-Method: PUT");
    call.answer("204 No Content", ["Access-Control-Allow-Origin: https://music.example"]);
    await visitor.untilText("\r\n\r\n");
    expect(headOf(visitor.text).slice(0, 2)).toEqual([
      "HTTP/1.1 204 No Content",
      "Access-Control-Allow-Origin: https://music.example",
    ]);
  });

  test.each([
    ["CONNECT", "CONNECT home.tunnel.test:443", 405],
    ["in lower case", "get /x", 400],
    ["of forty letters", `${"X".repeat(40)} /x`, 400],
  ])("H17: %s is refused", async (_what, line, status) => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send(`${line} HTTP/1.1`, HOST, "Connection: close", "", "");
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([status]);
    expect(home.calls).toEqual([]);
  });
});
