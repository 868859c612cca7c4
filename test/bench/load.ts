/**
 * The load: requests one after the other on each of N connections, or N downloads at once. Bare sockets and a counter,
 * because an HTTP client would cost more than what it is meant to measure.
 */
import { connect, type Socket } from "node:net";
import { ResponseCounter } from "./response-counter.ts";
import { percentile } from "./statistics.ts";

/** What to ask for. `headers` may hold a token. */
export type Target = { readonly url: string; readonly headers: Readonly<Record<string, string>> };

export type RequestLoad = {
  readonly kind: "requests";
  readonly target: Target;
  readonly connections: number;
  readonly durationMs: number;
};

export type DownloadLoad = {
  readonly kind: "downloads";
  readonly target: Target;
  readonly connections: number;
  /** What each body must come to. */
  readonly bytes: number;
};

export type LoadResult = {
  /** Responses that came whole. */
  readonly completed: number;
  readonly bodyBytes: number;
  readonly seconds: number;
  /** From the request's last byte out to the response's last byte in. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The first thing that went wrong, in words; the numbers are worth nothing then. */
  readonly fault: string | null;
};

/** Never rejects, and ends by itself: what takes longer than `LOAD_MS_MAX` is cut and reported as a fault. */
export async function runLoad(load: RequestLoad | DownloadLoad): Promise<LoadResult> {
  const { hostname, port } = new URL(load.target.url);
  const run: Run = {
    load,
    request: requestBytes(load.target),
    latencies: [],
    bodyBytes: 0,
    endsAt: 0,
    fault: null,
  };
  const sockets: Socket[] = [];
  const limit = setTimeout(() => {
    run.fault ??= `took longer than ${LOAD_MS_MAX / 1000} s`;
    for (const socket of sockets) socket.destroy();
  }, LOAD_MS_MAX);
  try {
    const opened: Promise<() => Promise<void>>[] = [];
    for (let i = 0; i < load.connections; i++) opened.push(open(run, hostname, Number(port), sockets));
    // The clock starts when the last connection stands: connecting is not what is measured.
    const start = await Promise.all(opened);
    const began = performance.now();
    run.endsAt = load.kind === "requests" ? began + load.durationMs : began;
    await Promise.all(start.map((go) => go()));
    return resultOf(run, (performance.now() - began) / 1000);
  } catch (error) {
    run.fault ??= error instanceof Error ? error.message : String(error);
    return resultOf(run, 1);
  } finally {
    clearTimeout(limit);
    for (const socket of sockets) socket.destroy();
  }
}

/** Eight downloads of 256 MiB at 30 MB/s still fit. */
const LOAD_MS_MAX = 75_000;

type Run = {
  readonly load: RequestLoad | DownloadLoad;
  readonly request: Buffer;
  readonly latencies: number[];
  bodyBytes: number;
  /** No new request after this time. */
  endsAt: number;
  fault: string | null;
};

/** Opens one connection; what it resolves with starts the load on it and resolves at its end. */
function open(run: Run, host: string, port: number, sockets: Socket[]): Promise<() => Promise<void>> {
  const counter = new ResponseCounter();
  const opened = Promise.withResolvers<() => Promise<void>>();
  const done = Promise.withResolvers<void>();
  let sentAt = 0;
  let isDone = false;
  const send = (): void => {
    sentAt = performance.now();
    socket.write(run.request);
  };
  const receive = (bytes: Buffer): void => {
    const before = counter.completed;
    counter.feed(bytes);
    if (counter.completed === before) return;
    const now = performance.now();
    run.latencies.push(now - sentAt);
    run.bodyBytes += counter.bodyBytes;
    run.fault ??= faultOf(run.load, counter);
    if (now < run.endsAt && run.fault === null) {
      send();
    } else {
      isDone = true;
      done.resolve();
    }
  };
  const fail = (message: string): void => {
    // A connection that has done its part may be closed while others still work.
    if (isDone) return;
    isDone = true;
    run.fault ??= message;
    opened.reject(new Error(message));
    done.resolve();
  };
  // One buffer for all that this connection reads: nothing is allocated while bytes are counted.
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const socket = connect({
    host,
    port,
    noDelay: true,
    onread: {
      buffer,
      callback: (length) => {
        try {
          receive(buffer.subarray(0, length));
        } catch (error) {
          fail(error instanceof Error ? error.message : String(error));
        }
        return true;
      },
    },
  });
  sockets.push(socket);
  socket.once("connect", () =>
    opened.resolve(() => {
      send();
      return done.promise;
    }),
  );
  socket.once("error", (error) => fail(error.message));
  socket.once("close", () => fail("a connection was closed before its response was whole"));
  return opened.promise;
}

const READ_BYTES = 128 * 1024;

function faultOf(load: RequestLoad | DownloadLoad, counter: ResponseCounter): string | null {
  if (counter.status !== 200) return `status ${counter.status}`;
  if (load.kind === "downloads" && counter.bodyBytes !== load.bytes) {
    return `${counter.bodyBytes} bytes instead of ${load.bytes}`;
  }
  return null;
}

export function requestBytes(target: Target): Buffer {
  const { host, pathname, search } = new URL(target.url);
  const fields = Object.entries(target.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `GET ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\n${fields.join("")}\r\n`,
    "latin1",
  );
}

function resultOf(run: Run, seconds: number): LoadResult {
  const sorted = Float64Array.from(run.latencies).sort();
  return {
    completed: sorted.length,
    bodyBytes: run.bodyBytes,
    seconds,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    fault: run.fault,
  };
}
