/** What the native protocol makes of agents that break its rules, and of ends that cross. */
import { once } from "node:events";
import net from "node:net";
import { describe, expect, test } from "vitest";
import { startOrigin } from "../helpers/origin.ts";
import { DOMAIN, settled } from "../helpers/passage.ts";
import { connect } from "../helpers/raw-http.ts";
import { startAgent, startServer, startTunnel, visitorsOf } from "../helpers/tunnel.ts";
import { ask, problemCode } from "../helpers/visitor.ts";
import {
  creditEntry,
  FLAG,
  KIND,
  responseHead,
  WireAgent,
  type WireFrame,
  wireFrame,
} from "../helpers/wire-agent.ts";

const KIB = 1024;

/** Two homes that a test plays, open to everybody. */
async function startHomes() {
  const server = await startServer({ flags: [`--domain=${DOMAIN}`] });
  const agent = await WireAgent.connect(server);
  const other = await WireAgent.connect(server, "other");
  return {
    server,
    agent,
    other,
    ask: (clientId = "home") => ask(server.url, { headers: { host: `${clientId}.${DOMAIN}` } }),
    visit: (clientId = "home") => {
      const visitor = connect(server.port);
      visitor.send("GET /x HTTP/1.1", `Host: ${clientId}.${DOMAIN}`, "", "");
      return visitor;
    },
  };
}

type Homes = Awaited<ReturnType<typeof startHomes>>;

/** The agent's tunnel is closed as one that broke the protocol; the other home does not notice. */
async function expectViolation({ server, agent, other, ask }: Homes): Promise<void> {
  expect((await agent.closed).code).toBe(1002);
  expect(await server.status()).toMatchObject({ tunnels: 1, sessions: 1 });
  expect((await server.status()).agentProtocolErrors).toBeGreaterThanOrEqual(1);
  const asked = ask("other");
  other.reply(await other.request(), "unharmed");
  expect((await asked).body.toString()).toBe("unharmed");
  await settled(server);
}

describe("a frame", () => {
  test.each<[string, Buffer | string]>([
    ["of an unknown kind", wireFrame({ kind: 77 })],
    ["with unknown flags", wireFrame({ kind: KIND.piece, flags: 0x80, exchange: 1 })],
    ["that is shorter than its header", Buffer.from([KIND.ping, 0, 0])],
    [
      "whose section is longer than it",
      wireFrame({
        kind: KIND.piece,
        flags: FLAG.head,
        exchange: 1,
        payload: Buffer.from([255, 255, 255, 255, 1]),
      }),
    ],
    ["without a number that has one", wireFrame({ kind: KIND.ping, number: 1, payload: Buffer.alloc(8) })],
    ["that is a text", "{}"],
    [
      "that says hello again",
      wireFrame({ kind: KIND.hello, payload: Buffer.from('{"window":1,"ticket":null}') }),
    ],
    ["of the MoosicBox protocol", Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 2, 123, 125])],
  ])("T06: %s ends its session alone", async (_what, bytes) => {
    const homes = await startHomes();
    const asked = homes.ask();
    await homes.agent.request();
    homes.agent.socket.send(bytes);
    expect(problemCode(await asked)).toBe("agent_lost");
    await expectViolation(homes);
  });

  test.each<[string, (exchange: number) => Partial<WireFrame> & Pick<WireFrame, "kind">]>([
    [
      "with a number that leaves a gap",
      (exchange) => ({ kind: KIND.piece, flags: FLAG.head, exchange, number: 1, payload: responseHead(200) }),
    ],
    [
      "that acknowledges what was never sent",
      (exchange) => ({ kind: KIND.credit, payload: creditEntry(exchange, 99, 0) }),
    ],
    ["that is an empty piece", (exchange) => ({ kind: KIND.piece, exchange })],
  ])("T08: %s ends its session alone", async (_what, frameOf) => {
    const homes = await startHomes();
    const asked = homes.ask();
    homes.agent.send(frameOf(await homes.agent.request()));
    const answer = await asked;
    expect(answer.status).toBe(502);
    expect(["agent_lost", "agent_protocol"]).toContain(problemCode(answer));
    if (problemCode(answer) === "agent_lost") await expectViolation(homes);
  });

  test("T08: about another home's exchange never reaches its visitor", async () => {
    const homes = await startHomes();
    const asked = homes.ask("other");
    const exchange = await homes.other.request();
    homes.agent.reply(exchange, "forged");
    homes.agent.send({ kind: KIND.reset, exchange, payload: Buffer.from("forged") });
    homes.agent.send({ kind: KIND.credit, payload: creditEntry(exchange, 1, 2 ** 40) });
    await homes.agent.heard();
    homes.other.reply(exchange, "its own");
    expect((await asked).body.toString()).toBe("its own");
    await settled(homes.server);
  });

  test("T08: about an exchange that is over, or never was, changes nothing", async () => {
    const { server, agent, ask } = await startHomes();
    agent.reply(2 ** 48 - 1, "never asked for");
    const first = ask();
    const exchange = await agent.request();
    agent.reply(exchange, "once");
    expect((await first).body.toString()).toBe("once");
    agent.reply(exchange, "twice");
    agent.send({ kind: KIND.piece, flags: FLAG.last, exchange, number: 1 });
    agent.send({ kind: KIND.reset, exchange, number: 2, payload: Buffer.from("late") });
    agent.send({ kind: KIND.credit, payload: creditEntry(exchange, 1, 2 ** 40) });
    await agent.heard();
    const next = ask();
    agent.reply(await agent.request(), "next");
    expect((await next).body.toString()).toBe("next");
    await settled(server);
  });
});

