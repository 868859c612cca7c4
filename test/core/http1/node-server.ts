/** What Node's own parser makes of the requests on a connection, by way of its HTTP server on one in memory. */
import http from "node:http";
import { Wire } from "./wire.ts";

export type ReadRequest = {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** What followed a request for an upgrade. */
  readonly behind: string | null;
};

/** All requests that these bytes are; null where they are no HTTP, or more than whole requests. */
export function readRequestsByNode(bytes: Buffer): Promise<readonly ReadRequest[] | null> {
  const { promise, resolve } = Promise.withResolvers<readonly ReadRequest[] | null>();
  const requests: ReadRequest[] = [];
  let pending = 0;
  let isRefused = false;
  const server = http.createServer((request, response) => {
    const body: Buffer[] = [];
    pending++;
    request.on("data", (piece: Buffer) => body.push(piece));
    request.on("end", () => {
      pending--;
      requests.push({ ...lineOf(request), body: textOf(body), trailers: request.rawTrailers, behind: null });
      response.end();
    });
    request.on("error", () => {});
  });
  server.on("upgrade", (request, socket, first) => {
    requests.push({ ...lineOf(request), body: "", trailers: [], behind: textOf([first]) });
    socket.destroy();
  });
  server.on("clientError", (_error, socket) => {
    isRefused = true;
    socket.destroy();
  });
  const wire = new Wire();
  wire.on("close", () => setImmediate(() => resolve(isRefused || pending > 0 ? null : requests)));
  server.emit("connection", wire);
  wire.push(bytes);
  wire.push(null);
  return promise;
}

function lineOf({ method = "", url = "", rawHeaders }: http.IncomingMessage) {
  return { method, target: url, headers: rawHeaders };
}

function textOf(pieces: readonly Buffer[]): string {
  return Buffer.concat(pieces).toString("latin1");
}
