/** `ServerSockets` under test behind an HTTP server, and clients that it has. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterEach, vi } from "vitest";
import WebSocket from "ws";
import { createNonceSource } from "../../../adapters/nonce.ts";
import { HttpServer } from "../../../adapters/server/http.ts";
import { type ServerSocketEvent, ServerSockets } from "../../../adapters/server/web-sockets.ts";
import { edgeLimits } from "../../../core/edge/limits.ts";
import type { SocketId } from "../../../core/ids.ts";
import { EventLog } from "../event-log.ts";
import { RawClient } from "../raw-client.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const MESSAGE_BYTES_MAX = 1 * MIB;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** `answer` is sent at once to each text that comes. */
export async function start(answer: string | null = null) {
  const log = new EventLog<ServerSocketEvent>();
  const nonce = createNonceSource();
  const forwarded: IncomingMessage[] = [];
  const sockets = new ServerSockets({
    messageBytesMax: MESSAGE_BYTES_MAX,
    dispatch: (event) => {
      log.dispatch(event);
      if (event.type === "socket_text" && answer !== null) {
        sockets.perform({ type: "socket_send_text", socket: event.socket, text: answer });
      }
    },
    nonce,
    onForward: (request) => forwarded.push(request),
    onRefused: () => {},
  });
  const server = new HttpServer({
    limits: edgeLimits,
    trustedProxies: [],
    port: 0,
    bind: "127.0.0.1",
    dispatch: () => {},
    nonce,
    onUpgrade: (request, socket, head) => sockets.take(request, socket, head),
  });
  const { port } = await server.listen();
  cleanups.push(() => {
    sockets.close();
    for (const { socket } of forwarded) socket.destroy();
    return server.close();
  });
  const raw = () => {
    const client = new RawClient(port);
    cleanups.push(() => client.leave());
    return client;
  };
  const connect = (target: string, headers: Record<string, string> = {}) => {
    const client = new WebSocket(`ws://127.0.0.1:${port}${target}`, { headers });
    client.on("error", () => {});
    cleanups.push(() => client.terminate());
    return client;
  };
  const acceptNewest = async (requests: number): Promise<SocketId> => {
    await log.until(() => log.all("upgrade_requested").length === requests);
    const socket = log.all("upgrade_requested")[requests - 1]?.socket;
    if (socket === undefined) throw new Error("unreachable");
    sockets.perform({ type: "upgrade_accept", socket, protocol: null });
    return socket;
  };
  const open = async () => {
    const requests = log.all("upgrade_requested").length + 1;
    const client = connect("/ws");
    const socket = await acceptNewest(requests);
    await once(client, "open");
    return { client, socket };
  };
  const openRaw = async (client: RawClient) => {
    const requests = log.all("upgrade_requested").length + 1;
    handshake(client);
    const socket = await acceptNewest(requests);
    await log.until(() => log.all("socket_opened").length === requests);
    if (!client.socket.isPaused()) await client.untilText("\r\n\r\n");
    return socket;
  };
  const flushed = () => log.all("socket_flushed").reduce((sum, event) => sum + event.bytes, 0);
  return { log, sockets, forwarded, raw, connect, open, openRaw, flushed };
}

export function handshake(client: RawClient, upgrade = "upgrade: websocket", ...headers: string[]): void {
  client.get(
    "/ws",
    "connection: Upgrade",
    upgrade,
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  );
}

/** A client's frame with a mask of its own. */
export function masked(firstByte: number, payload: Buffer): Buffer {
  const mask = [1, 2, 3, 4];
  const bytes = Buffer.from(payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
  const length =
    payload.length < 126
      ? [0x80 | payload.length]
      : payload.length < 65_536
        ? [0xfe, payload.length >> 8, payload.length & 0xff]
        : [0xff, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (payload.length >>> shift) & 0xff)];
  return Buffer.concat([Buffer.from([firstByte, ...length, ...mask]), bytes]);
}