describe("credit", () => {
  test("T09: that is exceeded ends the session alone", async () => {
    const homes = await startHomes();
    const visitor = homes.visit();
    visitor.socket.pause();
    const exchange = await homes.agent.request();
    const { agent } = homes;
    agent.send({ kind: KIND.piece, flags: FLAG.head, exchange, payload: responseHead(200) });
    // The first window is 256 KiB, and nobody takes so much of it that more would be given.
    const payload = Buffer.alloc(64 * KIB);
    for (let number = 1; number <= 300; number++) agent.send({ kind: KIND.piece, exchange, number, payload });
    await agent.closed;
    visitor.socket.resume();
    await visitor.untilEnded();
    expect(visitor.text).not.toContain("\r\n0\r\n");
    await expectViolation(homes);
  });

  test("T09: of zero, less than before, or very much breaks nothing", async () => {
    const { server, agent, ask } = await startHomes();
    const asked = ask();
    const exchange = await agent.request();
    for (const limit of [0, 1, 2 ** 31, 0, 2 ** 48 - 1]) {
      agent.send({ kind: KIND.credit, payload: creditEntry(exchange, 0, limit) });
    }
    agent.reply(exchange, "fine");
    expect((await asked).body.toString()).toBe("fine");
    await settled(server);
  });

  test("T09: is all that a visitor's upload can use of a home that gives no more", async () => {
    const { server, agent } = await startHomes();
    const visitor = connect(server.port);
    visitor.send("POST /x HTTP/1.1", `Host: home.${DOMAIN}`, `Content-Length: ${16 * 1024 * KIB}`, "", "");
    visitor.socket.write(Buffer.alloc(16 * 1024 * KIB));
    const exchange = await agent.request();
    const sent = () => {
      const pieces = agent.frames.filter(
        ({ kind, flags }) => kind === KIND.piece && (flags & FLAG.head) === 0,
      );
      return pieces.reduce((sum, { payload }) => sum + payload.length, 0);
    };
    await expect.poll(sent).toBe(64 * KIB);
    await agent.heard();
    expect(sent()).toBe(64 * KIB);
    const { sessionBytes } = await server.status();
    expect(sessionBytes).toBeLessThan(1024 * KIB);
    agent.reply(exchange, "enough");
    await visitor.untilText("enough");
    await settled(server);
  });
});

