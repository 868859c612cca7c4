/** The server's WebSockets, tunnels and visitor sockets alike, on `ws`. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import WebSocket, { WebSocketServer } from "ws";
import { assert } from "../../core/assert.ts";
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import { frameResponse } from "../../core/http1/response-writer.ts";
import type { SocketId } from "../../core/ids.ts";
import { FrameWriter } from "../socket/frame-writer.ts";
import { FramedWebSocket } from "../socket/framed-web-socket.ts";
import { lingeringClose } from "../socket/linger.ts";
import { countReceived } from "../socket/received-bytes.ts";
import { noteWholeBuffer } from "../socket/whole-buffers.ts";

export type ServerSocketEvent = Extract<
  ServerEvent,
  { readonly type: "upgrade_requested" | `socket_${string}` }
>;
export type ServerSocketEffect = Extract<
  ServerEffect,
  { readonly type: `upgrade_${string}` | `socket_${string}` }
>;

export type ServerSocketsOptions = {
  /** A message above this many bytes closes its socket with 1009. */
  readonly messageBytesMax: number;
  readonly dispatch: (event: ServerSocketEvent) => void;
  readonly nonce: () => Uint8Array;
  /** Takes back a handshake that is not for us. What followed it is in its stream again. */
  readonly onForward: (request: IncomingMessage) => void;
  /** Gets a handshake that is being refused, whose connection ends with that. */
  readonly onRefused: (request: IncomingMessage) => void;
};

/** A peer that does not finish the closing handshake is cut off after this time. */
const CLOSE_TIMEOUT_MS = 5_000;

/** `closeTimeout` is younger than the type declarations of `ws`. */
const SERVER_OPTIONS = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  skipUTF8Validation: false,
  autoPong: true,
  closeTimeout: CLOSE_TIMEOUT_MS,
  WebSocket: FramedWebSocket,
};

type Connection = {
  readonly socket: SocketId;
  readonly stream: Duplex;
  /** The request that waits for its answer; null from then on. */
  handshake: IncomingMessage | null;
  /** Null before the handshake is complete. */
  webSocket: FramedWebSocket | null;
  readonly writer: FrameWriter;
  /** Why the connection broke, for `socket_closed`. */
  cause: string;
};

/** Orders for a socket that has closed here are ignored: its last event is on the way. */
export class ServerSockets {
  readonly #options: ServerSocketsOptions;
  readonly #server: InstanceType<typeof WebSocketServer<typeof FramedWebSocket>>;
  readonly #connections = new Map<SocketId, Connection>();
  #socketsOpened = 0;

  constructor(options: ServerSocketsOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({ ...SERVER_OPTIONS, maxPayload: options.messageBytesMax });
  }

