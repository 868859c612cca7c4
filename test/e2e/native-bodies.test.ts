/** Bodies of responses, trailers of both, and the order of answers, byte by byte at both ends, through each protocol. */
import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { bodyOf, HOST, headOf, isOverHop, settled, startPassage, without } from "../helpers/passage.ts";
import { statuses } from "../helpers/raw-http.ts";
import { startTunnel } from "../helpers/tunnel.ts";
import { open } from "../helpers/visitor.ts";

const MIB = 1024 * 1024;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("trailers", () => {
  const SENT = [
    "X-Sum: 1",
    "Host: evil.test",
    "x-Sum: 2",
    "Authorization: Bearer evil",
    "Set-Cookie: evil=1",
    "Content-Type: text/evil",
    "Connection: close",
    "X-Name: caf\xe9",
  ];
  const PASSED = "X-Sum: 1\r\nx-Sum: 2\r\nX-Name: caf\xe9\r\n\r\n";

  test("H13: of a request arrive once and in order, those about framing and rights do not", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("POST /x HTTP/1.1", HOST, "Trailer: X-Sum", "Transfer-Encoding: chunked", "", "");
    visitor.send("4", "body", "0", ...SENT, "", "");
    const call = await home.call();
    await call.untilText("0\r\n");
    await call.untilText("caf\xe9\r\n\r\n");
    expect(call.body).toBe(`4\r\nbody\r\n0\r\n${PASSED}`);
  });

  test("H13: with another length are no end of a body", async () => {
    const { home, visit, settled } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "4", "body", "");
    await visitor.untilText("body");
    call.send("0", "Content-Length: 9", "", "");
    await visitor.untilEnded();
    expect(bodyOf(visitor.text)).toBe("4\r\nbody\r\n");
    const uploader = visit();
    uploader.send("POST /x HTTP/1.1", HOST, "Transfer-Encoding: chunked", "", "");
    uploader.send("4", "body", "0", "Content-Length: 9", "", "");
    await uploader.untilEnded();
    expect(statuses(uploader)).toEqual([400]);
    await settled();
  });

  test("H13: of a response arrive once and in order, those about framing and rights do not", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "TE: trailers", "", "");
    const call = await home.call();
    call.send("HTTP/1.1 200 OK", "Trailer: X-Sum", "Transfer-Encoding: chunked", "Connection: close", "", "");
    call.send("4", "body", "0", "Transfer-Encoding: chunked", ...SENT, "", "");
    await visitor.untilText("caf\xe9\r\n\r\n");
    expect(headOf(visitor.text)).toContain("Trailer: X-Sum");
    expect(bodyOf(visitor.text)).toBe(`4\r\nbody\r\n0\r\n${PASSED}`);
  });

  test("H13: of a response have no place behind a declared length or in HTTP/1.0", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.0", HOST, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Connection: close", "", "");
    call.send("4", "body", "0", "X-Sum: 1", "", "");
    await visitor.untilEnded();
    expect(bodyOf(visitor.text)).toBe("body");
  });

  test("H13: are dropped by the MoosicBox protocol", async () => {
    const { home, visit } = await startPassage("moosicbox");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Connection: close", "", "");
    call.send("4", "body", "0", "X-Sum: 1", "", "");
    await visitor.untilText("body");
    visitor.send("GET /next HTTP/1.1", HOST, "", "");
    (await home.call()).answer("200 OK", [], "next");
    await visitor.untilText("\r\n\r\nnext");
    expect(visitor.text).not.toContain("X-Sum");
  });
});

