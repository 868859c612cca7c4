/** The three flows of DESIGN.md over real sockets, with Culvert's agent and with one as MoosicBox deploys it. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { describe, expect, test } from "vitest";
import { RawClient } from "../adapters/raw-client.ts";
import { MoosicBoxAgent, startHome } from "../helpers/moosicbox-agent.ts";
import { startOrigin } from "../helpers/origin.ts";
import { packetText } from "../helpers/packet-bytes.ts";
import { startAgent, startServer, startTunnel, temporaryFolder, visitorsOf } from "../helpers/tunnel.ts";
import { open, problemCode, read } from "../helpers/visitor.ts";

const MIB = 1024 * 1024;
const BLOCKING = { "culvert-response": "blocking" };

/** What an agent of MoosicBox puts into a packet beside its header. */
const PACKET_BYTES = 65_536 - 13;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("connection", () => {
  test("an agent registers, connects, and its home is found by client id", async () => {
    const tunnel = await startTunnel((_request, response) => response.end("at home"));
    const answer = await tunnel.ask("/hello/world?a=1&b=x%20y");
    expect(answer.body.toString()).toBe("at home");
    expect(tunnel.origin.requests).toEqual(["GET /hello/world?a=1&b=x%20y&clientId=home"]);
    expect(await tunnel.server.status()).toMatchObject({ tunnels: 1, exchanges: 0 });
  });

  test("a client id without a tunnel gets 424", async () => {
    const server = await startServer();
    const away = visitorsOf(server, "away", await server.register("away"));
    const answer = await away.ask("/x");
    expect(answer.status).toBe(424);
    expect(problemCode(answer)).toBe("agent_not_connected");
  });

  test("the newest tunnel takes over: the older is told superseded, and its end does not touch the newer", async () => {
    const { server, agent: older, clientToken, ask } = await startHome();
    const lost = ask("/asked-of-the-older");
    await older.request();
    const newer = await MoosicBoxAgent.connect(server, "home", clientToken);
    expect(await older.closed).toEqual({ code: 4001, reason: "superseded" });
    expect(problemCode(await lost)).toBe("agent_lost");
    await server.log.line("tunnel ended", { cause: "superseded" });
    const found = ask("/asked-of-the-newer");
    newer.reply(await newer.request(), { body: "newer" });
    expect((await found).body.toString()).toBe("newer");
    expect(older.frames.filter((frame) => frame.type === "HTTP")).toHaveLength(1);
  });

  test("T04: a request that comes while the agent is away for a moment waits for it, and is asked once", async () => {
    const { server, agent: first, clientToken, ask } = await startHome();
    first.kill();
    await server.log.line("tunnel ended");
    const asked = ask("/x");
    await expect.poll(async () => (await server.status()).waiting).toBe(1);
    const second = await MoosicBoxAgent.connect(server, "home", clientToken);
    second.reply(await second.request(), { body: "back again" });
    expect((await asked).body.toString()).toBe("back again");
    expect(second.frames).toHaveLength(1);
  });

  test("Culvert's own agent gives way to a newer one and stays away", async () => {
    const stateFile = join(temporaryFolder(), "agent.json");
    const tunnel = await startTunnel((_request, response) => response.end("older"), { agent: { stateFile } });
    const origin = await startOrigin((_request, response) => response.end("newer"));
    await startAgent(tunnel.server, origin.url, { stateFile });
    const line = await tunnel.agent.log.line("trying again", {
      cause: "another agent runs with this client id",
    });
    expect(line.inMs).toBeGreaterThanOrEqual(15_000);
    expect((await tunnel.ask("/x")).body.toString()).toBe("newer");
  });
});

