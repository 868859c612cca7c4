/** Agents that break the tunnel protocol or RFC 6455: what they break is theirs alone, and the server goes on. */
import { describe, expect, test } from "vitest";
import { MoosicBoxAgent } from "../helpers/moosicbox-agent.ts";
import { packetBytes } from "../helpers/packet-bytes.ts";
import { connect } from "../helpers/raw-http.ts";
import { closePayload, connectRaw, frameBytes, OPCODE } from "../helpers/raw-websocket.ts";
import { type ServerOptions, startServer, visitorsOf } from "../helpers/tunnel.ts";
import { problemCode } from "../helpers/visitor.ts";

/** A server with a home that a test breaks, and another one, which must not notice. */
async function startHomes(options: ServerOptions = {}) {
  const server = await startServer(options);
  const agent = await MoosicBoxAgent.connect(server, "home");
  const other = await MoosicBoxAgent.connect(server, "other");
  const otherVisitors = visitorsOf(server, "other", other.clientToken);
  return {
    server,
    agent,
    other,
    otherVisitors,
    ...visitorsOf(server, "home", agent.clientToken),
    async expectOtherServes(): Promise<void> {
      const asked = otherVisitors.ask("/pulse");
      other.reply(await other.request(), { body: "pulse" });
      expect((await asked).body.toString()).toBe("pulse");
    },
  };
}

/** A server with one good home, for a test that brings a tunnel of its own. */
async function startHome(options: ServerOptions = {}) {
  const { server, expectOtherServes } = await startHomes(options);
  return { server, expectOtherServes };
}

describe("a packet", () => {
  const GOOD = { packetId: 1, status: 200, headers: { a: "b" }, body: "evil" };

  test.each([
    ["cut inside its headers", (bytes: Buffer) => bytes.subarray(0, 22)],
    ["cut inside its head", (bytes: Buffer) => bytes.subarray(0, 16)],
    ["whose length of headers lies", (bytes: Buffer) => withByte(bytes, 15, 0xff)],
    ["numbered 0", (bytes: Buffer) => withByte(bytes, 11, 0)],
    ["with a reserved bit beside its last flag", (bytes: Buffer) => withByte(bytes, 12, 3)],
    ["with the status 0", (bytes: Buffer) => withByte(withByte(bytes, 13, 0), 14, 0)],
    ["with an informational status", (bytes: Buffer) => withByte(withByte(bytes, 13, 0), 14, 103)],
    ["whose headers are no JSON", (bytes: Buffer) => withByte(bytes, 19, 0x5b)],
    ["whose headers are no UTF-8", (bytes: Buffer) => withByte(bytes, 21, 0xff)],
  ])("T06: %s ends its exchange alone", async (_what, breakIt) => {
    const homes = await startHomes();
    const broken = homes.ask("/broken");
    const { request_id } = await homes.agent.request();
    const alive = homes.ask("/alive");
    const request = await homes.agent.request();
    homes.agent.sendBytes(breakIt(Buffer.from(packetBytes({ requestId: request_id, ...GOOD }))));
    const answer = await broken;
    expect(answer.status).toBe(502);
    expect(problemCode(answer)).toBe("agent_protocol");
    await homes.agent.aborted(request_id);
    homes.agent.reply(request, { body: "alive" });
    expect((await alive).body.toString()).toBe("alive");
    await homes.expectOtherServes();
    expect(await homes.server.status()).toMatchObject({ tunnels: 2, exchanges: 0, heldBytes: 0 });
  });

  test("T06: too short to name an exchange is counted, and the tunnel lives", async () => {
    const homes = await startHomes();
    for (let length = 0; length < 13; length++) homes.agent.sendBytes(Buffer.alloc(length, 1));
    for (const text of [
      "",
      "hello",
      "{}",
      "[]",
      "TUNNEL_RESPONSE:",
      "TUNNEL_RESPONSE:x|1|1",
      '{"request_id":-1}',
    ]) {
      homes.agent.sendText(text);
    }
    await homes.agent.heard();
    const alive = homes.ask("/alive");
    homes.agent.reply(await homes.agent.request(), { body: "alive" });
    expect((await alive).body.toString()).toBe("alive");
    expect(await homes.server.status()).toMatchObject({ tunnels: 2, agentProtocolErrors: 20 });
  });

  test("T06: beyond the limit of a message closes its tunnel with 1009, and its exchanges fail", async () => {
    const homes = await startHomes({ limits: { tunnelMessageBytesMax: 100_000 } });
    const lost = homes.ask("/lost");
    const { request_id } = await homes.agent.request();
    homes.agent.send({ requestId: request_id, ...GOOD, body: Buffer.alloc(100_000) });
    expect((await homes.agent.closed).code).toBe(1009);
    expect(problemCode(await lost)).toBe("agent_lost");
    await homes.expectOtherServes();
  });

  test("T08: for an exchange of another home, an unknown, an ended or an unthinkable one reaches nobody", async () => {
    const homes = await startHomes();
    const asked = homes.otherVisitors.ask("/secret");
    const request = await homes.other.request();
    const ended = homes.ask("/ended");
    const endedRequest = await homes.agent.request();
    homes.agent.reply(endedRequest, { body: "ended" });
    await ended;
    const strays = [
      request.request_id,
      endedRequest.request_id,
      0,
      request.request_id + 1_000,
      2n ** 64n - 1n,
      // Rounded to a double, this is the other home's id.
      BigInt(request.request_id) + 2n ** 63n,
    ];
    for (const requestId of strays) {
      homes.agent.send({ requestId, packetId: 1, last: true, status: 200, headers: {}, body: "evil" });
      homes.agent.sendText(`TUNNEL_RESPONSE:${requestId}|1|1200{}ZXZpbA==`);
    }
    await homes.agent.aborted(request.request_id);
    await homes.agent.heard();
    homes.other.reply(request, { body: "secret" });
    expect((await asked).body.toString()).toBe("secret");
    expect(await homes.server.status()).toMatchObject({ strayPackets: 12, exchanges: 0, heldBytes: 0 });
    // Once per id and second, however much comes.
    const aborts = homes.agent.frames.filter((frame) => frame.type === "ABORT");
    expect(aborts).toHaveLength(strays.length);
  });

  test("T08: that claims to give up another home's exchange changes nothing", async () => {
    const homes = await startHomes();
    const asked = homes.otherVisitors.ask("/x");
    const request = await homes.other.request();
    homes.agent.sendText(`{"type":"ABORT","request_id":${request.request_id}}`);
    await homes.agent.heard();
    homes.other.reply(request, { body: "untouched" });
    expect((await asked).body.toString()).toBe("untouched");
  });
});

