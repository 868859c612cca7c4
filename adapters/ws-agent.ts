/** The agent's WebSockets to the server, on `ws`. */
import http, { type IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import WebSocket from "ws";
import { assert } from "../core/assert.ts";
import type { AgentEffect } from "../core/effects.ts";
import type { AgentEvent } from "../core/events.ts";
import type { SocketId } from "../core/ids.ts";
import { endpointOf } from "./endpoint.ts";
import { causeOf } from "./error-cause.ts";
import { countReceived } from "./received-bytes.ts";

export type AgentSocketEvent = Extract<AgentEvent, { readonly type: `socket_${string}` }>;
export type AgentSocketEffect = Extract<AgentEffect, { readonly type: `socket_${string}` }>;
type SocketConnect = Extract<AgentSocketEffect, { readonly type: "socket_connect" }>;

export type AgentSocketsOptions = {
  /** `http:`, `https:`, `ws:` or `wss:`; its path, if any, goes before every target. */
  readonly server: URL;
  /** A message above this many bytes closes the socket with 1009. */
  readonly messageBytesMax: number;
  readonly dispatch: (event: AgentSocketEvent) => void;
};

/** A peer that does not finish the closing handshake is cut off after this time. */
export const CLOSE_TIMEOUT_MS = 5_000;

/** Of the body of a refusal that is reported: a problem says what it has to say in less. */
export const REFUSAL_BYTES_MAX = 2 * 1024;

/** The body of a refusal is waited for this long. */
export const REFUSAL_TIMEOUT_MS = 1_000;

/**
 * Packets below this share a write with others of their turn of the event loop, because the system call costs more than the
 * bytes. A packet of at least this size goes out at once: waiting would only leave the link idle.
 */
const BULK_BYTES = 16 * 1024;

/**
 * So many small packets are written without waiting for the end of the turn. Under load a turn brings an answer to every
 * request that is under way; were all of them written at once at its end, they would go round as one convoy, and the server,
 * the origin and the agent would each rest while another works. At fewer, the system calls cost more than that gains.
 */
const BATCH_MESSAGES_MAX = 8;

/** Bulk packets whose bytes have left, kept to be filled again: as many as a busy link has under way. */
const SPARE_PACKETS_MAX = 32;

/** Small messages that are written together, and told as flushed together. */
type Batch = { messages: number; bytes: number; readonly onSent: (error?: Error) => void };

type Connection = {
  readonly socket: SocketId;
  readonly webSocket: WebSocket;
  /** What `webSocket` writes to; null until the handshake is answered. */
  stream: Duplex | null;
  /** The small messages that wait in `stream`, which is corked meanwhile; null while none do. */
  batch: Batch | null;
  /** Whether what waits at the end of this turn will be written then. */
  isFlushDue: boolean;
  /** Reports the refusal of the handshake whose body is being read. */
  refuse: (() => void) | null;
  /** Why the connection broke, for `socket_closed`. */
  cause: string;
};

/**
 * Each `socket_connect` is followed by exactly one `socket_closed`, the socket's last event. Orders for a socket that is
 * not open are ignored, since its last event is on the way. Nothing here writes a target anywhere: it holds a secret.
 */
export class AgentSockets {
  readonly #connections = new Map<SocketId, Connection>();
  readonly #options: AgentSocketsOptions;
  readonly #base: string;
  readonly #spare: Buffer<ArrayBuffer>[] = [];

  constructor(options: AgentSocketsOptions) {
    this.#options = options;
    this.#base = options.server.origin + endpointOf(options.server).basePath;
  }

  perform(effect: AgentSocketEffect): void {
    if (effect.type === "socket_connect") {
      this.#connect(effect);
      return;
    }
    const connection = this.#connections.get(effect.socket);
    if (connection === undefined) return;
    const { webSocket } = connection;
    switch (effect.type) {
      case "socket_send_packet":
        this.#sendPacket(connection, effect.header, effect.body);
        break;
      case "socket_send_text":
        this.#sendText(connection, effect.text);
        break;
      case "socket_ping":
        if (webSocket.readyState === WebSocket.OPEN) webSocket.ping();
        break;
      case "socket_close":
        webSocket.close(effect.code, effect.reason);
        break;
      case "socket_terminate":
        webSocket.terminate();
        break;
    }
  }

  /** Cuts every connection. */
  close(): void {
    for (const { webSocket } of this.#connections.values()) webSocket.terminate();
  }

  #connect({ socket, target, headers, protocols }: SocketConnect): void {
    // Not `new URL`: what that throws carries its input.
    const url = URL.parse(this.#base + target);
    assert(url !== null && url.hash === "", "the target of a socket is not in origin form");
    const webSocket = new WebSocket(url, {
      ...CLIENT_OPTIONS,
      maxPayload: this.#options.messageBytesMax,
      finishRequest: (request) => {
        for (let at = 0; at + 1 < headers.length; at += 2)
          request.appendHeader(headers[at] ?? "", headers[at + 1] ?? "");
        // Not by the option of `ws`, which fails a handshake whose offer the server passed over. RFC 6455 section 4.2.2
        // allows that, and it is how a server says that it speaks none of them.
        if (protocols.length > 0) request.setHeader("Sec-WebSocket-Protocol", protocols.join(", "));
        request.end();
      },
    });
    const connection: Connection = {
      socket,
      webSocket,
      stream: null,
      batch: null,
      isFlushDue: false,
      refuse: null,
      cause: "",
    };
    this.#connections.set(socket, connection);
    const { dispatch } = this.#options;
    let chosen: string | null = null;
    webSocket.on("upgrade", (response) => {
      connection.stream = response.socket;
      chosen = takeProtocol(response, protocols);
    });
    webSocket.on("open", () => dispatch({ type: "socket_opened", socket, protocol: chosen }));
    webSocket.on("unexpected-response", (_request, response) => this.#onRefused(connection, response));
    webSocket.on("message", (data, isBinary) => {
      assert(Buffer.isBuffer(data), "a message is not a Buffer, though no other binary type was set");
      countReceived(data);
      if (isBinary) dispatch({ type: "socket_bytes", socket, bytes: data });
      else dispatch({ type: "socket_text", socket, text: data.toString() });
    });
    webSocket.on("ping", () => dispatch({ type: "socket_heard", socket }));
    webSocket.on("pong", () => dispatch({ type: "socket_heard", socket }));
    webSocket.on("error", (error) => {
      if (connection.cause === "") connection.cause = causeOf(error);
    });
    webSocket.on("close", (code, reason) => {
      connection.refuse?.();
      if (!this.#connections.delete(socket)) return;
      dispatch({ type: "socket_closed", socket, code, reason: reason.toString() || connection.cause });
    });
  }

  /** Reads the beginning of the body, for no longer than a moment, and closes the connection. */
  #onRefused(connection: Connection, response: IncomingMessage): void {
    const { socket, webSocket } = connection;
    const decoder = new TextDecoder();
    let body = "";
    let bytesLeft = REFUSAL_BYTES_MAX;
    const refuse = () => {
      if (connection.refuse === null) return;
      connection.refuse = null;
      clearTimeout(timer);
      this.#options.dispatch({ type: "socket_refused", socket, status: response.statusCode ?? 0, body });
      webSocket.terminate();
    };
    const timer = setTimeout(refuse, REFUSAL_TIMEOUT_MS);
    connection.refuse = refuse;
    response.on("data", (bytes: Buffer) => {
      // A character that the limit cuts is left out.
      body += decoder.decode(bytes.subarray(0, bytesLeft), { stream: true });
      bytesLeft -= Math.min(bytesLeft, bytes.length);
      if (bytesLeft === 0) refuse();
    });
    response.on("error", refuse);
    response.on("close", refuse);
  }

  #sendText(connection: Connection, text: string): void {
    this.#send(connection, text, Buffer.byteLength(text));
  }

  #sendPacket(connection: Connection, header: Uint8Array, body: readonly Uint8Array[]): void {
    let length = header.length;
    for (const part of body) length += part.length;
    // A pooled buffer would share its memory with others, and a bulk packet gives its own away below.
    const packet = length < BULK_BYTES ? Buffer.allocUnsafe(length) : this.#takeBulkPacket(length);
    packet.set(header);
    let at = header.length;
    for (const part of body) {
      packet.set(part, at);
      at += part.length;
    }
    // `ws` masks a Buffer into a second one, because it may not change what the caller owns. What it makes itself with
    // `Buffer.from` it masks in place, and of an ArrayBuffer that makes no copy: an eighth of the agent's CPU in a download.
    // A small packet is better masked into one buffer with its frame header than written as two.
    if (length < BULK_BYTES) this.#send(connection, packet, length);
    else this.#send(connection, { valueOf: () => packet.buffer }, length, packet);
  }

  /** Without spares a download would leave two buffers to the collector for each packet, and tens of megabytes wait for it. */
  #takeBulkPacket(length: number): Buffer<ArrayBuffer> {
    const spare = this.#spare.pop();
    return spare?.length === length ? spare : Buffer.allocUnsafeSlow(length);
  }

  #send(
    connection: Connection,
    message: Message,
    length: number,
    reusable: Buffer<ArrayBuffer> | null = null,
  ): void {
    const { webSocket } = connection;
    if (webSocket.readyState !== WebSocket.OPEN) return;
    if (length < BULK_BYTES) {
      const batch = connection.batch ?? this.#beginBatch(connection);
      batch.messages += 1;
      batch.bytes += length;
      webSocket.send(message, batch.onSent);
      if (batch.messages === BATCH_MESSAGES_MAX) flush(connection);
      return;
    }
    webSocket.send(message, (error) => {
      if (error) return;
      if (reusable !== null && this.#spare.length < SPARE_PACKETS_MAX) this.#spare.push(reusable);
      this.#onFlushed(connection, length);
    });
    flush(connection);
  }

  #beginBatch(connection: Connection): Batch {
    const batch: Batch = {
      messages: 0,
      bytes: 0,
      onSent: (error) => {
        batch.messages -= 1;
        if (batch.messages === 0 && !error) this.#onFlushed(connection, batch.bytes);
      },
    };
    connection.batch = batch;
    connection.stream?.cork();
    if (!connection.isFlushDue) {
      connection.isFlushDue = true;
      setImmediate(flushDue, connection);
    }
    return batch;
  }

  #onFlushed({ socket }: Connection, bytes: number): void {
    if (this.#connections.has(socket)) this.#options.dispatch({ type: "socket_flushed", socket, bytes });
  }
}