describe("ends that cross", () => {
  test("T24: a visitor who leaves while the last frame is on its way frees everything once", async () => {
    const { server, agent, ask, visit } = await startHomes();
    for (let round = 0; round < 20; round++) {
      const visitor = visit();
      const exchange = await agent.request();
      agent.send({ kind: KIND.piece, flags: FLAG.head, exchange, payload: responseHead(200) });
      await visitor.untilText("\r\n\r\n");
      visitor.leave();
      // In each other round the last frame may win.
      if (round % 2 === 0) await agent.frame(KIND.reset, exchange);
      // What was on its way when the reset came, an end, and a reset of its own.
      agent.send({ kind: KIND.piece, exchange, number: 1, payload: Buffer.from("late") });
      agent.send({ kind: KIND.piece, flags: FLAG.last, exchange, number: 2 });
      agent.send({ kind: KIND.reset, exchange, number: 3, payload: Buffer.from("agent_gave_up") });
    }
    await agent.heard();
    const asked = ask();
    agent.reply(await agent.request(), "next");
    expect((await asked).body.toString()).toBe("next");
    await settled(server);
    expect((await server.status()).outcomes.visitor_left).toBeGreaterThanOrEqual(10);
  });

  test("T24: a reset by the agent, twice, and data behind it cut the response once", async () => {
    const { server, agent, visit } = await startHomes();
    const visitor = visit();
    const exchange = await agent.request();
    const payload = Buffer.concat([responseHead(200), Buffer.from("half")]);
    agent.send({ kind: KIND.piece, flags: FLAG.head, exchange, payload });
    await visitor.untilText("half");
    agent.send({ kind: KIND.reset, exchange, number: 1, payload: Buffer.from("agent_gave_up") });
    agent.send({ kind: KIND.reset, exchange, number: 1, payload: Buffer.from("agent_gave_up") });
    agent.send({ kind: KIND.piece, flags: FLAG.last, exchange, number: 2, payload: Buffer.from("rest") });
    await visitor.untilEnded();
    expect(visitor.text).toMatch(/half\r\n$/);
    await agent.heard();
    await settled(server);
    expect((await server.status()).outcomes).toMatchObject({ agent_gave_up: 1 });
  });

  test("T10: three thousand visitors who ask and leave cost the home a bounded number of calls, and others nothing", async () => {
    let running = 0;
    let most = 0;
    let calls = 0;
    const tunnel = await startTunnel(
      (_request, response) => {
        calls++;
        running++;
        most = Math.max(most, running);
        response.once("close", () => running--);
      },
      {
        server: { limits: { tunnelExchangesMax: 50 } },
        agent: { protocol: "native", limits: { exchangesMax: 50, abortsPerSecondMax: 20 } },
      },
    );
    const neighbour = await startOrigin((_request, response) => response.end("unharmed"));
    await startAgent(tunnel.server, neighbour.url, { clientId: "other", protocol: "native" });
    const other = visitorsOf(tunnel.server, "other", await tunnel.server.register("other"));
    const head = [
      `GET ${tunnel.target("/x")} HTTP/1.1`,
      "Host: x",
      `Authorization: Bearer ${tunnel.clientToken}`,
    ];
    const startMs = performance.now();
    let left = 3_000;
    let answers = 0;
    let isOver = false;
    const visitors = Array.from({ length: 100 }, async () => {
      while (left-- > 0 || answers <= 10) {
        const socket = net.connect(tunnel.server.port, "127.0.0.1");
        socket.write(`${head.join("\r\n")}\r\n\r\n`, () => socket.destroy());
        await once(socket, "close");
      }
    });
    void Promise.all(visitors).then(() => {
      isOver = true;
    });
    while (!isOver) {
      expect((await other.ask("/x")).body.toString()).toBe("unharmed");
      answers++;
    }
    expect(answers).toBeGreaterThan(10);
    await settled(tunnel.server);
    await expect.poll(() => running).toBe(0);
    // Each half second lets through what may run at once, and what fills the other half of the limit.
    expect(calls).toBeLessThan(60 * (3 + (performance.now() - startMs) / 500));
    // What was cancelled may be noticed at the home's service a moment later.
    expect(most).toBeLessThan(200);
  });
});
