/**
 * A home whose agent speaks the native protocol through a relay that can cut its connection. Its origin serves HTTP and
 * WebSockets; visitors reach the server without the relay.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { expect, onTestFinished } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import type { AgentLimits } from "../../core/limits.ts";
import { type OriginListener, portOf } from "./origin.ts";
import { startTcpRelay, type TcpRelay } from "./tcp-relay.ts";
import { type Server, type ServerOptions, startAgent, startServer, visitorsOf } from "./tunnel.ts";
import { open } from "./visitor.ts";
import { Watch } from "./watch.ts";

export type RelayedHomeOptions = {
  readonly server?: ServerOptions;
  readonly agentLimits?: Partial<AgentLimits>;
  /** Of the origin; without it an upgrade is refused. */
  readonly onSocket?: (socket: WebSocket) => void;
};

export type RelayedHome = Awaited<ReturnType<typeof startRelayedHome>>;

export async function startRelayedHome(listener: OriginListener, options: RelayedHomeOptions = {}) {
  const origin = await startWebOrigin(listener, options.onSocket);
  const server = await startServer(options.server);
  const relay = await startTcpRelay({ port: server.port });
  onTestFinished(() => relay.close());
  const agent = await startAgent({ url: `http://127.0.0.1:${relay.port}` }, origin.url, {
    protocol: "native",
    ...(options.agentLimits === undefined ? {} : { limits: options.agentLimits }),
  });
  const clientToken = await server.register(agent.clientId);
  const visitors = visitorsOf(server, agent.clientId, clientToken);
  const headers = { authorization: `Bearer ${clientToken}` };
  return {
    ...{ server, agent, relay, origin, clientToken, headers },
    ...visitors,
    /** The head of an answer; the body is read by whoever asked. */
    open: (path: string) => open(server.url + visitors.target(path), { headers }),
    /** A visitor's WebSocket to the origin, which ends with the test. */
    connect: async (path: string): Promise<WebSocket> => {
      const socket = new WebSocket(server.url.replace("http:", "ws:") + visitors.target(path), { headers });
      onTestFinished(() => socket.terminate());
      await once(socket, "open");
      return socket;
    },
    /** Cuts the agent's connection, as soon as there is one, for so long, and waits until the server knows. */
    cut: (forMs?: number) => cutAndWait(server, relay, forMs),
  };
}

export type WebOrigin = {
  readonly url: string;
  /** `METHOD target` of each request and each WebSocket's handshake, in the order of their coming. */
  readonly requests: readonly string[];
  /** Until that many have come. */
  asked(count: number): Promise<void>;
};

async function startWebOrigin(
  listener: OriginListener,
  onSocket: ((socket: WebSocket) => void) | undefined,
): Promise<WebOrigin> {
  const requests: string[] = [];
  const watch = new Watch();
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    listener(request, response);
    watch.changed();
  });
  const sockets = new WebSocketServer({ noServer: true });
  if (onSocket !== undefined) {
    server.on("upgrade", (request, stream, head) => {
      requests.push(`${request.method} ${request.url}`);
      sockets.handleUpgrade(request, stream, head, onSocket);
      watch.changed();
    });
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    for (const socket of sockets.clients) socket.terminate();
  });
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    requests,
    asked: async (count) => {
      await watch.until(() => requests.length >= count);
    },
  };
}

async function cutAndWait({ log }: Server, relay: TcpRelay, forMs: number | undefined): Promise<void> {
  const ended = log.lines.filter(({ msg }) => msg === "tunnel ended").length;
  await log.count("tunnel accepted", ended + 1);
  relay.cut(forMs);
  await log.count("tunnel ended", ended + 1);
}

/** Until the agent has taken up its session that many times. */
export async function resumed({ server }: { readonly server: Server }, times: number): Promise<void> {
  await server.log.count("session resumed", times);
}

/** Until nothing is held or waited for any more: the last acknowledgement comes a moment after the last byte. */
export async function atRest({ server }: { readonly server: Server }): Promise<void> {
  const rest = { exchanges: 0, waiting: 0, heldBytes: 0, sessionBytes: 0 };
  await expect.poll(() => server.status()).toMatchObject(rest);
}
