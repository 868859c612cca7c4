/** Home services for tests: proper ones on `node:http`, and one that says exactly the bytes that a test wants. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import net from "node:net";
import { onTestFinished } from "vitest";
import { Watch } from "./watch.ts";

export type OriginListener = (request: IncomingMessage, response: ServerResponse) => void;

export type Origin = {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string;
  /** `METHOD target` of each request, in the order of their coming. */
  readonly requests: readonly string[];
  /** Until that many requests have come. */
  asked(count: number): Promise<void>;
};

export async function startOrigin(listener: OriginListener): Promise<Origin> {
  const requests: string[] = [];
  const watch = new Watch();
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    listener(request, response);
    watch.changed();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    requests,
    asked: async (count) => {
      await watch.until(() => requests.length >= count);
    },
  };
}

export type RawOrigin = {
  readonly url: string;
  /** The head of each request as it came, in Latin-1. */
  readonly heads: readonly string[];
  /** Until that many requests have come. */
  asked(count: number): Promise<void>;
};

/** Takes one request's head, by Latin-1 text; the socket stays open unless the answer ends it. */
export async function startRawOrigin(answer: (socket: net.Socket, head: string) => void): Promise<RawOrigin> {
  const heads: string[] = [];
  const sockets = new Set<net.Socket>();
  const watch = new Watch();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    let received = "";
    socket.on("data", (bytes) => {
      received += bytes.toString("latin1");
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = received.slice(0, end + 4);
      received = received.slice(end + 4);
      heads.push(head);
      answer(socket, head);
      watch.changed();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    heads,
    asked: async (count) => {
      await watch.until(() => heads.length >= count);
    },
  };
}

/** The port of a listening server. */
export function portOf(server: net.Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen");
  return address.port;
}
