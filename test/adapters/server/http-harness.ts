/** What the tests of the visitors' side share. All that is started here ends with the test. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { onTestFinished } from "vitest";
import { createNonceSource } from "../../../adapters/nonce.ts";
import { HttpServer, type HttpServerEffect, type HttpServerEvent } from "../../../adapters/server/http.ts";
import { type EdgeLimits, edgeLimits } from "../../../core/edge/limits.ts";
import type { ExchangeId } from "../../../core/ids.ts";
import { EventLog } from "../event-log.ts";
import { RawClient } from "../raw-client.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;

export function head(exchange: ExchangeId): HttpServerEffect & { readonly type: "respond_head" } {
  return {
    type: "respond_head",
    exchange,
    status: 200,
    headers: ["content-type", "text/plain"],
    coding: null,
  };
}

/** A server whose core is the test: events are logged, and effects come from the test's own hand. */
export async function start(
  given: { readonly limits?: Partial<EdgeLimits>; readonly nowMs?: () => number } = {},
) {
  const log = new ExchangeLog();
  const faults: string[] = [];
  const upgrades: string[] = [];
  const waiting: (() => void)[] = [];
  const wake = () => {
    for (const check of waiting.splice(0)) check();
  };
  const options = {
    ...given,
    limits: { ...edgeLimits, ...given.limits },
    trustedProxies: [],
    port: 0,
    bind: "127.0.0.1",
    dispatch: log.dispatch,
    nonce: createNonceSource(),
    onUpgrade: (request: IncomingMessage, socket: Duplex) => {
      upgrades.push(request.url ?? "");
      socket.destroy();
      wake();
    },
    onFault: (code: string) => {
      faults.push(code);
      wake();
    },
  };
  const server = new HttpServer(options);
  const { port } = await server.listen();
  onTestFinished(() => server.close());
  const client = () => {
    const made = new RawClient(port);
    onTestFinished(() => made.leave());
    return made;
  };
  const until = (condition: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (condition()) resolve();
        else waiting.push(check);
      };
      check();
    });
  const opened = async (count: number) => {
    await log.until(() => log.all("exchange_opened").length >= count);
    const event = log.all("exchange_opened")[count - 1];
    if (event === undefined) throw new Error("unreachable");
    return event;
  };
  const respond = (
    exchange: ExchangeId,
    response: {
      readonly status?: number;
      readonly headers?: readonly string[];
      readonly body: readonly (string | Uint8Array)[];
      readonly close?: boolean;
    },
  ) => {
    const body = response.body.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part));
    const length = body.reduce((sum, part) => sum + part.length, 0);
    server.perform({
      type: "respond",
      exchange,
      status: response.status ?? 200,
      headers: response.headers ?? ["content-length", String(length)],
      body,
      close: response.close ?? false,
    });
  };
  /** A whole exchange on a connection of its own: whatever was under way on others has happened by then. */
  const pulse = async () => {
    const count = log.all("exchange_opened").length;
    const other = client();
    other.get("/pulse");
    const { exchange } = await opened(count + 1);
    respond(exchange, { body: ["pulse"] });
    await other.untilText("\r\n\r\npulse");
  };
  const flushed = (exchange: ExchangeId) =>
    log
      .all("exchange_flushed")
      .filter((event) => "exchange" in event && event.exchange === exchange)
      .reduce((sum, event) => sum + event.bytes, 0);
  const received = (exchange: ExchangeId) =>
    log
      .all("exchange_body")
      .reduce((sum, event) => sum + (event.exchange === exchange ? event.bytes.length : 0), 0);
  return {
    server,
    options,
    port,
    log,
    faults,
    upgrades,
    client,
    until,
    opened,
    respond,
    pulse,
    flushed,
    received,
  };
}

class ExchangeLog extends EventLog<HttpServerEvent> {
  of(exchange: ExchangeId): HttpServerEvent[] {
    return this.events.filter((event) => "exchange" in event && event.exchange === exchange);
  }
}

export function bodyOf(client: RawClient): Buffer {
  const bytes = Buffer.concat(client.pieces);
  return bytes.subarray(bytes.indexOf("\r\n\r\n") + 4);
}

/** The chunks that have arrived whole, without their framing. */
export function dechunked(client: RawClient): Buffer {
  const bytes = bodyOf(client);
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) break;
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    if (size === 0 || line + 2 + size > bytes.length) break;
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
  return Buffer.concat(chunks);
}

export function sha256(parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