describe("an end from both sides at once", () => {
  test.each([1, 2])(
    "T24: the visitor leaves while the last packet is on its way, %i times: all is freed once",
    async (times) => {
      const homes = await startHomes();
      const visitor = connect(homes.server.port);
      visitor.get(homes.target("/x"), `Authorization: Bearer ${homes.agent.clientToken}`);
      const { request_id } = await homes.agent.request();
      homes.agent.send({ requestId: request_id, packetId: 1, status: 200, headers: {}, body: "half" });
      await visitor.untilText("half");
      homes.agent.send({ requestId: request_id, packetId: 3, body: "parked" });
      visitor.leave();
      await homes.agent.aborted(request_id);
      for (let sent = 0; sent < times; sent++) {
        homes.agent.send({ requestId: request_id, packetId: 2, last: true, body: "late" });
      }
      await homes.agent.heard();
      expect(homes.agent.aborts(request_id)).toHaveLength(1);
      expect(await homes.server.status()).toMatchObject({
        exchanges: 0,
        heldBytes: 0,
        strayPackets: times,
        outcomes: { visitor_left: 1 },
      });
      await homes.expectOtherServes();
    },
  );

  test("T24: the agent gives up twice and then sends the end: the visitor hears of the first", async () => {
    const homes = await startHomes();
    const asked = homes.ask("/x");
    const { request_id } = await homes.agent.request();
    const abort = `{"type":"ABORT","request_id":${request_id}}`;
    homes.agent.sendText(abort);
    homes.agent.sendText(abort);
    homes.agent.send({
      requestId: request_id,
      packetId: 1,
      last: true,
      status: 200,
      headers: {},
      body: "late",
    });
    const answer = await asked;
    expect(problemCode(answer)).toBe("agent_gave_up");
    await homes.agent.heard();
    expect(await homes.server.status()).toMatchObject({ exchanges: 0, outcomes: { agent_gave_up: 1 } });
  });

  test("T24: the last packet twice, and more behind it, ends the response once", async () => {
    const homes = await startHomes();
    const before = (await homes.server.status()).outcomes.completed ?? 0;
    const asked = homes.ask("/x");
    const { request_id } = await homes.agent.request();
    const last = { requestId: request_id, packetId: 1, last: true, status: 200, headers: {}, body: "once" };
    homes.agent.send(last);
    homes.agent.send(last);
    homes.agent.send({ requestId: request_id, packetId: 2, last: true, body: "twice" });
    expect((await asked).body.toString()).toBe("once");
    await homes.agent.heard();
    expect(await homes.server.status()).toMatchObject({
      exchanges: 0,
      strayPackets: 2,
      outcomes: { completed: before + 1 },
    });
  });
});