describe("a streamed response", () => {
  test("reaches the visitor piece by piece, as the origin makes it", async () => {
    const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
    const tunnel = await startTunnel(async (_request, response) => {
      response.write("first ");
      await goOn;
      response.end("second");
    });
    const response = await open(tunnel.server.url + tunnel.target("/song"), {
      headers: { authorization: `Bearer ${tunnel.clientToken}` },
    });
    const [first] = await once(response, "data");
    expect(first.toString()).toBe("first ");
    const rest = read(response);
    release();
    const answer = await rest;
    expect(answer.body.toString()).toBe("second");
    expect(answer.isWhole).toBe(true);
  });

  test("of eight megabytes arrives byte-exact, on eight connections at a time", async () => {
    const song = randomBytes(8 * MIB);
    const tunnel = await startTunnel((_request, response) => response.end(song));
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => tunnel.ask(`/song?n=${index}`)),
    );
    for (const answer of answers) {
      expect(answer.isWhole).toBe(true);
      expect(sha256(answer.body)).toBe(sha256(song));
    }
  });

  test("is put in order when its short last packet overtakes packet 1 over the wire", async () => {
    const { agent, ask } = await startHome();
    const song = randomBytes(20 * PACKET_BYTES + 77);
    const asked = ask("/song");
    const packets = agent.packets(
      await agent.request(),
      { status: 206, headers: { "Content-Type": "audio/flac", "X-Odd-Case": "kept" }, body: song },
      PACKET_BYTES,
    );
    const last = packets.pop();
    if (last === undefined) throw new Error("a body has a last packet");
    for (const packet of [last, ...packets]) agent.send(packet);
    const answer = await asked;
    expect(answer.status).toBe(206);
    expect(answer.rawHeaders).toContain("X-Odd-Case");
    expect(answer.isWhole).toBe(true);
    expect(sha256(answer.body)).toBe(sha256(song));
  });

  test("may come in text packets and binary ones, backwards and repeated", async () => {
    const { server, agent, ask } = await startHome();
    const song = randomBytes(40_000);
    const asked = ask("/song");
    const packets = agent.packets(await agent.request(), { body: song }, 1_000).toReversed();
    for (const [index, packet] of packets.entries()) {
      if (index % 2 === 0) agent.send(packet);
      else agent.sendText(packetText(packet));
      if (index < 10) agent.send(packet);
    }
    const answer = await asked;
    expect(sha256(answer.body)).toBe(sha256(song));
    expect(await server.status()).toMatchObject({ duplicatePackets: 10, strayPackets: 0, heldBytes: 0 });
  });

  test("T01: that loses its tunnel has no last chunk, so that nobody takes a part for the whole", async () => {
    const { server, agent, target, clientToken } = await startHome();
    const visitor = new RawClient(server.port);
    visitor.get(target("/song"), `Authorization: Bearer ${clientToken}`);
    const { request_id } = await agent.request();
    agent.send({ requestId: request_id, packetId: 1, status: 200, headers: {}, body: "half" });
    await visitor.untilText("half");
    agent.kill();
    await visitor.untilEnded();
    expect(visitor.text).toMatch(/transfer-encoding: chunked/i);
    expect(visitor.text).toMatch(/4\r\nhalf\r\n$/);
  });

  test("T01: that loses its tunnel is shorter than its content-length", async () => {
    const { agent, ask } = await startHome();
    const asked = ask("/song");
    const { request_id } = await agent.request();
    const headers = { "content-length": "8" };
    agent.send({ requestId: request_id, packetId: 1, status: 200, headers, body: "half" });
    await agent.heard();
    agent.kill();
    const answer = await asked;
    expect(answer.headers["content-length"]).toBe("8");
    expect(answer.body.toString()).toBe("half");
    expect(answer.isWhole).toBe(false);
  });

  test("that loses its tunnel before its head is a 502", async () => {
    const { agent, ask } = await startHome();
    const asked = ask("/song");
    const { request_id } = await agent.request();
    // Packet 2 alone is nothing that could be shown to a visitor.
    agent.send({ requestId: request_id, packetId: 2, body: "half" });
    await agent.heard();
    agent.kill();
    const answer = await asked;
    expect(answer.status).toBe(502);
    expect(problemCode(answer)).toBe("agent_lost");
  });

  test("is compressed where the visitor takes that, and each event is out before the next is made", async () => {
    const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
    const tunnel = await startTunnel(async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: first\n\n");
      await goOn;
      response.end("data: second\n\n");
    });
    const response = await open(tunnel.server.url + tunnel.target("/events"), {
      headers: { authorization: `Bearer ${tunnel.clientToken}`, "accept-encoding": "gzip" },
    });
    expect(response.headers["content-encoding"]).toBe("gzip");
    const text = response.pipe(createGunzip()).setEncoding("utf8");
    expect(await once(text, "data")).toEqual(["data: first\n\n"]);
    release();
    expect(await once(text, "data")).toEqual(["data: second\n\n"]);
    await once(text, "end");
  });
});

