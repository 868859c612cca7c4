/** An `Origin` under test, and origins to test it against. */
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { afterEach, expect } from "vitest";
import { Origin, type OriginEffect, type OriginEvent } from "../../../adapters/origin/origin.ts";
import type { ExchangeId } from "../../../core/ids.ts";
import { type ClientLimits, clientLimits } from "../../../core/origins/client.ts";
import { EventLog } from "../event-log.ts";
import { listen } from "../listen.ts";

export const MIB = 1024 * 1024;
export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** What ends the things that a test started, in reverse. */
export const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

type Order = Extract<OriginEffect, { type: "origin_request" }>;

export function start(
  urls: URL | readonly URL[],
  options: {
    readonly limits?: Partial<ClientLimits>;
    readonly tlsSkipVerify?: boolean;
    readonly serverName?: string;
  } = {},
) {
  const log = new EventLog<OriginEvent>();
  const subject = new Origin({
    urls: urls instanceof URL ? [urls] : urls,
    tlsSkipVerify: false,
    serverName: null,
    ...options,
    limits: { ...clientLimits, ...options.limits },
    dispatch: log.dispatch,
  });
  cleanups.push(() => subject.close());
  let count = 0;
  const isLast = (event: OriginEvent) => event.type === "origin_ended" || event.type === "origin_failed";
  const run = {
    origin: subject,
    log,
    request(order: Partial<Order> = {}): ExchangeId {
      const exchange = ++count as ExchangeId;
      const blank: Order = {
        type: "origin_request",
        exchange,
        origin: 0,
        method: "GET",
        target: `/${count}`,
        headers: ["Host", "home"],
        body: null,
        bodyBytes: null,
        upgrade: false,
      };
      subject.perform({ ...blank, ...order });
      return exchange;
    },
    upgrade: (headers: readonly string[] = []) =>
      run.request({
        upgrade: true,
        target: "/ws",
        headers: ["Host", "home", "Connection", "Upgrade", "Upgrade", "websocket", ...headers],
      }),
    send: (exchange: ExchangeId, bytes: Uint8Array | string) =>
      subject.perform({ type: "origin_send", exchange, bytes: Buffer.from(bytes) }),
    end: (exchange: ExchangeId, trailers: readonly string[] = []) =>
      subject.perform({ type: "origin_send_end", exchange, trailers }),
    flushed: (exchange: ExchangeId) =>
      log
        .all("origin_flushed")
        .reduce((sum, event) => sum + (event.exchange === exchange ? event.bytes : 0), 0),
    abort: (exchange: ExchangeId) => subject.perform({ type: "origin_abort", exchange }),
    pause: (exchange: ExchangeId, paused: boolean) =>
      subject.perform({ type: "origin_pause", exchange, paused }),
    /** Waits for the last event of the exchange and checks that it was the only one of its kind. */
    async over(exchange: ExchangeId, meanwhile?: () => void): Promise<void> {
      meanwhile?.();
      const last = () => log.events.filter((event) => event.exchange === exchange && isLast(event));
      await log.until(() => last().length > 0);
      await new Promise((resolve) => setImmediate(resolve));
      expect(last()).toHaveLength(1);
      expect(log.events.filter((event) => event.exchange === exchange).at(-1)).toBe(last()[0]);
    },
    body: () => Buffer.concat(log.all("origin_body").map((event) => event.bytes)),
    bodyOf: (exchange: ExchangeId) =>
      Buffer.concat(
        log.all("origin_body").flatMap((event) => (event.exchange === exchange ? [event.bytes] : [])),
      ),
  };
  return run;
}

export async function origin(answer: http.RequestListener): Promise<{ readonly url: URL }> {
  return { url: new URL(`http://${await listen(http.createServer(answer), cleanups)}/`) };
}

export async function secureOrigin(certificate: {
  key: string;
  cert: string;
}): Promise<{ readonly url: URL }> {
  const server = https.createServer(certificate, (_request, response) => response.end("ok"));
  return { url: new URL(`https://${await listen(server, cleanups)}/`) };
}

/** An origin that answers each piece of a request with raw bytes; `nth` counts the requests of a connection. */
export async function rawOrigin(answer: (socket: net.Socket, request: string, nth: number) => unknown) {
  const sockets = new Set<net.Socket>();
  let connections = 0;
  let pieces = 0;
  let received = "";
  let whole = "";
  const server = net.createServer((socket) => {
    sockets.add(socket);
    connections += 1;
    let nth = 0;
    socket.on("close", () => {
      sockets.delete(socket);
      server.emit("gone");
    });
    socket.on("data", (bytes) => {
      pieces += 1;
      received = bytes.toString("latin1");
      whole += received;
      server.emit("requested");
      answer(socket, received, ++nth);
    });
  });
  const host = await listen(server, cleanups);
  return {
    url: new URL(`http://${host}/`),
    /** The latest piece of a request. */
    received: () => received,
    /** All pieces of all requests. */
    whole: () => whole,
    /** Until that has come, among all else. */
    has: async (text: string) => {
      while (!whole.includes(text)) await once(server, "requested");
    },
    connections: () => connections,
    /** Until that many pieces of requests have come, on all connections together. */
    requested: async (count = 1) => {
      while (pieces < count) await once(server, "requested");
    },
    open: () => sockets.size,
    /** Until no more connections than that are open. */
    openUntil: async (count: number) => {
      while (sockets.size > count) await once(server, "gone");
    },
    allClosed: async () => {
      while (sockets.size > 0) await once(server, "gone");
    },
    resumeAll: () => {
      for (const socket of sockets) socket.resume();
    },
    /** Answers what has been asked, and from now on every request, with this. */
    answerAll: (response: string) => {
      const write = () => {
        for (const socket of sockets) socket.write(response);
      };
      write();
      server.on("requested", write);
    },
  };
}
