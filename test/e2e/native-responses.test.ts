/** Heads of responses, line by line at both ends, through each protocol. */
import { describe, expect, test } from "vitest";
import { bodyOf, HOST, headOf, startPassage, without } from "../helpers/passage.ts";
import { statuses } from "../helpers/raw-http.ts";

describe("the headers of a response", () => {
  const said = [
    "X-Odd-CASE: 1",
    "Set-Cookie: one=1; Path=/",
    "link: </a>; rel=preload",
    "Set-Cookie: two=2",
    "x-between: caf\xe9 \xff",
    "Link: </b>; rel=preload",
    'WWW-Authenticate: Basic realm="a"',
    "set-cookie: three=3",
    "LINK: </c>; rel=preload",
    "WWW-Authenticate: Bearer",
    "Set-Cookie: four=4",
    "Date: Mon, 01 Jan 2024 00:00:00 GMT",
    "Server: by hand",
    "Set-Cookie: five=5",
    "X-Unknown: 1",
    "X-Unknown: 1",
  ];

  test("H14: arrive in order, with five Set-Cookie and all other duplicates, through the native protocol", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    const call = await home.call();
    call.answer(
      "401 Unauthorized",
      [...said, "Keep-Alive: timeout=5", "Connection: X-Hop", "X-Hop: 1"],
      "body",
    );
    await visitor.untilText("\r\n\r\nbody");
    expect(headOf(visitor.text)).toEqual([
      "HTTP/1.1 401 Unauthorized",
      ...said,
      "Content-Length: 4",
      "Connection: keep-alive",
      "Keep-Alive: timeout=75",
    ]);
  });

  test("H14: are joined by the MoosicBox protocol, which has place for one Set-Cookie", async () => {
    const { home, visit } = await startPassage("moosicbox");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    (await home.call()).answer("401 Unauthorized", without(said, "set-cookie"), "body");
    await visitor.untilText("\r\n\r\nbody");
    expect(without(headOf(visitor.text), "connection", "keep-alive")).toEqual([
      "HTTP/1.1 401 Unauthorized",
      "X-Odd-CASE: 1",
      "link: </a>; rel=preload, </b>; rel=preload, </c>; rel=preload",
      "x-between: caf\xe9 \xff",
      'WWW-Authenticate: Basic realm="a", Bearer',
      "Date: Mon, 01 Jan 2024 00:00:00 GMT",
      "Server: by hand",
      "X-Unknown: 1, 1",
      "content-length: 4",
    ]);
  });

  test("H15: may be fifteen hundred, and none is dropped or joined", async () => {
    const { home, visit } = await startPassage("native");
    const many = Array.from({ length: 1_500 }, (_, index) => `n${index % 7}: ${index}`);
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    (await home.call()).answer("200 OK", many, "body");
    await visitor.untilText("\r\n\r\nbody");
    expect(headOf(visitor.text).slice(1, 1_501)).toEqual(many);
  });

  test("H10: that no HTTP can carry are a 502, and nothing of them is written", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    (await home.call()).answer("200 OK", ["X-A: b\0evil"], "evil");
    await visitor.untilText('"code":"origin_malformed"');
    expect(visitor.text).not.toContain("evil");
  });
});

