/** One visitor's request as the HTTP adapter and the visitor see it. Throws on an order that no adapter could obey. */
import { expect } from "vitest";
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { ContentCoding } from "../../core/http/compression.ts";
import { type HeaderList, headerValue } from "../../core/http/headers.ts";
import type { ExchangeId } from "../../core/ids.ts";

export type VisitEffect = Extract<ServerEffect, { exchange: ExchangeId }>;

export type VisitOptions = {
  /** The request body; given, the request has one. */
  readonly body?: Uint8Array | string;
  /** Whether the test itself sends the body that is asked for. */
  readonly streams?: boolean;
  readonly upgrade?: boolean;
  readonly expectsContinue?: boolean;
  /** Whether the visitor takes all that comes at once; otherwise nothing until `take`. */
  readonly takes?: boolean;
  /** Whether the test reports the end of the connection after a cut. */
  readonly lingers?: boolean;
};

export class Visit {
  readonly id: ExchangeId;
  /** The id on the wire. */
  readonly requestId: number;
  status = 0;
  headers: HeaderList = [];
  readonly interims: { readonly status: number; readonly headers: HeaderList }[] = [];
  trailers: HeaderList = [];
  /** Whether reading the request body was ordered to stop. */
  isPaused = false;
  readonly streams: boolean;
  readonly upgrade: boolean;
  coding: ContentCoding | null = null;
  /** Everything that was ordered to be written. */
  readonly parts: Uint8Array[] = [];
  /** Of each piece of a streamed body, whether it was given away for good. */
  readonly lastUses: boolean[] = [];
  unflushedBytes = 0;
  /** How the response stands, as the visitor can tell. */
  end: "none" | "clean" | "cut" = "none";
  /** Whether the body came in one order with its head. */
  whole = false;
  /** Whether the connection was ordered to be closed after a whole response. */
  closesConnection = false;
  isClosed = false;
  isRead = false;
  takes: boolean;
  readonly lingers: boolean;
  readonly requestBody: Uint8Array | null;
  readonly #dispatch: (event: ServerEvent) => void;

  constructor(
    id: ExchangeId,
    requestId: number,
    options: VisitOptions,
    dispatch: (event: ServerEvent) => void,
  ) {
    this.id = id;
    this.requestId = requestId;
    this.takes = options.takes ?? true;
    this.streams = options.streams ?? false;
    this.upgrade = options.upgrade ?? false;
    this.lingers = options.lingers ?? false;
    this.requestBody = options.body === undefined ? null : new Uint8Array(Buffer.from(options.body));
    this.#dispatch = dispatch;
  }

  get body(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.parts));
  }

  get text(): string {
    return Buffer.concat(this.parts).toString();
  }

  /** The code of the problem that was answered; undefined where the answer is none. */
  get code(): unknown {
    const type = headerValue(this.headers, "content-type");
    return type === "application/problem+json" ? JSON.parse(this.text).code : undefined;
  }

  header(name: string): string | undefined {
    return headerValue(this.headers, name);
  }

  /** The visitor takes so many bytes more, or all there are. */
  take(bytes = this.unflushedBytes): void {
    if (this.isClosed) return;
    expect(bytes, "a visitor takes what was not written").toBeLessThanOrEqual(this.unflushedBytes);
    this.unflushedBytes -= bytes;
    if (bytes > 0) this.#dispatch({ type: "exchange_flushed", exchange: this.id, bytes });
    if (this.end === "clean" && this.unflushedBytes === 0) this.close(true);
  }

  /** The visitor's connection is gone. */
  leave(): void {
    this.close(false);
  }

  close(complete: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#dispatch({ type: "exchange_closed", exchange: this.id, complete });
  }

  sendBody(bytes: Uint8Array | string): void {
    const given = new Uint8Array(Buffer.from(bytes));
    this.#dispatch({ type: "exchange_body", exchange: this.id, bytes: given });
  }

  endBody(trailers: HeaderList = []): void {
    this.#dispatch({ type: "exchange_body_ended", exchange: this.id, trailers });
  }

  perform(effect: VisitEffect): void {
    // The order and the end of the connection may have crossed.
    if (this.isClosed) return;
    switch (effect.type) {
      case "exchange_read":
        expect(this.isRead, "a request body is read twice").toBe(false);
        expect(this.requestBody !== null || this.streams, "a request is read that has no body").toBe(true);
        this.isRead = true;
        break;
      case "exchange_pause":
        expect(this.isPaused, "reading is paused or resumed twice").toBe(!effect.paused);
        this.isPaused = effect.paused;
        break;
      case "respond_interim":
        expect(this.status, "an interim response comes behind the final one").toBe(0);
        this.interims.push({ status: effect.status, headers: effect.headers });
        break;
      case "respond_upgrade":
        expect(this.upgrade, "an upgrade is answered that was not asked for").toBe(true);
        this.#begin(101, effect.headers);
        break;
      case "respond":
        this.#begin(effect.status, effect.headers);
        this.whole = true;
        this.closesConnection = effect.close;
        for (const part of effect.body) this.#write(part);
        this.end = "clean";
        break;
      case "respond_head":
        this.#begin(effect.status, effect.headers);
        this.coding = effect.coding;
        break;
      case "respond_body":
        expect(this.status, "a body comes before its head").not.toBe(0);
        expect(effect.bytes.length, "nothing is written").toBeGreaterThan(0);
        this.lastUses.push(effect.lastUse === true);
        this.#write(effect.bytes);
        break;
      case "respond_end":
        expect(this.status, "a response ends before its head").not.toBe(0);
        expect(this.end, "a response ends twice").toBe("none");
        this.end = "clean";
        this.trailers = effect.trailers;
        break;
      case "respond_cut":
        this.end = "cut";
        if (!this.lingers) this.leave();
        return;
    }
    if (this.takes) this.take();
  }

  #begin(status: number, headers: HeaderList): void {
    expect(this.status, "a response begins twice").toBe(0);
    expect(this.end, "a response begins behind its end").toBe("none");
    if (!this.upgrade) expect(status).toBeGreaterThanOrEqual(200);
    this.status = status;
    this.headers = headers;
  }

  #write(bytes: Uint8Array): void {
    expect(this.end, "something is written behind the end").toBe("none");
    this.parts.push(bytes.slice());
    this.unflushedBytes += bytes.length;
  }
}
