/** What Node's own parser makes of a response, by way of its HTTP client on a connection in memory. */
import http from "node:http";
import { MemoryWire } from "./memory-wire.ts";

export type Reading = {
  readonly interims: readonly { readonly status: number; readonly headers: readonly string[] }[];
  /** Null where none came. */
  readonly head: { readonly status: number; readonly headers: readonly string[] } | null;
  readonly body: string;
  readonly trailers: readonly string[];
  /** `cut`: more was to come when the connection ended. `refused`: what came is no HTTP. */
  readonly end: "complete" | "cut" | "refused";
};

export type ReadOptions = { readonly method: string; readonly upgrade: boolean; readonly lenient: boolean };

/** The pieces come one after the other, and then the connection ends. */
export function readByNode(pieces: readonly Buffer[], options: ReadOptions): Promise<Reading> {
  const { promise, resolve } = Promise.withResolvers<Reading>();
  const interims: { status: number; headers: string[] }[] = [];
  const body: Buffer[] = [];
  let head: Reading["head"] = null;
  let response: http.IncomingMessage | null = null;
  let isRefused = false;
  let isUpgraded = false;
  const wire = new MemoryWire();
  const request = http.request({
    createConnection: () => wire,
    method: options.method,
    headers: options.upgrade ? { connection: "upgrade", upgrade: "x" } : { connection: "keep-alive" },
    insecureHTTPParser: options.lenient,
    maxHeaderSize: 128 * 1024,
  });
  request.on("information", ({ statusCode, rawHeaders }) =>
    interims.push({ status: statusCode, headers: rawHeaders }),
  );
  request.on("response", (incoming) => {
    response = incoming;
    head = { status: incoming.statusCode ?? 0, headers: incoming.rawHeaders };
    incoming.on("data", (bytes: Buffer) => body.push(bytes));
    // A response that is cut; the request's own error, if any, tells more.
    incoming.on("error", () => {});
  });
  request.on("upgrade", (incoming, socket, first) => {
    isUpgraded = true;
    head = { status: incoming.statusCode ?? 0, headers: incoming.rawHeaders };
    body.push(first);
    socket.on("data", (bytes: Buffer) => body.push(bytes)).on("end", () => socket.end());
  });
  request.on("error", (error: NodeJS.ErrnoException) => {
    isRefused ||= error.code?.startsWith("HPE_") === true;
  });
  wire.on("close", () => {
    // The response's own events may still be on their way.
    setImmediate(() => {
      const isComplete = isUpgraded || response?.complete === true;
      resolve({
        interims,
        head,
        body: Buffer.concat(body).toString("latin1"),
        trailers: response?.rawTrailers ?? [],
        end: isComplete ? "complete" : isRefused ? "refused" : "cut",
      });
    });
  });
  request.end();
  for (const piece of pieces) wire.push(piece);
  wire.push(null);
  return promise;
}