  /** Takes over a connection on which a well-formed handshake was read (RFC 6455 section 4.2.1). */
  take(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const socket = ++this.#socketsOpened as SocketId;
    const options = this.#options;
    const connection: Connection = {
      socket,
      stream,
      handshake: request,
      webSocket: null,
      writer: new FrameWriter({
        stream,
        masked: false,
        onGone: (bytes) => {
          if (this.#connections.has(socket)) options.dispatch({ type: "socket_flushed", socket, bytes });
        },
      }),
      cause: "",
    };
    this.#connections.set(socket, connection);
    stream.on("error", (error) => {
      connection.cause = error.message;
    });
    stream.once("close", () => {
      if (connection.webSocket === null) this.#close(connection, 1006, "");
    });
    watchForEnd(stream, head);
    options.dispatch({
      type: "upgrade_requested",
      socket,
      target: request.url ?? "",
      headers: request.rawHeaders,
      peer: request.socket.remoteAddress ?? "",
    });
  }

  perform(effect: ServerSocketEffect): void {
    const connection = this.#connections.get(effect.socket);
    if (connection === undefined) return;
    const { stream, webSocket } = connection;
    switch (effect.type) {
      case "upgrade_accept":
        this.#accept(connection, effect.protocol);
        break;
      case "upgrade_forward":
        this.#forward(connection);
        break;
      case "upgrade_refuse":
        this.#options.onRefused(takeHandshake(connection));
        stopWatching(stream);
        lingeringClose(stream, refusalBytes(effect.status, effect.headers, effect.body));
        break;
      case "socket_send_text":
        if (webSocket?.readyState === WebSocket.OPEN) connection.writer.text(effect.text);
        break;
      case "socket_send_packet":
        if (webSocket?.readyState === WebSocket.OPEN) connection.writer.binary(effect.header, effect.body);
        break;
      case "socket_ping":
        if (webSocket?.readyState === WebSocket.OPEN) webSocket.ping();
        break;
      case "socket_close":
        if (webSocket === null) stream.destroy();
        else {
          webSocket.close(effect.code, effect.reason);
          // The peer's close frame is behind what was not read yet.
          webSocket.resume();
        }
        break;
      case "socket_terminate":
        stream.destroy();
        break;
      case "socket_pause":
        if (effect.paused) webSocket?.pause();
        else webSocket?.resume();
        break;
    }
  }

  /** Cuts all connections. */
  close(): void {
    for (const { stream } of this.#connections.values()) stream.destroy();
  }

  #forward(connection: Connection): void {
    const { socket, stream } = connection;
    const handshake = takeHandshake(connection);
    this.#connections.delete(socket);
    stopWatching(stream);
    this.#options.onForward(handshake);
  }

  #accept(connection: Connection, protocol: string | null): void {
    const { stream } = connection;
    const handshake = takeHandshake(connection);
    // `ws` takes no list here, though RFC 6455 does; and of the subprotocols that are offered it would choose the first.
    handshake.headers.upgrade = "websocket";
    if (protocol === null) delete handshake.headers["sec-websocket-protocol"];
    else handshake.headers["sec-websocket-protocol"] = protocol;
    stopWatching(stream);
    // Where the peer has left meanwhile, the callback never runs: the stream closes instead.
    this.#server.handleUpgrade(handshake, stream, Buffer.alloc(0), (webSocket) => {
      connection.webSocket = webSocket;
      this.#listen(connection, webSocket);
      webSocket.resume();
    });
  }

  #listen(connection: Connection, webSocket: FramedWebSocket): void {
    const { socket, stream, writer } = connection;
    const { dispatch, nonce } = this.#options;
    webSocket.writeWith(writer, stream);
    dispatch({ type: "socket_opened", socket, nonce: nonce() });
    webSocket.on("message", (data, isBinary) => {
      assert(Buffer.isBuffer(data), "a message is not a Buffer, though no other binary type was set");
      countReceived(data);
      if (isBinary) {
        noteWholeBuffer(data);
        dispatch({ type: "socket_bytes", socket, bytes: data });
      } else dispatch({ type: "socket_text", socket, text: data.toString() });
    });
    webSocket.on("ping", () => dispatch({ type: "socket_heard", socket }));
    webSocket.on("pong", () => dispatch({ type: "socket_heard", socket }));
    webSocket.on("error", (error) => {
      connection.cause = error.message;
    });
    webSocket.on("close", (code, reason) => this.#close(connection, code, reason.toString()));
  }

  #close(connection: Connection, code: number, reason: string): void {
    const { socket, cause } = connection;
    if (!this.#connections.delete(socket)) return;
    this.#options.dispatch({ type: "socket_closed", socket, code, reason: reason || cause });
  }
}

/** A plain response in the place of the handshake's; the connection ends with it. */
function refusalBytes(status: number, headers: HeaderList, body: Uint8Array): Uint8Array {
  const asked = { method: "GET", minorVersion: 1, persistent: false } as const;
  const date = new Date().toUTCString();
  const options = { status, headers: ["date", date, ...headers], close: true, date, idleSeconds: 0 };
  return Buffer.concat([Buffer.from(frameResponse(asked, options).head, "latin1"), body]);
}

function takeHandshake(connection: Connection): IncomingMessage {
  const { handshake } = connection;
  assert(handshake !== null, "a handshake was answered twice");
  connection.handshake = null;
  return handshake;
}

/**
 * While a handshake waits, the stream is read, since nothing else tells that the visitor has left. A client may send
 * nothing before the answer (RFC 6455 section 4.1); what one sends nevertheless is put back, and then the wait is blind.
 */
function watchForEnd(stream: Duplex, head: Buffer): void {
  stream.on("end", onEarlyEnd);
  if (head.length > 0) stream.unshift(head);
  else stream.on("data", onEarlyData).resume();
}

function stopWatching(stream: Duplex): void {
  stream.off("end", onEarlyEnd);
  stream.off("data", onEarlyData);
}

function onEarlyEnd(this: Duplex): void {
  this.destroy();
}

function onEarlyData(this: Duplex, bytes: Buffer): void {
  this.pause();
  this.unshift(bytes);
}