describe("a range", () => {
  test.each([
    ["bytes=0-3", "206 Partial Content", "Content-Range: bytes 0-3/9"],
    ["bytes=-4", "206 Partial Content", "Content-Range: bytes 5-8/9"],
    ["bytes=0-0, 8-8", "206 Partial Content", "Content-Type: multipart/byteranges; boundary=x"],
    ["bytes=99-", "416 Range Not Satisfiable", "Content-Range: bytes */9"],
    ["cats=1-2", "200 OK", "Accept-Ranges: none"],
  ])("H18: %s passes untouched, and so does what the home makes of it", async (range, status, field) => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    const asked = [`Range: ${range}`, 'If-Range: "v1"', "Accept-Encoding: gzip, br"];
    visitor.send("GET /song HTTP/1.1", HOST, ...asked, "", "");
    const call = await home.call();
    expect(call.head.slice(2, 5)).toEqual(asked);
    call.answer(status, [field, 'ETag: "v2"'], "abcd");
    await visitor.untilText("\r\n\r\nabcd");
    expect(headOf(visitor.text).slice(0, 4)).toEqual([
      `HTTP/1.1 ${status}`,
      field,
      'ETag: "v2"',
      "Content-Length: 4",
    ]);
  });

  test("H18: given twice arrives twice", async () => {
    const { home, visit } = await startPassage("native");
    visit().send("GET /x HTTP/1.1", HOST, "Range: bytes=0-1", "range: bytes=2-3", "", "");
    expect((await home.call()).head.slice(2, 4)).toEqual(["Range: bytes=0-1", "range: bytes=2-3"]);
  });

  test("H18: of ten thousand pieces is more head than the server takes", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    const pieces = Array.from({ length: 10_000 }, (_, index) => `${index}-${index}`);
    visitor.send("GET /x HTTP/1.1", HOST, `Range: bytes=${pieces.join()}`, "", "");
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([431]);
    expect(home.calls).toEqual([]);
  });
});

describe("a response without a body", () => {
  test.each([
    ["HEAD", "200 OK", "Content-Length: 4"],
    ["GET", "204 No Content", null],
    ["GET", "304 Not Modified", "Content-Length: 4"],
  ])(
    "H12: to %s with %s has none though the home sends one, and the connection goes on",
    async (method, status, length) => {
      const { home, visit } = await startPassage("native");
      const visitor = visit();
      visitor.send(`${method} /x HTTP/1.1`, HOST, "", "");
      (await home.call()).answer(status, ['ETag: "v"'], "evil");
      await visitor.untilText("\r\n\r\n");
      expect(without(headOf(visitor.text), "connection", "keep-alive", "date")).toEqual([
        `HTTP/1.1 ${status}`,
        'ETag: "v"',
        ...(length === null ? [] : [length]),
      ]);
      visitor.send("GET /next HTTP/1.1", HOST, "", "");
      (await home.call()).answer("200 OK", [], "good");
      await visitor.untilText("\r\n\r\ngood");
      expect(bodyOf(visitor.text)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(visitor.text).not.toContain("evil");
    },
  );
});

describe("interim responses", () => {
  test("H12: pass in order ahead of the final one, through the native protocol", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 103 Early Hints", "Link: </a>", "link: </b>", "", "");
    // It is out before there is anything else.
    await visitor.untilText("\r\n\r\n");
    call.send("HTTP/1.1 102 Processing", "", "");
    call.answer("200 OK", [], "body");
    await visitor.untilText("\r\n\r\nbody");
    expect(visitor.text).toMatch(
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\nlink: <\/b>\r\n\r\nHTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
    );
  });

  test("H12: of which an endless row comes are passed on to a bound", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    const call = await home.call();
    const row = ["HTTP/1.1 100 Continue", "", "HTTP/1.1 103 Early Hints", "Link: </a>", "", ""];
    for (let count = 0; count < 1_000; count++) call.send(...row);
    call.answer("200 OK", [], "body");
    await visitor.untilText("\r\n\r\nbody");
    const got = statuses(visitor);
    expect(got.at(-1)).toBe(200);
    expect(got.length).toBeLessThanOrEqual(17);
    expect(got.slice(0, -1).every((status) => status === 103)).toBe(true);
  });

  test("H12: are no part of the MoosicBox protocol", async () => {
    const { home, visit } = await startPassage("moosicbox");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 103 Early Hints", "Link: </a>", "", "");
    call.answer("200 OK", [], "body");
    await visitor.untilText("\r\n\r\nbody");
    expect(statuses(visitor)).toEqual([200]);
  });
});