/**
 * The subprotocol that the server chose. `ws` was not told of any and would fail one that is chosen, so one that was
 * offered is taken out before it looks; another is left for it to fail (RFC 6455 section 4.1).
 */
function takeProtocol({ headers }: IncomingMessage, offered: readonly string[]): string | null {
  const chosen = headers["sec-websocket-protocol"];
  if (chosen === undefined || !offered.includes(chosen)) return null;
  delete headers["sec-websocket-protocol"];
  return chosen;
}

type Message = string | Buffer | { valueOf(): ArrayBuffer };

/**
 * Whether messages are masked by native code. Without it a download costs more than twice the CPU, so the program says
 * so in its log. `ws` uses the first of these that is there; `bufferutil` itself may be no more than its JavaScript stand-in.
 */
export function maskingIsNative(): boolean {
  if ("websocketMask" in http) return true;
  if (process.env.WS_NO_BUFFER_UTIL) return false;
  const require = createRequire(import.meta.url);
  try {
    return require("bufferutil").mask !== require("bufferutil/fallback").mask;
  } catch {
    return false;
  }
}

/** `closeTimeout` is younger than the type declarations of `ws`. */
const CLIENT_OPTIONS = {
  perMessageDeflate: false,
  followRedirects: false,
  skipUTF8Validation: false,
  closeTimeout: CLOSE_TIMEOUT_MS,
};

/** What waits at the end of a turn of the event loop is written then. */
function flushDue(connection: Connection): void {
  connection.isFlushDue = false;
  flush(connection);
}

function flush(connection: Connection): void {
  if (connection.batch === null) return;
  connection.batch = null;
  connection.stream?.uncork();
}
