/**
 * A home is sent nothing but the body of the request that it was asked: no byte more than was declared and none less at its
 * end, nothing behind the end, and of an upgrade nothing before the 101. What comes earlier, a home that does not upgrade
 * would read as a second request, which no server has looked at.
 */
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import type { Property } from "../record/checker.ts";
import { ofEachProcess } from "./of-each-process.ts";

/** A request that takes more than it came with. */
type Fed = {
  readonly upgrade: boolean;
  upgraded: boolean;
  /** Null where the end alone tells. */
  readonly declaredBytes: number | null;
  sentBytes: number;
  ended: boolean;
};

export const originFed: Property = {
  name: "origin_fed",
  create: (violate, judged) => {
    const requestsOf = ofEachProcess(() => new Map<number, Fed>());
    return {
      sees: [
        "origin_request",
        "origin_head",
        "origin_ended",
        "origin_failed",
        "origin_send",
        "origin_send_end",
        "origin_abort",
      ],
      agentStep: (process, event, effects, count) => {
        const { name } = process;
        const requests = requestsOf(process);
        hear(requests, event);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "origin_request") begin(requests, effect);
          if (effect?.type === "origin_abort") requests.delete(effect.exchange);
          if (effect?.type !== "origin_send" && effect?.type !== "origin_send_end") continue;
          judged();
          const wrong = wrongWith(requests.get(effect.exchange), effect);
          if (wrong !== null)
            violate("safety", `${name} sends the home of request ${effect.exchange} ${wrong}`);
        }
      },
    };
  },
};

function hear(requests: Map<number, Fed>, event: AgentEvent): void {
  if (event.type === "origin_ended" || event.type === "origin_failed") requests.delete(event.exchange);
  if (event.type !== "origin_head" || event.status !== 101) return;
  const fed = requests.get(event.exchange);
  if (fed !== undefined) fed.upgraded = true;
}

function begin(
  requests: Map<number, Fed>,
  { exchange, body, bodyBytes, upgrade }: Extract<AgentEffect, { readonly type: "origin_request" }>,
): void {
  if (body !== "streamed" && !upgrade) return;
  requests.set(exchange, { upgrade, upgraded: false, declaredBytes: bodyBytes, sentBytes: 0, ended: false });
}

function wrongWith(
  fed: Fed | undefined,
  effect: Extract<AgentEffect, { readonly type: "origin_send" | "origin_send_end" }>,
): string | null {
  if (fed === undefined) return "something, which takes nothing more";
  if (fed.ended) return "something behind the end of its body";
  if (fed.upgrade && !fed.upgraded) return "something before its 101";
  if (effect.type === "origin_send") fed.sentBytes += effect.bytes.length;
  else fed.ended = true;
  const { declaredBytes, sentBytes, ended } = fed;
  if (declaredBytes === null || (ended ? sentBytes === declaredBytes : sentBytes <= declaredBytes))
    return null;
  return `${sentBytes} bytes of a body of ${declaredBytes}`;
}
