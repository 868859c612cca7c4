/** One WebSocket of the server, seen from its other end. Throws on an order that no adapter could obey. */
import { expect } from "vitest";
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { SocketId } from "../../core/ids.ts";
import { type PacketSpec, packetBytes } from "./packet-bytes.ts";

export type SocketOrder = Extract<ServerEffect, { socket: SocketId }>;

/** A request frame, parsed by the test. */
export type RequestFrame = {
  readonly type: "HTTP";
  readonly request_id: number;
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly payload?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly encoding: string;
  readonly profile: string | null;
};

export class TestSocket {
  readonly id: SocketId;
  /** How it is named on the wire and in the registry. */
  readonly wireId: number;
  stage: "handshake" | "accepted" | "open" | "closing" | "gone" = "handshake";
  refusal: { readonly status: number; readonly headers: HeaderList; readonly code: unknown } | null = null;
  /** Texts that were sent to it. */
  readonly texts: string[] = [];
  /** The subprotocol that was chosen. */
  protocol: string | null = null;
  /** Whether it was sent on to be an exchange. */
  isForwarded = false;
  unflushedBytes = 0;
  paused = false;
  pings = 0;
  /** With which code and reason it was closed; terminated is 1006. */
  closed: { readonly code: number; readonly reason: string } | null = null;
  /** Whether handshakes, reading and closing happen at once or wait for the test. */
  reacts: boolean;
  /** Hears of each order that was obeyed. */
  readonly onOrder: ((order: SocketOrder) => void) | undefined;
  readonly #dispatch: (event: ServerEvent) => void;

  constructor(
    id: SocketId,
    wireId: number,
    options: { readonly reacts: boolean; readonly onOrder?: ((order: SocketOrder) => void) | undefined },
    dispatch: (event: ServerEvent) => void,
  ) {
    this.id = id;
    this.wireId = wireId;
    this.reacts = options.reacts;
    this.onOrder = options.onOrder;
    this.#dispatch = dispatch;
  }

  get isOpen(): boolean {
    return this.stage === "open";
  }

  /** The request frames that came, oldest first. */
  get requests(): RequestFrame[] {
    return this.#frames().filter((frame): frame is RequestFrame => frame.type === "HTTP");
  }

  /** The ids that it was told to stop sending for. */
  get aborts(): number[] {
    return this.#frames().flatMap((frame) => (frame.type === "ABORT" ? [frame.request_id] : []));
  }

  /** The last text, parsed. */
  get lastFrame() {
    return JSON.parse(this.texts.at(-1) ?? "null");
  }

  open(): void {
    if (this.stage !== "accepted") return;
    this.stage = "open";
    this.#dispatch({ type: "socket_opened", socket: this.id, nonce: new Uint8Array(16).fill(this.id) });
  }

  /** The agent sends a packet. */
  send(packet: PacketSpec): void {
    this.sendBytes(packetBytes(packet));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#dispatch({ type: "socket_bytes", socket: this.id, bytes });
  }

  say(text: string): void {
    this.#dispatch({ type: "socket_text", socket: this.id, text });
  }

  /** A ping or pong from the other end. */
  beat(): void {
    this.#dispatch({ type: "socket_heard", socket: this.id });
  }

  flush(bytes = this.unflushedBytes): void {
    this.unflushedBytes -= bytes;
    if (bytes > 0) this.#dispatch({ type: "socket_flushed", socket: this.id, bytes });
  }

  /** The connection is gone. */
  lose(code = 1006): void {
    if (this.stage === "gone") return;
    this.stage = "gone";
    this.#dispatch({ type: "socket_closed", socket: this.id, code, reason: "" });
  }

  perform(effect: SocketOrder): void {
    // The order and the end of the connection may have crossed.
    if (this.stage === "gone") return;
    this.#obey(effect);
    this.onOrder?.(effect);
  }

  #obey(effect: SocketOrder): void {
    switch (effect.type) {
      case "upgrade_accept":
        expect(this.stage, "a handshake is completed twice").toBe("handshake");
        this.stage = "accepted";
        this.protocol = effect.protocol;
        if (this.reacts) this.open();
        break;
      case "upgrade_refuse": {
        expect(this.stage, "a handshake is refused that is over").toBe("handshake");
        const { status, headers, body } = effect;
        this.refusal = { status, headers, code: JSON.parse(Buffer.from(body).toString()).code };
        this.stage = "closing";
        if (this.reacts) this.lose();
        break;
      }
      case "socket_send_text":
        expect(this.stage, "a socket is sent to that is not open").toBe("open");
        this.texts.push(effect.text);
        this.unflushedBytes += Buffer.byteLength(effect.text);
        if (this.reacts) this.flush();
        break;
      case "upgrade_forward":
        expect(this.stage, "a handshake is sent on that is over").toBe("handshake");
        this.isForwarded = true;
        this.stage = "gone";
        break;
      case "socket_send_packet":
        expect(this.stage, "a socket is sent to that is not open").toBe("open");
        this.unflushedBytes += effect.header.length;
        for (const part of effect.body) this.unflushedBytes += part.length;
        if (this.reacts) this.flush();
        break;
      case "socket_ping":
        expect(this.stage, "a socket is pinged that is not open").toBe("open");
        this.pings++;
        break;
      case "socket_pause":
        expect(this.stage, "a socket is paused that is not open").toBe("open");
        expect(this.paused, "a socket is paused or resumed twice").toBe(!effect.paused);
        this.paused = effect.paused;
        break;
      case "socket_close":
        expect(this.stage, "a socket is closed that is not open").toBe("open");
        expect(this.paused, "a socket is closed that cannot see the answer").toBe(false);
        this.stage = "closing";
        this.closed = { code: effect.code, reason: effect.reason };
        if (this.reacts) this.lose(effect.code);
        break;
      case "socket_terminate":
        this.stage = "closing";
        this.closed = { code: 1006, reason: "" };
        if (this.reacts) this.lose();
        break;
    }
  }

  #frames(): { type: string; request_id: number }[] {
    return this.texts.map((text) => JSON.parse(text));
  }
}
