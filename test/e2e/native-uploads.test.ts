/** Uploads: their framing, their pace, and answers that do not wait for them, byte by byte at both ends. */
import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { MoosicBoxAgent } from "../helpers/moosicbox-agent.ts";
import { bodyOf, FORWARDED, HOST, headOf, settled, startPassage, without } from "../helpers/passage.ts";
import { connect, statuses } from "../helpers/raw-http.ts";
import { startServer, startTunnel } from "../helpers/tunnel.ts";
import { problemCode } from "../helpers/visitor.ts";

const MIB = 1024 * 1024;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("a request body", () => {
  test("H20: of any type arrives with its length, piece by piece as the visitor sends it", async () => {
    const { home, homeHost, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send(
      "PUT /song HTTP/1.1",
      HOST,
      "Content-Type: audio/flac",
      "content-LENGTH: 8",
      "",
      "\0\x01\xff\xfe",
    );
    const call = await home.call();
    await call.until(() => call.body.length === 4);
    expect(call.head).toEqual([
      "PUT /song HTTP/1.1",
      `Host: ${homeHost}`,
      "Content-Type: audio/flac",
      ...FORWARDED,
      "Content-Length: 8",
      "Connection: keep-alive",
    ]);
    visitor.send("rest");
    await call.until(() => call.body.length === 8);
    expect(call.body).toBe("\0\x01\xff\xferest");
    call.answer("201 Created", [], "kept");
    await visitor.untilText("\r\n\r\nkept");
  });

  test("H20: without a length arrives in chunks", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("POST /x HTTP/1.1", HOST, "Transfer-Encoding: chunked", "", "");
    visitor.send("4;with=extension", "half", "");
    const call = await home.call();
    await call.untilText("4\r\nhalf\r\n");
    visitor.send("5", " done", "0", "", "");
    await call.untilText("0\r\n\r\n");
    expect(call.head.slice(-2)).toEqual(["Transfer-Encoding: chunked", "Connection: keep-alive"]);
    expect(call.body).toBe("4\r\nhalf\r\n5\r\n done\r\n0\r\n\r\n");
  });

  test("H20: that is no JSON is refused by the MoosicBox protocol, and one that is arrives whole", async () => {
    const { home, visit } = await startPassage("moosicbox");
    const refused = visit();
    refused.send("PUT /song HTTP/1.1", HOST, "Content-Length: 4", "", "\0\x01\xff\xfe");
    await refused.untilText('"code":"not_json"');
    const visitor = visit();
    visitor.send("PUT /song HTTP/1.1", HOST, "Content-Length: 9", "", '{"a": 1} ');
    const call = await home.call();
    await call.untilText('{"a": 1}');
    expect(call.head).toContain("Content-Length: 8");
    expect(call.head).toContain("content-type: application/json");
    expect(home.calls).toHaveLength(1);
  });

  test("H24: may take longer than every deadline as long as it moves", async () => {
    const limits = { exchangeIdleMs: 1_000, agentNoticeMs: 0, continueMs: 50 };
    const { home, visit } = await startPassage("native", {
      server: { limits },
    });
    const visitor = visit();
    visitor.send("POST /x HTTP/1.1", HOST, "Content-Length: 25", "", "");
    const call = await home.call();
    const sentMs = performance.now();
    // Each byte follows what the home has read, and a pause that is well below the deadlines.
    for (let count = 1; count <= 25; count++) {
      visitor.send("x");
      await call.until(() => call.body.length === count);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect(performance.now() - sentMs).toBeGreaterThan(1_000);
    call.answer("200 OK", [], "thanks");
    await visitor.untilText("\r\n\r\nthanks");
  });

  test("H24: that stops moving gets 408, and the home sees that it broke off", async () => {
    const { home, visit, settled } = await startPassage("native", {
      server: { limits: { exchangeIdleMs: 200 } },
    });
    const visitor = visit();
    visitor.send("POST /x HTTP/1.1", HOST, "Content-Length: 20", "", "half");
    const call = await home.call();
    await call.untilText("half");
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([408]);
    await call.untilEnded();
    expect(call.body).toBe("half");
    await settled();
  });

  test("H24: of 64 MiB arrives byte-exact", async () => {
    const upload = randomBytes(64 * MIB);
    const hash = createHash("sha256");
    const tunnel = await startTunnel(
      (request, response) => {
        request.on("data", (piece: Buffer) => hash.update(piece));
        request.on("end", () => response.end(hash.digest("hex")));
      },
      { agent: { protocol: "native" } },
    );
    const answer = await tunnel.ask("/x", { method: "PUT", body: upload });
    expect(answer.body.toString()).toBe(sha256(upload));
    expect(tunnel.origin.requests).toHaveLength(1);
    await settled(tunnel.server);
  });

  test("H24: of more than 4 MiB is beyond what the MoosicBox protocol takes", async () => {
    const tunnel = await startTunnel((_request, response) => response.end());
    const body = JSON.stringify("x".repeat(5 * MIB));
    const answer = await tunnel.ask("/x", { method: "PUT", body });
    expect(answer.status).toBe(413);
    expect(problemCode(answer)).toBe("limit_request_body");
  });

  test("T11: that the home does not read stops the visitor, while others upload and download", async () => {
    const { server, home, visit, settled } = await startPassage("native");
    const stalled = visit();
    stalled.send("POST /stalled HTTP/1.1", HOST, "Transfer-Encoding: chunked", "", "");
    const deaf = await home.call();
    deaf.socket.pause();
    let bytes = 0;
    // How much it takes until the visitor cannot send on is the kernel's affair, whose buffers stand between them.
    do {
      stalled.socket.write(`${(16 * MIB).toString(16)}\r\n`);
      stalled.socket.write(Buffer.alloc(16 * MIB));
      stalled.socket.write("\r\n");
      bytes += 16 * MIB;
      for (let count = 0; count < 20; count++) {
        const visitor = visit();
        visitor.send("POST /other HTTP/1.1", HOST, "Content-Length: 4", "", "ping");
        const call = await home.call();
        await call.untilText("ping");
        call.answer("200 OK", [], "pong");
        await visitor.untilText("\r\n\r\npong");
      }
      const { sessionBytes, heldBytes } = await server.status();
      // The window, what is queued before it, and one read.
      expect(sessionBytes + heldBytes).toBeLessThan(2 * MIB);
    } while (stalled.socket.writableLength === 0);
    stalled.send("0", "", "");
    deaf.socket.resume();
    await deaf.until(() => deaf.bytes > bytes);
    deaf.answer("200 OK", [], "all of it");
    await stalled.untilText("\r\n\r\nall of it");
    await settled();
  });
});

describe("a request that waits for 100 Continue", () => {
  const EXPECTS = ["PUT /x HTTP/1.1", HOST, "Content-Length: 4", "Expect: 100-continue", "", ""];

  test("H06: is asked for its body when the home asks for it, and not before", async () => {
    const { home, visit } = await startPassage("native", { server: { limits: { continueMs: 60_000 } } });
    const visitor = visit();
    visitor.send(...EXPECTS);
    const call = await home.call();
    expect(call.head).toContain("Expect: 100-continue");
    expect(visitor.text).toBe("");
    call.send("HTTP/1.1 100 Continue", "", "");
    await visitor.untilText("HTTP/1.1 100 Continue\r\n\r\n");
    visitor.send("body");
    await call.until(() => call.body === "body");
    call.answer("200 OK", [], "done");
    await visitor.untilText("\r\n\r\ndone");
    expect(statuses(visitor)).toEqual([100, 200]);
  });

  test("H06: gets the refusal of a home that wants no body, and sends none", async () => {
    const { home, visit, settled } = await startPassage("native", {
      server: { limits: { continueMs: 60_000 } },
    });
    const visitor = visit();
    visitor.send(...EXPECTS);
    const call = await home.call();
    call.answer("403 Forbidden", ["X-Why: no"], "not here");
    await visitor.untilText("not here");
    expect(statuses(visitor)).toEqual([403]);
    expect(headOf(visitor.text)).toContain("X-Why: no");
    expect(call.body).toBe("");
    await visitor.untilEnded();
    await settled();
  });

  test("H06: is asked for its body after a while where the home says nothing", async () => {
    const { home, visit } = await startPassage("native", { server: { limits: { continueMs: 50 } } });
    const visitor = visit();
    visitor.send(...EXPECTS);
    const call = await home.call();
    await visitor.untilText("HTTP/1.1 100 Continue\r\n\r\n");
    visitor.send("body");
    await call.until(() => call.body === "body");
    call.answer("200 OK", [], "done");
    await visitor.untilText("\r\n\r\ndone");
  });

  test("H06: for something else gets 417", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("PUT /x HTTP/1.1", HOST, "Content-Length: 4", "Expect: a-miracle", "", "");
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([417]);
    expect(home.calls).toEqual([]);
  });

  test("H06: is asked for its body by the server itself with the MoosicBox protocol", async () => {
    const { home, visit } = await startPassage("moosicbox");
    const visitor = visit();
    visitor.send(...EXPECTS);
    await visitor.untilText("HTTP/1.1 100 Continue\r\n\r\n");
    visitor.send("1234");
    const call = await home.call();
    await call.untilText("1234");
    expect(call.head.join()).not.toMatch(/expect/i);
  });
});

