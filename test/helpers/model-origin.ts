/** A home service that answers each request with the bytes that its plan says, as fast as it is read. */
import { expect } from "vitest";
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent, OriginFault } from "../../core/events.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { ExchangeId } from "../../core/ids.ts";

export type OriginRequest = Extract<AgentEffect, { type: "origin_request" }>;

export type OriginAnswer = {
  readonly status?: number;
  readonly headers?: HeaderList;
  readonly body?: Uint8Array;
  /** How many bytes come at once. */
  readonly chunkBytes?: number;
};

type Running = {
  readonly request: OriginRequest;
  readonly answer: OriginAnswer;
  headed: boolean;
  at: number;
  paused: boolean;
};

export class ModelOrigin {
  answer: (request: OriginRequest) => OriginAnswer = () => ({});
  /** Whether nothing comes until the test says so. */
  holds = false;
  readonly requests: OriginRequest[] = [];
  readonly aborted: ExchangeId[] = [];
  readonly running = new Map<ExchangeId, Running>();

  perform(effect: AgentEffect): void {
    switch (effect.type) {
      case "origin_request":
        this.requests.push(effect);
        this.running.set(effect.exchange, {
          request: effect,
          answer: this.answer(effect),
          headed: false,
          at: 0,
          paused: false,
        });
        break;
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
    if (this.holds) return [];
    return [...this.running].flatMap(([exchange, running]) => this.#next(exchange, running));
  }

  /** The request breaks. */
  fail(exchange: ExchangeId, fault: OriginFault): AgentEvent {
    this.running.delete(exchange);
    return { type: "origin_failed", exchange, fault };
  }

  #next(exchange: ExchangeId, running: Running): AgentEvent[] {
    if (running.paused) return [];
    const { status = 200, headers = [], body = new Uint8Array(0), chunkBytes = 64 * 1024 } = running.answer;
    if (!running.headed) {
      running.headed = true;
      return [{ type: "origin_head", exchange, status, headers }];
    }
    if (running.at < body.length) {
      const bytes = body.slice(running.at, running.at + chunkBytes);
      running.at += bytes.length;
      return [{ type: "origin_body", exchange, bytes }];
    }
    this.running.delete(exchange);
    return [{ type: "origin_ended", exchange }];
  }
}
