/** `AgentSockets` under test, and a server that they reach. */
import { once } from "node:events";
import http from "node:http";
import type net from "node:net";
import { afterEach, expect, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { Dialler, type DiallerOptions } from "../../../adapters/agent/dialler.ts";
import {
  type AgentSocketEffect,
  type AgentSocketEvent,
  AgentSockets,
} from "../../../adapters/agent/web-sockets.ts";
import type { SocketId } from "../../../core/ids.ts";
import { EventLog } from "../event-log.ts";
import { listen } from "../listen.ts";

export const TARGET = "/ws?clientId=home&sender=true&signature=s3cret-%2F";
export const SOCKET = 1 as SocketId;

export const cleanups: (() => void)[] = [];
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const clean of cleanups.splice(0).reverse()) clean();
});

/** `way`: what else the dialler is told. */
export function start(server: URL, way: Omit<DiallerOptions, "server"> = {}) {
  const log = new EventLog<AgentSocketEvent>();
  const sockets = new AgentSockets({
    server,
    dialler: new Dialler({ server, ...way }),
    messageBytesMax: 1_000_000,
    dispatch: log.dispatch,
  });
  cleanups.push(() => sockets.close());
  return {
    log,
    perform: (effect: AgentSocketEffect) => sockets.perform(effect),
    connect(socket = SOCKET, order: { headers?: readonly string[]; protocols?: readonly string[] } = {}) {
      const blank = { target: TARGET, headers: [], protocols: [] };
      sockets.perform({ ...blank, ...order, type: "socket_connect", socket });
    },
    close: () => sockets.close(),
    /** Waits for the last event of the first socket and checks that it is the last. */
    async closed() {
      await log.first("socket_closed");
      await new Promise((resolve) => setImmediate(resolve));
      const own = log.events.filter((event) => event.socket === SOCKET);
      expect(own.at(-1)?.type).toBe("socket_closed");
      expect(own.filter((event) => event.type === "socket_closed")).toHaveLength(1);
    },
  };
}

/** An open socket, its peer, and the stream that the peer reads from. */
export async function connect() {
  const server = await wsServer();
  const run = start(new URL(`http://${server.host}/`));
  const peer = server.connected();
  run.connect();
  const [webSocket, stream] = await peer;
  await run.log.first("socket_opened");
  return { run, peer: webSocket, stream };
}

export async function wsServer(
  handleProtocols: (offered: Set<string>) => string | false = () => false,
  headers: readonly string[] = [],
) {
  const server = http.createServer();
  const webSockets = new WebSocketServer({ server, handleProtocols });
  webSockets.on("headers", (lines) => lines.push(...headers));
  const requests: http.IncomingMessage[] = [];
  webSockets.on("connection", (webSocket, request) => {
    webSocket.on("error", () => {});
    requests.push(request);
  });
  return {
    host: await listen(server, cleanups),
    requests,
    async connected(): Promise<[WebSocket, net.Socket]> {
      const [webSocket, request] = await once(webSockets, "connection");
      return [webSocket, request.socket];
    },
  };
}