describe("an answer before the upload is finished", () => {
  test.each(["413 Content Too Large", "401 Unauthorized"])(
    "H20: of %s reaches the visitor whole, and the upload stops",
    async (status) => {
      const { home, visit, settled } = await startPassage("native");
      const visitor = visit();
      visitor.send("POST /x HTTP/1.1", HOST, `Content-Length: ${256 * MIB}`, "", "");
      const call = await home.call();
      visitor.socket.write(Buffer.alloc(4 * MIB));
      await call.until(() => call.bytes > 1_000);
      call.socket.pause();
      call.answer(status, ["X-Why: too much"], "no more");
      await visitor.untilText("\r\n\r\nno more");
      expect(without(headOf(visitor.text), "keep-alive", "date")).toEqual([
        `HTTP/1.1 ${status.replace("Content", "Payload")}`,
        "X-Why: too much",
        "Content-Length: 7",
        "connection: close",
      ]);
      // He reads that although he goes on to send.
      visitor.send("more");
      await visitor.untilEnded();
      expect(visitor.ending).toBe("end");
      await settled();
    },
  );

  test("H20: that goes on while the upload does is passed on as it comes", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("POST /echo HTTP/1.1", HOST, "Transfer-Encoding: chunked", "", "");
    const call = await home.call();
    call.send("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Connection: close", "", "");
    await visitor.untilText("\r\n\r\n");
    for (const word of ["one", "two", "six"]) {
      visitor.send("3", word, "");
      await call.untilText(word);
      call.send("3", word, "");
      await visitor.untilText(word);
    }
    visitor.send("0", "", "");
    await call.untilText("0\r\n\r\n");
    call.send("0", "", "");
    await visitor.untilText("0\r\n\r\n");
    expect(bodyOf(visitor.text)).toBe("3\r\none\r\n3\r\ntwo\r\n3\r\nsix\r\n0\r\n\r\n");
  });
});

test("H20: a MoosicBox agent's home at its own name takes what that protocol carries", async () => {
  const server = await startServer({ flags: ["--domain=tunnel.test", "--path-routing=on"] });
  const agent = await MoosicBoxAgent.connect(server);
  const visitor = connect(server.port);
  const authorization = `Authorization: Bearer ${agent.clientToken}`;
  visitor.send("POST /a?b=c HTTP/1.1", HOST, authorization, "Content-Length: 2", "", "{}");
  const request = await agent.request();
  expect(request).toMatchObject({ method: "POST", path: "a", query: { b: "c" }, payload: {} });
  agent.reply(request, { body: "by host" });
  await visitor.untilText("by host");
});
