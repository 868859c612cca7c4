/** Nothing grows with what has come and gone: state, handles, descriptors, timers, heap. */
import { once } from "node:events";
import { readdirSync } from "node:fs";
import net from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import WebSocket from "ws";
import type { Tunnel as AgentTunnel } from "../../core/agent/state.ts";
import type { AgentState } from "../../core/agent.ts";
import { serverLimits } from "../../core/limits.ts";
import type { ServerState } from "../../core/server.ts";
import { query } from "../demo/culvert.ts";
import { MoosicBoxAgent } from "../helpers/moosicbox-agent.ts";
import { startTunnel, type Tunnel } from "../helpers/tunnel.ts";
import { ask } from "../helpers/visitor.ts";

/** The states of the machines that run in this process: nothing else shows the sizes of all their maps. */
const machines = vi.hoisted(() => ({ servers: [] as ServerState[], agents: [] as AgentState[] }));

vi.mock("../../core/server.ts", async (importOriginal) => {
  const core = await importOriginal<typeof import("../../core/server.ts")>();
  const createServer: typeof core.createServer = (config) => {
    const state = core.createServer(config);
    machines.servers.push(state);
    return state;
  };
  return { ...core, createServer };
});

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

/** As many visitors as come at a time. */
const VISITORS = 16;
const VISITOR_CYCLES = 10_000;
const AGENT_CYCLES = 300;

test.each(["moosicbox", "native"] as const)(
  "R02: after 10,000 visitors of a %s home and 300 agents everything is as it was before them",
  async (protocol) => {
    const tunnel = await startTunnel(
      (request, response) => {
        if (request.url?.startsWith("/endless")) response.write("endless");
        else if (!request.url?.startsWith("/silent")) response.end("whole");
      },
      {
        // A fast machine has more visitors leave in a second than a home puts up with.
        agent: { protocol, limits: { abortsPerSecondMax: VISITOR_CYCLES } },
        server: { limits: { guessesMax: VISITOR_CYCLES, addressUnservedMax: 100_000 } },
      },
    );
    const otherToken = await tunnel.server.register("other");
    // The first ones fill pools and caches that stay.
    await visit(tunnel, 500);
    await connectAgents(tunnel, otherToken, 20);
    const before = await settled(tunnel);
    expect(before.sizes).toMatchObject({
      exchanges: 0,
      sockets: 1,
      homes: 1,
      questions: 0,
      calls: 0,
      heldBytes: 0,
    });
    expect(before.sizes).toMatchObject({ wireIds: 0, unsentBytes: 0 });
    await Promise.all([visit(tunnel, VISITOR_CYCLES), connectAgents(tunnel, otherToken, AGENT_CYCLES)]);
    const after = await settled(tunnel);
    // What was accepted lately is remembered, each handshake's token too, within a limit of its own.
    expect(after.sizes).toEqual({ ...before.sizes, trusted: after.sizes.trusted });
    expect(after.sizes.trusted).toBeLessThanOrEqual(serverLimits.trustedTokensMax);
    expect(after.resources).toEqual(before.resources);
    expect(after.descriptors).toBe(before.descriptors);
    expect(after.heapBytes - before.heapBytes).toBeLessThan(4 * MIB);
    const { outcomes } = await tunnel.server.status();
    expect(outcomes.visitor_left).toBeGreaterThan(VISITOR_CYCLES / 5);
    expect(outcomes.unauthorized).toBeGreaterThan(VISITOR_CYCLES / 6);
  },
);

test("A08: five thousand different bad tokens leave nothing behind", async () => {
  const tunnel = await startTunnel((_request, response) => response.end("whole"), {
    server: { limits: { guessesMax: 10_000, addressUnservedMax: 100_000 } },
  });
  await tunnel.ask("/x");
  const before = await settled(tunnel);
  await forEach(5_000, async (index) => {
    const target =
      index % 2 === 0 ? tunnel.target("/x") : tunnel.target(`/files/track?signature=bad-${index}`);
    const headers = { authorization: `Bearer bad-${index}` };
    const { status } = await ask(tunnel.server.url + target, { headers });
    if (status !== 401) throw new Error(`a bad token got ${status}`);
  });
  const after = await settled(tunnel);
  expect(after.sizes).toEqual(before.sizes);
  expect(after.heapBytes - before.heapBytes).toBeLessThan(2 * MIB);
  expect(tunnel.origin.requests).toHaveLength(1);
});

