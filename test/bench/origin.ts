/**
 * The bench's origin, a process of its own: `/small` answers 64 bytes, `/bulk?bytes=N` streams N bytes, all from one
 * buffer, as fast as the connection takes them. `/upload` answers when it has read the body, and `/unread` neither
 * reads nor answers. `/events` says one thing and
 * then nothing more, and neither does a WebSocket. Usage: `origin.ts [ADDRESS]`, 127.0.0.1 by default.
 */
import { createServer, type ServerResponse } from "node:http";
import { listenOn } from "../demo/listen.ts";

const EVENTS = { "content-type": "text/event-stream" };
const small = Buffer.alloc(64, "culvert ");
const piece = Buffer.alloc(64 * 1024, "culvert ");

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://origin");
  if (url.pathname === "/small") send(response, small.length).end(small);
  else if (url.pathname === "/bulk") stream(response, Number(url.searchParams.get("bytes")));
  else if (url.pathname === "/upload") request.resume().once("end", () => send(response, 0).end());
  else if (url.pathname === "/unread") request.pause();
  else if (url.pathname === "/events") response.writeHead(200, EVENTS).write("data: hello\n\n");
  else response.writeHead(404).end();
});
// A node:http server gives the connection away as it is.
server.on("upgrade", (_request, socket) => {
  socket.on("error", () => {});
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
});
// Longer than the pause between two rounds, so that no kept connection is closed just when it is used again.
server.keepAliveTimeout = 120_000;
console.log(`listening on ${await listenOn(server, process.argv[2] ?? "127.0.0.1")}`);

function stream(response: ServerResponse, bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    response.writeHead(400).end();
    return;
  }
  let remaining = bytes;
  const pour = (): void => {
    while (remaining > 0 && !response.destroyed) {
      const length = Math.min(piece.length, remaining);
      remaining -= length;
      const hasRoom = response.write(length === piece.length ? piece : piece.subarray(0, length));
      if (!hasRoom) return;
    }
    if (remaining === 0) response.end();
  };
  send(response, bytes).on("drain", pour);
  pour();
}

/** A type that nobody compresses. */
function send(response: ServerResponse, bytes: number): ServerResponse {
  return response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
}