describe("an agent that stops reading", () => {
  test("T12: is dropped for its silence, and its exchanges end", async () => {
    // Longer than a busy machine keeps this process waiting, in which both ends live: the other home is not silent.
    const homes = await startHomes({ limits: { pingMs: 200, silenceMs: 3_000, waitMs: 100 } });
    const asked = homes.ask("/x");
    await homes.agent.request();
    homes.agent.socket.pause();
    expect(problemCode(await asked)).toBe("agent_lost");
    await homes.server.log.line("tunnel ended", { cause: "silent", clientId: "home" });
    expect(problemCode(await homes.ask("/next"))).toBe("agent_not_connected");
    await homes.expectOtherServes();
  });

  test("is given no more than its send buffer holds, and further visitors are told so", async () => {
    const homes = await startHomes({
      limits: { requestBodyBytesMax: 512 * 1024, tunnelSendBytesMax: 1024 * 1024 },
    });
    homes.agent.socket.pause();
    const body = JSON.stringify("x".repeat(500_000));
    // The kernel's buffers take the first ones, which then wait for their answer.
    const asked = Array.from({ length: 160 }, () => homes.ask("/x", { method: "POST", body }));
    expect(problemCode(await Promise.race(asked))).toBe("limit_slow_agent");
    await homes.expectOtherServes();
  });
});

describe("RFC 6455", () => {
  const TEXT = Buffer.from("hello");

  test.each([
    ["an unmasked frame", [frameBytes(OPCODE.binary, TEXT, { isMasked: false })], 1002],
    ["text that is no UTF-8", [frameBytes(OPCODE.text, Buffer.from([0xc3, 0x28]))], 1007],
    ["a reserved opcode", [frameBytes(3, TEXT)], 1002],
    ["a reserved control opcode", [frameBytes(11, TEXT)], 1002],
    ["a continuation of nothing", [frameBytes(OPCODE.continuation, TEXT)], 1002],
    [
      "a message inside a message",
      [frameBytes(OPCODE.text, TEXT, { fin: false }), frameBytes(OPCODE.text, TEXT)],
      1002,
    ],
    ["a control frame in pieces", [frameBytes(OPCODE.ping, TEXT, { fin: false })], 1002],
    ["a ping that is too long", [frameBytes(OPCODE.ping, Buffer.alloc(126))], 1002],
    ["close code 1005", [frameBytes(OPCODE.close, closePayload(1005))], 1002],
    ["close code 1006", [frameBytes(OPCODE.close, closePayload(1006))], 1002],
    ["close code 65535", [frameBytes(OPCODE.close, closePayload(65_535))], 1002],
    ["half a close code", [frameBytes(OPCODE.close, Buffer.from([3]))], 1002],
    ["a reason that is no UTF-8", [frameBytes(OPCODE.close, Buffer.from([3, 0xe8, 0xc3, 0x28]))], 1007],
  ])("T19: %s closes its own tunnel", async (_what, frames, code) => {
    const home = await startHome();
    const raw = await connectRaw(home.server, "raw");
    raw.send(...frames);
    expect(await raw.closeCode()).toBe(code);
    await home.server.log.line("tunnel ended", { clientId: "raw" });
    await home.expectOtherServes();
  });

  test("T19: a packet in three pieces with control frames between them is one packet", async () => {
    const { server } = await startHome();
    const raw = await connectRaw(server, "raw");
    const { ask } = visitorsOf(server, "raw", await server.register("raw"));
    const asked = ask("/x");
    await raw.untilText('"type":"HTTP"');
    const requestId = Number(/"request_id":(\d+)/.exec(raw.text)?.[1]);
    const packet = packetBytes({
      requestId,
      packetId: 1,
      last: true,
      status: 200,
      headers: {},
      body: "in three",
    });
    raw.send(
      frameBytes(OPCODE.binary, packet.subarray(0, 5), { fin: false }),
      frameBytes(OPCODE.ping, "are you there"),
      frameBytes(OPCODE.continuation, packet.subarray(5, 20), { fin: false }),
      frameBytes(OPCODE.pong, "unasked"),
      frameBytes(OPCODE.continuation, packet.subarray(20)),
    );
    expect((await asked).body.toString()).toBe("in three");
    await raw.untilText("are you there");
  });

  test("T20: an offer to compress is not taken", async () => {
    const { server } = await startHome();
    const raw = await connectRaw(
      server,
      "raw",
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    );
    expect(raw.handshake).toContain(" 101 ");
    expect(raw.handshake).not.toMatch(/extensions/i);
  });

  test("T20: a compressed message nevertheless closes its own tunnel, and nothing is inflated", async () => {
    const home = await startHome();
    const raw = await connectRaw(home.server, "raw", "Sec-WebSocket-Extensions: permessage-deflate");
    raw.send(frameBytes(OPCODE.binary, Buffer.alloc(1_000), { rsv1: true }));
    expect(await raw.closeCode()).toBe(1002);
    await home.expectOtherServes();
  });

  test("T20: the size of a message counts the sum of its pieces", async () => {
    const home = await startHome({ limits: { tunnelMessageBytesMax: 100_000 } });
    const raw = await connectRaw(home.server, "raw");
    const piece = Buffer.alloc(60_000);
    raw.send(
      frameBytes(OPCODE.binary, piece, { fin: false }),
      frameBytes(OPCODE.continuation, piece, { fin: false }),
    );
    expect(await raw.closeCode()).toBe(1009);
    await home.expectOtherServes();
  });
});

function withByte(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value;
  return bytes;
}