/** Visitors of six kinds, each on a connection of his own. */
async function visit(tunnel: Tunnel, count: number): Promise<void> {
  const get = (path: string, ...headers: string[]) =>
    [`GET ${tunnel.target(path)} HTTP/1.1`, "Host: x", ...headers, "", ""].join("\r\n");
  const token = `Authorization: Bearer ${tunnel.clientToken}`;
  const kinds: [string, string | null][] = [
    [get("/whole", token), "whole"],
    [get("/whole", token, "culvert-response: blocking"), "whole"],
    [get("/whole", "Authorization: Bearer wrong"), "unauthorized"],
    // Leaves before there is a head, and in the middle of a body.
    [get("/silent", token), null],
    [get("/endless", token), "endless"],
    [`POST ${tunnel.target("/x")} HTTP/1.1\r\nHost: x\r\n${token}\r\nContent-Length: 99\r\n\r\n{`, null],
  ];
  await forEach(count, async (index) => {
    const [request, answer] = kinds[index % kinds.length] ?? ["", null];
    await new Promise<void>((resolve, reject) => {
      let text = "";
      const socket = net.connect(tunnel.server.port, "127.0.0.1");
      socket.write(request, () => {
        if (answer === null) socket.destroy();
      });
      socket.on("data", (bytes) => {
        text += bytes.toString("latin1");
        if (answer !== null && text.includes(answer)) socket.destroy();
      });
      socket.on("error", reject);
      socket.on("end", () => reject(new Error(`the server ended the connection after ${text}`)));
      socket.on("close", () => resolve());
    });
  });
}

/** Agents that come, answer once, and go: some with a word, some without, some thrown out by the next one. */
async function connectAgents(tunnel: Tunnel, clientToken: string, count: number): Promise<void> {
  let previous: MoosicBoxAgent | null = null;
  for (let index = 0; index < count; index++) {
    const agent: MoosicBoxAgent = await MoosicBoxAgent.connect(tunnel.server, "other", clientToken);
    if (previous !== null) await previous.closed;
    const asked = ask(`${tunnel.server.url}/x?${query({ clientId: "other" })}`, {
      headers: { authorization: clientToken },
    });
    agent.reply(await agent.request(), { body: "once" });
    await asked;
    await askOverSocket(tunnel, agent);
    if (index % 3 === 0) agent.kill();
    if (index % 3 === 1) agent.socket.close();
    previous = agent;
  }
  previous?.kill();
  await previous?.closed;
}

/** A visitor socket that asks and leaves before there is an answer. */
async function askOverSocket(tunnel: Tunnel, agent: MoosicBoxAgent): Promise<void> {
  const { clientId } = agent;
  const signature = await tunnel.server.sign(clientId, agent.clientToken);
  const socket = new WebSocket(`${tunnel.server.url}/ws?${query({ clientId, signature })}`);
  await once(socket, "open");
  socket.send("{}");
  await agent.message();
  socket.terminate();
  await once(socket, "close");
}

async function forEach(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: VISITORS }, worker));
}

setFlagsFromString("--expose-gc");
const collectGarbage: (options: object) => Promise<void> = runInNewContext("gc");

/** The sizes of everything once all that was under way has come to rest: idle connections to the origin close by then. */
async function settled(tunnel: Tunnel) {
  tunnel.server.log.forget();
  tunnel.agent.log.forget();
  await expect.poll(() => sizes().exchanges).toBe(0);
  await expect.poll(() => resources().TCPSocketWrap).toBe(2);
  await collectGarbage({ type: "major", execution: "async" });
  await collectGarbage({ type: "major", execution: "async" });
  return {
    sizes: sizes(),
    resources: resources(),
    descriptors: readdirSync("/proc/self/fd").length,
    heapBytes: process.memoryUsage().heapUsed,
  };
}

function sizes(): Record<string, number> {
  const server = machines.servers.at(-1);
  const agent = machines.agents.at(-1);
  const link = agent?.links[0];
  if (server === undefined || agent === undefined || link?.life.phase !== "connected")
    throw new Error("no machine runs");
  const { session } = link;
  const own = ownSizes(link.life.tunnel);
  return {
    ...own,
    exchanges: server.exchanges.size + agent.exchanges.size,
    sockets: server.sockets.size,
    homes: server.homes.size,
    sessions: server.sessions.size,
    streams: [...server.sessions.values()].reduce((sum, { link }) => sum + link.streams.size, 0),
    away: server.away.size,
    questions: server.questions.size,
    calls: server.calls.size,
    trusted: server.trusted.size,
    heldBytes: server.heldBytes,
    sessionBytes: server.sessionBytes,
    serverTimers: server.timers.heap.length,
    agentStreams: session === null ? 0 : session.wire.streams.size,
    agentTimers: agent.timers.heap.length,
  };
}

/** What only one of the protocols has. */
function ownSizes(tunnel: AgentTunnel) {
  if (tunnel.protocol === "moosicbox") {
    const { byWireId, unsentBytes } = tunnel;
    return { wireIds: byWireId.size, unsentBytes };
  }
  const { byStream, wire } = tunnel.session;
  return { wireIds: byStream.size, unsentBytes: wire.unsentBytes };
}

/** What keeps the process alive: sockets, servers, timers. */
function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