describe("a response body", () => {
  test("H11: that the home breaks off before anything went out is 502 origin_broken", async () => {
    // For this long the agent keeps back what has come: on a busy machine the end may be a while behind it.
    const limits = { packetFillMs: 60_000 };
    const { home, visit } = await startPassage("native", { agent: { limits } });
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 200 OK", "Content-Length: 70000", "", "half");
    call.socket.end();
    await visitor.untilText('"code":');
    expect(statuses(visitor)).toEqual([502]);
    expect(visitor.text).toContain('"code":"origin_broken"');
  });

  test.each([
    ["fewer bytes than it declared", ["Content-Length: 70000"], "half"],
    ["a chunk that breaks off", ["Transfer-Encoding: chunked"], "1000\r\nhalf"],
    ["chunks without an end", ["Transfer-Encoding: chunked"], "4\r\nhalf\r\n"],
  ])("H11: never ends cleanly when the home sends %s", async (_what, framing, body) => {
    const { home, visit, settled } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 200 OK", ...framing, "", body);
    await visitor.untilText("half");
    call.socket.end();
    await visitor.untilEnded();
    expect(visitor.text).not.toContain("\r\n0\r\n");
    expect(bodyOf(visitor.text).length).toBeLessThan(100);
    await settled();
  });

  test("H22: of 16 MiB arrives byte-exact, eight at a time, and a visitor who reads nothing holds a window", async () => {
    const song = randomBytes(16 * MIB);
    // Otherwise it grows, to what depends on how fast the machine is and how much its kernel takes.
    const windowBytesMax = 2 * MIB;
    const tunnel = await startTunnel((_request, response) => response.end(song), {
      server: { limits: { windowBytesMax } },
      agent: { protocol: "native" },
    });
    const headers = { authorization: `Bearer ${tunnel.clientToken}` };
    const stalled = await open(tunnel.server.url + tunnel.target("/stalled"), { headers });
    const answers = await Promise.all(Array.from({ length: 8 }, () => tunnel.ask("/song")));
    for (const answer of answers) expect(sha256(answer.body)).toBe(sha256(song));
    expect((await tunnel.server.status()).heldBytes).toBeLessThanOrEqual(windowBytesMax);
    const pieces: Buffer[] = [];
    for await (const piece of stalled) pieces.push(piece);
    expect(sha256(Buffer.concat(pieces))).toBe(sha256(song));
    await settled(tunnel.server);
  });

  test("H26: that is compressed by the home stays as it is, and none is compressed by the server", async () => {
    const { home, visit } = await startPassage("native");
    for (const headers of [["Content-Encoding: gzip"], ["Content-Type: text/html"]]) {
      const visitor = visit();
      visitor.send("GET /x HTTP/1.1", HOST, "Accept-Encoding: gzip, br", "", "");
      const call = await home.call();
      expect(call.head).toContain("Accept-Encoding: gzip, br");
      call.answer("200 OK", headers, "\x1f\x8b bytes of the home ".repeat(1_000));
      await visitor.until(() => bodyOf(visitor.text).length === 21_000);
      expect(headOf(visitor.text).slice(0, 3)).toEqual([
        "HTTP/1.1 200 OK",
        ...headers,
        "Content-Length: 21000",
      ]);
    }
  });
});

describe("a blocking response", () => {
  test("H11: is gathered and sent whole with its length, and its home never hears of that", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "culvert-response: blocking", "", "");
    const call = await home.call();
    expect(call.head.join()).not.toMatch(/culvert/i);
    call.send("HTTP/1.1 200 OK", "X-A: 1", "x-a: 2", "Connection: close", "", "half ");
    call.send("and half");
    call.socket.end();
    await visitor.untilText("half and half");
    expect(without(headOf(visitor.text), "date", "connection", "keep-alive")).toEqual([
      "HTTP/1.1 200 OK",
      "X-A: 1",
      "x-a: 2",
      "content-length: 13",
    ]);
  });

  test("H11: that breaks off is an error and no part of it", async () => {
    const { home, visit, settled } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "culvert-response: blocking", "", "");
    const call = await home.call();
    const bytes = 512 * 1024;
    call.send("HTTP/1.1 200 OK", `Content-Length: ${bytes + 1}`, "Connection: close", "", "x".repeat(bytes));
    call.socket.end();
    // Another node tells of it as it tells of any answer: by an end in the middle.
    await visitor.untilText(`"code":"${isOverHop ? "peer_lost" : "agent_gave_up"}"`);
    expect(statuses(visitor)).toEqual([502]);
    expect(visitor.text).not.toContain("xxxx");
    await settled();
  });
});

describe("pipelined requests", () => {
  test.each(["native", "moosicbox"] as const)(
    "H19: slow, fast and malformed are answered in order through the %s protocol",
    async (protocol) => {
      const { home, visit } = await startPassage(protocol);
      const visitor = visit();
      visitor.send(
        ...["GET /slow HTTP/1.1", HOST, "", "HEAD /head HTTP/1.1", HOST, ""],
        ...["GET /fast HTTP/1.1", HOST, "", "GET /\0 HTTP/1.1", HOST, "", ""],
      );
      const calls = [await home.call(), await home.call(), await home.call()];
      const of = (path: string) => calls.find((call) => call.head[0]?.includes(path));
      of("/fast")?.answer("200 OK", ["X-For: fast"], "fast");
      of("/head")?.answer("200 OK", ["X-For: head"], "");
      of("/slow")?.answer("200 OK", ["X-For: slow"], "slow");
      await visitor.untilEnded();
      expect(statuses(visitor)).toEqual([200, 200, 200, 400]);
      expect(visitor.text).toMatch(
        /X-For: slow[\s\S]*\r\n\r\nslowHTTP[\s\S]*X-For: head[\s\S]*\r\n\r\nHTTP[\s\S]*\r\n\r\nfastHTTP/,
      );
    },
  );
});
