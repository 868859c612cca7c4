/** A home service that answers each request with the bytes that its plan says, as fast as it is read. */
import { expect } from "vitest";
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent, OriginFault } from "../../core/events.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { ExchangeId } from "../../core/ids.ts";

export type OriginRequest = Extract<AgentEffect, { type: "origin_request" }>;

export type OriginAnswer = {
  readonly interims?: readonly { readonly status: number; readonly headers: HeaderList }[];
  readonly status?: number;
  readonly headers?: HeaderList;
  readonly body?: Uint8Array;
  /** How many bytes come at once. */
  readonly chunkBytes?: number;
  readonly trailers?: HeaderList;
  /** Whether it answers only when the request body is complete. */
  readonly waits?: boolean;
  /** Whether its body is what it is sent, from the head on and for as long as more comes. */
  readonly echoes?: boolean;
};

/** One request as the origin sees it. */
export type OriginRun = {
  readonly request: OriginRequest;
  readonly answer: OriginAnswer;
  /** The request body, as far as it came. */
  readonly received: Uint8Array[];
  isComplete: boolean;
  trailers: HeaderList;
  /** Of a streamed body: not yet reported as flushed. */
  unflushedBytes: number;
  interims: number;
  headed: boolean;
  at: number;
  paused: boolean;
};

export class ModelOrigin {
  answer: (request: OriginRequest) => OriginAnswer = () => ({});
  /** Whether nothing comes until the test says so. */
  holds = false;
  /** Whether its connections take no more of a request body. */
  stalls = false;
  readonly requests: OriginRequest[] = [];
  /** The same requests with what was sent for them. */
  readonly runs: OriginRun[] = [];
  readonly aborted: ExchangeId[] = [];
  readonly running = new Map<ExchangeId, OriginRun>();

  perform(effect: AgentEffect): void {
    switch (effect.type) {
      case "origin_request":
        this.#begin(effect);
        break;
      case "origin_send": {
        const run = this.#taking(effect.exchange);
        run.received.push(effect.bytes.slice());
        run.unflushedBytes += effect.bytes.length;
        break;
      }
      case "origin_send_end": {
        const run = this.#taking(effect.exchange);
        run.isComplete = true;
        run.trailers = effect.trailers;
        break;
      }
      case "origin_abort":
        expect(this.running.delete(effect.exchange), "a dead request is aborted").toBe(true);
        this.aborted.push(effect.exchange);
        break;
      case "origin_pause": {
        const running = this.running.get(effect.exchange);
        expect(running?.paused, "a dead request is paused, or one twice").toBe(!effect.paused);
        if (running !== undefined) running.paused = effect.paused;
        break;
      }
    }
  }

  /** What happens next: one step of every request that is read. */
  pump(): AgentEvent[] {
    const flushed = this.stalls ? [] : [...this.running].flatMap(([id, run]) => this.#flush(id, run));
    if (this.holds) return flushed;
    return [...flushed, ...[...this.running].flatMap(([exchange, run]) => this.#next(exchange, run))];
  }

  /** The request breaks. */
  fail(exchange: ExchangeId, fault: OriginFault): AgentEvent {
    this.running.delete(exchange);
    return { type: "origin_failed", exchange, fault };
  }

  #begin(request: OriginRequest): void {
    const isStreamed = request.body === "streamed" || request.upgrade;
    const run: OriginRun = {
      request,
      answer: this.answer(request),
      received: request.body instanceof Uint8Array ? [request.body.slice()] : [],
      isComplete: !isStreamed,
      trailers: [],
      unflushedBytes: 0,
      interims: 0,
      headed: false,
      at: 0,
      paused: false,
    };
    this.requests.push(request);
    this.runs.push(run);
    this.running.set(request.exchange, run);
  }

  #taking(exchange: ExchangeId): OriginRun {
    const run = this.running.get(exchange) ?? expect.fail("bytes for a request that is over");
    expect(run.isComplete, "bytes for a request that is complete").toBe(false);
    return run;
  }

  #flush(exchange: ExchangeId, run: OriginRun): AgentEvent[] {
    const bytes = run.unflushedBytes;
    run.unflushedBytes = 0;
    return bytes === 0 ? [] : [{ type: "origin_flushed", exchange, bytes }];
  }

  #next(exchange: ExchangeId, run: OriginRun): AgentEvent[] {
    const { interims = [], status = 200, headers = [], trailers = [], waits = false } = run.answer;
    const interim = interims[run.interims];
    if (interim !== undefined) {
      run.interims++;
      return [{ type: "origin_interim", exchange, ...interim }];
    }
    if (run.paused || (waits && !run.isComplete)) return [];
    if (!run.headed) {
      run.headed = true;
      return [{ type: "origin_head", exchange, status, headers }];
    }
    const bytes = this.#bodyOf(run);
    run.at += bytes.length;
    if (bytes.length > 0) return [{ type: "origin_body", exchange, bytes }];
    if (run.answer.echoes === true && !run.isComplete) return [];
    this.running.delete(exchange);
    return [{ type: "origin_ended", exchange, trailers }];
  }

  #bodyOf({ answer, received, at }: OriginRun): Uint8Array {
    const { body = new Uint8Array(0), chunkBytes = 64 * 1024 } = answer;
    const whole = answer.echoes === true ? Buffer.concat(received) : body;
    return new Uint8Array(whole.subarray(at, at + chunkBytes));
  }
}