describe("a blocking response", () => {
  test("is gathered and sent whole, with the length that the origin did not tell", async () => {
    const song = randomBytes(MIB);
    const tunnel = await startTunnel((_request, response) => {
      response.write(song.subarray(0, 1_000));
      response.end(song.subarray(1_000));
    });
    const answer = await tunnel.ask("/song", { headers: BLOCKING });
    expect(answer.headers["content-length"]).toBe(String(MIB));
    expect(answer.headers["transfer-encoding"]).toBeUndefined();
    expect(sha256(answer.body)).toBe(sha256(song));
  });

  test("is an error status and no part of the body where the tunnel is lost half-way", async () => {
    const { agent, ask } = await startHome();
    const asked = ask("/song", { headers: BLOCKING });
    const { request_id } = await agent.request();
    agent.send({ requestId: request_id, packetId: 1, status: 200, headers: {}, body: "half" });
    await agent.heard();
    agent.kill();
    const answer = await asked;
    expect(answer.status).toBe(502);
    expect(problemCode(answer)).toBe("agent_lost");
    expect(answer.isWhole).toBe(true);
  });

  test("is an error status and no part of the body where the origin breaks off", async () => {
    const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
    const tunnel = await startTunnel(async (_request, response) => {
      response.write("half");
      await goOn;
      response.destroy();
    });
    const asked = tunnel.ask("/song", { headers: BLOCKING });
    await tunnel.origin.asked(1);
    release();
    const answer = await asked;
    expect(answer.status).toBe(502);
    expect(["agent_gave_up", "origin_broken"]).toContain(problemCode(answer));
  });

  test("beyond the response buffer is 502 limit_response_buffer, and the agent is told to stop", async () => {
    const server = await startServer({ limits: { responseBufferBytesMax: 1_000 } });
    const agent = await MoosicBoxAgent.connect(server);
    const asked = visitorsOf(server, "home", agent.clientToken).ask("/song", { headers: BLOCKING });
    const { request_id } = await agent.request();
    agent.send({ requestId: request_id, packetId: 1, body: randomBytes(1_000) });
    agent.send({ requestId: request_id, packetId: 2, body: "x" });
    await agent.aborted(request_id);
    expect(problemCode(await asked)).toBe("limit_response_buffer");
  });
});

describe("a visitor who leaves", () => {
  test.each(["before the head", "inside the body"])(
    "H21: %s has the origin's call cancelled within a second",
    async (phase) => {
      const cancelled = Promise.withResolvers<number>();
      const tunnel = await startTunnel((_request, response) => {
        response.once("close", () => cancelled.resolve(performance.now()));
        if (phase === "inside the body") response.write("half");
      });
      const visitor = new RawClient(tunnel.server.port);
      visitor.get(tunnel.target("/song"), `Authorization: Bearer ${tunnel.clientToken}`);
      if (phase === "inside the body") await visitor.untilText("half");
      else await tunnel.origin.asked(1);
      const leftMs = performance.now();
      visitor.leave();
      expect((await cancelled.promise) - leftMs).toBeLessThan(1_000);
      await tunnel.server.log.line("exchange ended", { outcome: "visitor_left" });
      expect(await tunnel.server.status()).toMatchObject({ exchanges: 0, heldBytes: 0, abortsSent: 1 });
    },
  );

  test("H21: inside his upload leaves no trace at the home, which was not asked yet", async () => {
    const { server, agent, target, clientToken, ask } = await startHome();
    const visitor = new RawClient(server.port);
    const head = [`POST ${target("/upload")} HTTP/1.1`, "Host: x", `Authorization: Bearer ${clientToken}`];
    visitor.send(...head, "Content-Length: 100", "Expect: 100-continue", "", "");
    await visitor.untilText("100 Continue");
    visitor.send('{"half":');
    visitor.leave();
    await server.log.line("exchange ended", { outcome: "visitor_left" });
    const asked = ask("/next");
    const next = await agent.request();
    expect(next.path).toBe("next");
    agent.reply(next);
    await asked;
    expect(agent.frames).toHaveLength(1);
    expect(await server.status()).toMatchObject({ exchanges: 0, heldBytes: 0 });
  });

  test("H21: right after the last byte costs no abort, for there is nothing left to stop", async () => {
    const { server, agent, target, clientToken } = await startHome();
    const visitor = new RawClient(server.port);
    visitor.get(target("/song"), `Authorization: Bearer ${clientToken}`);
    agent.reply(await agent.request(), { body: "all of it" });
    await visitor.untilText("all of it");
    visitor.leave();
    await server.log.line("exchange ended", { outcome: "completed" });
    await agent.heard();
    expect(agent.frames).toHaveLength(1);
  });
});
