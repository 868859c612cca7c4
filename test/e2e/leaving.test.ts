/** Visitors who leave in the middle of something: whatever it was, it is over at both ends, and is known for what it was. */
import net from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import type { AgentState } from "../../core/agent.ts";
import type { RawClient } from "../adapters/raw-client.ts";
import { startHome } from "../helpers/moosicbox-agent.ts";
import { portOf } from "../helpers/origin.ts";
import { connect } from "../helpers/raw-http.ts";
import { type Protocol, type Server, startAgent, startServer, visitorsOf } from "../helpers/tunnel.ts";
import { Watch } from "../helpers/watch.ts";

/** The agents' machines: nothing else shows what they still have of an exchange. */
const machines = vi.hoisted(() => ({ agents: [] as AgentState[] }));

vi.mock("../../core/agent.ts", async (importOriginal) => {
  const core = await importOriginal<typeof import("../../core/agent.ts")>();
  const createAgent: typeof core.createAgent = (config) => {
    const state = core.createAgent(config);
    machines.agents.push(state);
    return state;
  };
  return { ...core, createAgent };
});

const MIB = 1024 * 1024;
const LONG = 1024 * MIB;
const HANDSHAKE = [
  ...["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
const ACCEPTED =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

type Ask = (client: RawClient, target: string, token: string) => void;

/** What a visitor is in when he leaves: what he sends, and to which of the service's paths. */
const SITUATIONS: Readonly<Record<string, { readonly path: string; readonly ask: Ask }>> = {
  "a download that he does not read": { path: "/endless", ask: ask(["GET"], 0) },
  "an upload that the service does not read": {
    path: "/unread",
    ask: ask(["POST", `Content-Length: ${LONG}`], 16 * MIB),
  },
  "an upload half-way": { path: "/read", ask: ask(["POST", `Content-Length: ${LONG}`], MIB) },
  "an upload whose answer he does not read": {
    path: "/both",
    ask: ask(["POST", `Content-Length: ${LONG}`], 16 * MIB),
  },
  "a WebSocket that the service does not read": {
    path: "/socket",
    ask: ask(["GET", ...HANDSHAKE], 16 * MIB),
  },
};

function ask([method, ...headers]: readonly string[], bodyBytes: number): Ask {
  return (client, target, token) => {
    client.socket.pause();
    client.send(
      `${method} ${target} HTTP/1.1`,
      "Host: x",
      `Authorization: Bearer ${token}`,
      ...headers,
      "",
      "",
    );
    client.socket.write(Buffer.alloc(bodyBytes));
  };
}

const WAYS = {
  closes: (client: RawClient) => client.leave(),
  resets: (client: RawClient) => client.socket.resetAndDestroy(),
};

/** A MoosicBox home gets no request before all of its body has come, and no WebSocket. */
const OF_MOOSICBOX = ["a download that he does not read", "an upload half-way"];

const CASES = (["native", "moosicbox"] as const).flatMap((protocol) =>
  (protocol === "native" ? Object.keys(SITUATIONS) : OF_MOOSICBOX).flatMap((situation) =>
    (["closes", "resets"] as const).map((way) => ({ protocol, situation, way })),
  ),
);

test.each(CASES)(
  "a visitor of a $protocol home who $way in $situation leaves nothing behind",
  async ({ protocol, situation, way }) => {
    const home = await startService(protocol);
    const { path, ask } = SITUATIONS[situation] ?? expect.fail("there is no such situation");
    const visitors = Array.from({ length: 5 }, () => connect(home.server.port));
    for (const visitor of visitors) ask(visitor, home.target(path), home.token);
    if (protocol === "native" || path === "/endless") await home.asked(visitors.length);
    else await expect.poll(async () => (await home.server.status()).exchanges).toBe(visitors.length);
    for (const visitor of visitors) WAYS[way](visitor);
    await expectNothingLeft(home.server, visitors.length);
    await expect.poll(() => machines.agents.at(-1)?.exchanges.size).toBe(0);
    // The service has its own reasons not to see that it was left; looking, it does.
    home.readOn();
    await expect.poll(() => home.busy()).toBe(0);
  },
);

test.each(["closes", "resets"] as const)(
  "visitors who %s when their uploads have stood still for long leave nothing behind",
  async (way) => {
    const home = await startService("native");
    const visitors = Array.from({ length: 20 }, () => connect(home.server.port));
    for (const visitor of visitors) {
      ask(["POST", `Content-Length: ${LONG}`], 64 * MIB)(visitor, home.target("/unread"), home.token);
      visitor.socket.resume();
    }
    // More was on the way than is ever read ahead, and each has been looked for again and again.
    await Promise.all(visitors.map((visitor) => visitor.until(() => visitor.bytes >= 3)));
    for (const visitor of visitors) WAYS[way](visitor);
    await expectNothingLeft(home.server, visitors.length);
    await expect.poll(() => machines.agents.at(-1)?.exchanges.size).toBe(0);
    home.readOn();
    await expect.poll(() => home.busy()).toBe(0);
    expect(home.resets()).toBe(visitors.length);
  },
);

test.each(["closes", "resets"] as const)(
  "a visitor who %s with more pipelined than is read leaves nothing behind",
  async (way) => {
    const home = await startService("native");
    const visitor = connect(home.server.port);
    const head = `GET ${home.target("/read")} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${home.token}\r\n\r\n`;
    visitor.socket.write(head.repeat(10_000));
    await home.asked(16);
    WAYS[way](visitor);
    await expectNothingLeft(home.server, 16);
    await expect.poll(() => home.busy()).toBe(0);
  },
);

test.each(["closes", "resets"] as const)(
  "a visitor who %s while his request waits for its home leaves nothing behind",
  async (way) => {
    const { server, agent, target, clientToken } = await startHome();
    agent.kill();
    await expect.poll(async () => (await server.status()).tunnels).toBe(0);
    const visitor = connect(server.port);
    ask(["POST", `Content-Length: ${LONG}`], 16 * MIB)(visitor, target("/x"), clientToken);
    await expect.poll(async () => (await server.status()).waiting).toBe(1);
    WAYS[way](visitor);
    await expectNothingLeft(server, 1);
  },
);

test("a storm of visitors who leave is over when they have left, and keeps nobody out", async () => {
  const home = await startService("native");
  const situations = Object.values(SITUATIONS);
  const lane = async (first: number) => {
    for (let index = first; index < first + 15; index++) {
      const visitor = connect(home.server.port);
      const { path, ask } = situations[index % situations.length] ?? expect.fail("there are no situations");
      ask(visitor, home.target(path), home.token);
      // Some leave before the service can have heard of them.
      if (index % 3 > 0) await home.visit("/small");
      WAYS[index % 2 === 0 ? "closes" : "resets"](visitor);
    }
  };
  await Promise.all(Array.from({ length: 12 }, (_, index) => lane(index)));
  await expect.poll(async () => (await home.server.status()).exchanges).toBe(0);
  await expect.poll(() => machines.agents.at(-1)?.exchanges.size).toBe(0);
  const { outcomes } = await home.server.status();
  expect(Object.keys(outcomes).toSorted()).toEqual(["completed", "visitor_left"]);
  const answer = await home.visit("/small");
  expect(answer.body.toString()).toBe("small");
});

/** Not by a deadline: each is known to have left. */
async function expectNothingLeft(server: Server, visitors: number): Promise<void> {
  await expect.poll(async () => (await server.status()).exchanges).toBe(0);
  await expect.poll(async () => (await server.status()).sessionBytes).toBe(0);
  const { heldBytes, waiting, outcomes } = await server.status();
  expect({ heldBytes, waiting }).toEqual({ heldBytes: 0, waiting: 0 });
  expect(outcomes.visitor_left).toBe(visitors);
}

/** A home whose service does what a path says, and hardly ever what its visitor waits for. */
async function startService(protocol: Protocol) {
  const watch = new Watch();
  const sockets = new Set<net.Socket>();
  const busy = new Set<net.Socket>();
  let heads = 0;
  let resets = 0;
  const service = net.createServer({ allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => resets++);
    socket.on("close", () => {
      sockets.delete(socket);
      busy.delete(socket);
    });
    let received = "";
    const onHead = (bytes: Buffer) => {
      received += bytes.toString("latin1");
      if (!received.includes("\r\n\r\n")) return;
      const path = received.split(" ")[1]?.split("?")[0];
      received = "";
      if (path === "/small") {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall");
        return;
      }
      socket.off("data", onHead);
      busy.add(socket);
      heads++;
      if (path === "/unread" || path === "/socket" || path === "/both") socket.pause();
      else socket.resume();
      if (path === "/socket") socket.write(ACCEPTED);
      if (path === "/endless" || path === "/both") respondEndlessly(socket);
      watch.changed();
    };
    socket.on("data", onHead);
  });
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    service.close();
    for (const socket of sockets) socket.destroy();
  });
  const server = await startServer();
  await startAgent(server, `http://127.0.0.1:${portOf(service)}`, { protocol });
  const token = await server.register("home");
  const { target, ask: visit } = visitorsOf(server, "home", token);
  return {
    server,
    token,
    target,
    visit,
    /** Until the service has got that many requests that it does not answer. */
    asked: async (count: number) => {
      await watch.until(() => heads >= count);
    },
    /** How many of these it still has. */
    busy: () => busy.size,
    /** How many connections were reset. */
    resets: () => resets,
    readOn: () => {
      for (const socket of sockets) socket.resume();
    },
  };
}

function respondEndlessly(socket: net.Socket): void {
  const piece = Buffer.alloc(64 * 1024);
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LONG}\r\n\r\n`);
  const write = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on("drain", write);
  write();
}
