/**
 * What waits at one end of the native protocol although it may go: a source is paused because its queue is full, or has
 * ended and its last frame has not gone out, and there is credit, and room on the socket and on the link.
 */
import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../core/events.ts";
import { type Flow, type FlowSession, NOWHERE } from "./native-session.ts";

/** One source, seen at the end of a tick, when all that is due was done. */
type Wait = {
  /** Since when it may go on and has sent no more than so much; null where it has to wait. */
  sinceMs: number | null;
  sentBytes: number;
};

export type WaitLimits = {
  readonly socketBytesMax: number;
  /** So long a piece may wait for others that fill its frame. */
  readonly fillMs: number;
};

export class Waits {
  /** By exchange on the wire. */
  readonly #waits = new Map<number, Wait>();
  /** An agent's own numbers of exchanges, and those on the wire. */
  readonly #onWire = new Map<number, number>();

  /** Numbers on the wire mean other exchanges from now on. */
  clear(): void {
    this.#waits.clear();
    this.#onWire.clear();
  }

  /** `opened`: the exchange that began in the step, which an agent gives its own number. */
  look(event: ServerEvent | AgentEvent, effects: Effects, count: number, opened: number | null): void {
    if (event.type === "exchange_body_ended") this.#waits.set(event.exchange, newWait());
    if (event.type === "origin_ended") this.#note(event.exchange, true);
    if (event.type === "exchange_closed") this.#waits.delete(event.exchange);
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect?.type === "origin_request" && opened !== null) this.#onWire.set(effect.exchange, opened);
      if (effect?.type === "origin_pause") this.#note(effect.exchange, effect.paused);
      if (effect?.type === "origin_abort") this.#note(effect.exchange, false);
      if (effect?.type !== "exchange_pause") continue;
      if (effect.paused) this.#waits.set(effect.exchange, newWait());
      else this.#waits.delete(effect.exchange);
    }
  }

  /** After a tick: what is wrong, or null. */
  overdue(sessions: Iterable<FlowSession>, limits: WaitLimits, nowMs: number): string | null {
    if (this.#waits.size === 0) return null;
    for (const session of sessions) {
      for (const [exchange, wait] of this.#waits) {
        const flow = session.flows.get(exchange);
        if (flow === undefined) continue;
        if (flow.finished || flow.over) this.#waits.delete(exchange);
        else if (!mayGoOn(session, flow, limits)) wait.sinceMs = null;
        else if (wait.sinceMs === null || wait.sentBytes !== flow.sentBytes) {
          wait.sinceMs = nowMs;
          wait.sentBytes = flow.sentBytes;
        } else if (nowMs - wait.sinceMs > limits.fillMs)
          return `lets exchange ${exchange} wait, which has credit for ${flow.sendLimit - flow.sentBytes} bytes`;
      }
    }
    return null;
  }

  #note(exchange: number, waits: boolean): void {
    const onWire = this.#onWire.get(exchange);
    if (onWire === undefined) return;
    if (waits) this.#waits.set(onWire, newWait());
    else this.#waits.delete(onWire);
  }
}

type Effects = readonly (ServerEffect | AgentEffect | undefined)[];

function newWait(): Wait {
  return { sinceMs: null, sentBytes: 0 };
}

function mayGoOn(session: FlowSession, flow: Flow, { socketBytesMax }: WaitLimits): boolean {
  if (session.socket === NOWHERE || session.resumeDue || session.resumeAwaited) return false;
  if (session.marks.holdBack) return false;
  return session.unsentBytes < socketBytesMax && !flow.forgotten && flow.sentBytes < flow.sendLimit;
}
