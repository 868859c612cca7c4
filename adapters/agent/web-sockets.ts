/** The agent's WebSockets to the server, on `ws`. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import WebSocket from "ws";
import { assert } from "../../core/assert.ts";
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent, ConnectFault } from "../../core/events.ts";
import type { SocketId } from "../../core/ids.ts";
import { causeOf } from "../error-cause.ts";
import { endpointOf } from "../socket/endpoint.ts";
import { FrameWriter } from "../socket/frame-writer.ts";
import { FramedWebSocket } from "../socket/framed-web-socket.ts";
import { countReceived } from "../socket/received-bytes.ts";
import type { Dialler } from "./dialler.ts";

export type AgentSocketEvent = Extract<AgentEvent, { readonly type: `socket_${string}` }>;
export type AgentSocketEffect = Extract<AgentEffect, { readonly type: `socket_${string}` }>;
type SocketConnect = Extract<AgentSocketEffect, { readonly type: "socket_connect" }>;

export type AgentSocketsOptions = {
  /** `http:`, `https:`, `ws:` or `wss:`; its path, if any, goes before every target. */
  readonly server: URL;
  readonly dialler: Dialler;
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

type Connection = {
  readonly socket: SocketId;
  readonly webSocket: FramedWebSocket;
  /** Null until the handshake is answered. */
  writer: FrameWriter | null;
  /** Reports the refusal of the handshake whose body is being read. */
  refuse: (() => void) | null;
  /** Why the connection broke, for `socket_closed`. */
  cause: string;
  /** Until the handshake is answered, or ended by order. */
  isOpening: boolean;
  /** Why it got no answer; null where nothing broke, or it got one. */
  fault: ConnectFault | null;
};

/**
 * Each `socket_connect` is followed by exactly one `socket_closed`, the socket's last event. Orders for a socket that is
 * not open are ignored, since its last event is on the way. Nothing here writes a target anywhere: it holds a secret.
 */
export class AgentSockets {
  readonly #connections = new Map<SocketId, Connection>();
  readonly #options: AgentSocketsOptions;
  readonly #base: string;

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
    const { webSocket, writer } = connection;
    switch (effect.type) {
      case "socket_send_packet":
        if (webSocket.readyState === WebSocket.OPEN) writer?.binary(effect.header, effect.body);
        break;
      case "socket_send_text":
        if (webSocket.readyState === WebSocket.OPEN) writer?.text(effect.text);
        break;
      case "socket_ping":
        if (webSocket.readyState === WebSocket.OPEN) webSocket.ping();
        break;
      case "socket_close":
        connection.isOpening = false;
        webSocket.close(effect.code, effect.reason);
        break;
      case "socket_terminate":
        connection.isOpening = false;
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
    const { dispatch, dialler } = this.#options;
    const opening = dialler.open();
    const webSocket = new FramedWebSocket(url, {
      ...CLIENT_OPTIONS,
      maxPayload: this.#options.messageBytesMax,
      createConnection: opening.connect,
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
      writer: null,
      refuse: null,
      cause: "",
      isOpening: true,
      fault: null,
    };
    this.#connections.set(socket, connection);
    let chosen: string | null = null;
    webSocket.on("upgrade", (response) => {
      connection.writer = this.#writerOf(connection, response.socket);
      chosen = takeProtocol(response, protocols);
    });
    webSocket.on("open", () => {
      connection.isOpening = false;
      dispatch({ type: "socket_opened", socket, protocol: chosen });
    });
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
      if (connection.isOpening) connection.fault ??= dialler.faultOf(error);
    });
    webSocket.on("close", (code, reason) => {
      connection.refuse?.();
      opening.cancel();
      if (!this.#connections.delete(socket)) return;
      if (connection.fault !== null) dispatch({ type: "socket_failed", socket, fault: connection.fault });
      dispatch({ type: "socket_closed", socket, code, reason: reason.toString() || connection.cause });
    });
  }

  /** Reads the beginning of the body, for no longer than a moment, and closes the connection. */
  #onRefused(connection: Connection, response: IncomingMessage): void {
    const { socket, webSocket } = connection;
    connection.isOpening = false;
    const decoder = new TextDecoder();
    let body = "";
    let bytesLeft = REFUSAL_BYTES_MAX;
    const refuse = () => {
      if (connection.refuse === null) return;
      connection.refuse = null;
      clearTimeout(timer);
      const { statusCode: status = 0, headers } = response;
      const retryAfter = headers["retry-after"];
      this.#options.dispatch({ type: "socket_refused", socket, status, body, retryAfter });
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

  #writerOf({ socket, webSocket }: Connection, stream: Duplex): FrameWriter {
    const writer = new FrameWriter({
      stream,
      masked: true,
      onGone: (bytes) => {
        if (this.#connections.has(socket)) this.#options.dispatch({ type: "socket_flushed", socket, bytes });
      },
    });
    webSocket.writeWith(writer, stream);
    return writer;
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

/** `closeTimeout` is younger than the type declarations of `ws`. */
const CLIENT_OPTIONS = {
  perMessageDeflate: false,
  followRedirects: false,
  skipUTF8Validation: false,
  closeTimeout: CLOSE_TIMEOUT_MS,
};
