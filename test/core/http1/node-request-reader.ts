/** What Node's own parser makes of the requests of a connection, by way of its HTTP server on a connection in memory. */
import http from "node:http";
import { MemoryWire } from "./memory-wire.ts";

export type ReadRequest = {
  readonly method: string;
  readonly target: string;
  readonly minorVersion: number;
  readonly headers: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** Whether it has come to its end. */
  readonly complete: boolean;
};

export type RequestsReading = {
  readonly requests: readonly ReadRequest[];
  /** `refused`: what came is no HTTP. `open`: more could have come. */
  readonly end: "open" | "refused";
};

type Collected = { readonly incoming: http.IncomingMessage; readonly body: Buffer[] };
type Connection = { readonly collected: Collected[]; fault: string | null; onFault: () => void };

const connections = new WeakMap<object, Connection>();
const server = http.createServer({ requireHostHeader: false, maxHeaderSize: 128 * 1024 }, onRequest);
// Nothing that is asked for in a head is done.
server.on("checkContinue", onRequest).on("checkExpectation", onRequest);
server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
  const connection = connections.get(socket);
  if (connection === undefined) return;
  connection.fault ??= error.code ?? error.message;
  connection.onFault();
});

/** The pieces come one after the other, and then the connection ends. */
export async function readRequestsByNode(pieces: readonly Buffer[]): Promise<RequestsReading> {
  const wire = new MemoryWire();
  const over = Promise.withResolvers<void>();
  const connection: Connection = { collected: [], fault: null, onFault: over.resolve };
  connections.set(wire, connection);
  wire.on("close", over.resolve);
  server.emit("connection", wire);
  for (const piece of pieces) wire.push(piece);
  wire.push(null);
  await over.promise;
  // The requests' own events may still be on their way.
  await new Promise(setImmediate);
  wire.destroy();
  const requests = connection.collected.map(({ incoming, body }) => ({
    method: incoming.method ?? "",
    target: incoming.url ?? "",
    minorVersion: incoming.httpVersionMinor,
    headers: incoming.rawHeaders,
    body: Buffer.concat(body).toString("latin1"),
    trailers: incoming.rawTrailers,
    complete: incoming.complete,
  }));
  const isRefused = connection.fault !== null && connection.fault !== "HPE_INVALID_EOF_STATE";
  return { requests, end: isRefused ? "refused" : "open" };
}

function onRequest(incoming: http.IncomingMessage, response: http.ServerResponse): void {
  const body: Buffer[] = [];
  connections.get(incoming.socket)?.collected.push({ incoming, body });
  incoming.on("data", (bytes: Buffer) => body.push(bytes));
  incoming.on("end", () => response.end());
  // A request that is cut, which its connection tells as well.
  incoming.on("error", () => {});
}
