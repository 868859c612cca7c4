/**
 * What an agent is told of a request is of the answer to that request, head and body: never another's, and never nobody's. It
 * ends as a whole only with its last byte.
 */
import type { OriginsEffect } from "../../core/origins/origins.ts";
import type { Property } from "../record/checker.ts";
import type { Visit } from "../record/visit.ts";
import { firstDifference, HOME_HEADER, taintKey } from "../scenario/model.ts";
import { headerOf } from "../tools/headers.ts";
import { ofEachProcess } from "./of-each-process.ts";

type Answer = {
  readonly visit: Visit;
  /** Of the home's own; an answer that is not may be of a page that it does not have. */
  isOwn: boolean;
  receivedBytes: number;
};

export const answersOwn: Property = {
  name: "answers_own",
  create: (violate, judged) => {
    const visits = new Map<number, Visit>();
    const answersOf = ofEachProcess(() => new Map<number, Answer>());
    return {
      visitStarted: (visit) => {
        visits.set(visit.operation.id, visit);
      },
      sees: ["origin_request", "origin_head", "origin_body", "origin_ended", "origin_failed", "origin_abort"],
      originsStep: (process, event, effects, count) => {
        const answers = answersOf(process);
        if (event.type === "origin_abort") answers.delete(event.exchange);
        if (event.type === "origin_request") {
          const visit = visits.get(Number(/[?&]visit=(\d+)/.exec(event.target)?.[1]));
          if (visit !== undefined) answers.set(event.exchange, { visit, isOwn: false, receivedBytes: 0 });
        }
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect === undefined || !("exchange" in effect)) continue;
          const answer = answers.get(effect.exchange);
          if (answer === undefined) continue;
          if (effect.type === "origin_ended" || effect.type === "origin_failed")
            answers.delete(effect.exchange);
          if (
            effect.type !== "origin_head" &&
            effect.type !== "origin_body" &&
            effect.type !== "origin_ended"
          )
            continue;
          judged();
          const wrong = wrongWith(answer, effect);
          if (wrong !== null)
            violate(
              "safety",
              `${process.name} takes ${wrong} for the answer to visit ${answer.visit.operation.id}`,
            );
        }
      },
    };
  },
};

function wrongWith(
  answer: Answer,
  effect: Extract<OriginsEffect, { readonly type: "origin_head" | "origin_body" | "origin_ended" }>,
): string | null {
  const { visit } = answer;
  const { clientId, operation, model } = visit;
  if (effect.type === "origin_head") {
    const said = headerOf(effect.headers, HOME_HEADER);
    answer.isOwn = said === `${clientId}/${operation.id}`;
    return said === undefined || answer.isOwn ? null : `the head of ${said}`;
  }
  // What a WebSocket carries is in frames.
  if (!answer.isOwn || model.status === 101) return null;
  if (effect.type === "origin_ended") {
    const { receivedBytes } = answer;
    return receivedBytes === model.bodyBytes ? null : `${receivedBytes} of ${model.bodyBytes} bytes`;
  }
  const from = answer.receivedBytes;
  answer.receivedBytes += effect.bytes.length;
  if (answer.receivedBytes > model.bodyBytes) return `${answer.receivedBytes} bytes, of ${model.bodyBytes},`;
  const key = taintKey(clientId, operation.id);
  const wrong = firstDifference(key, model.bodyOffset + from, effect.bytes);
  return wrong === -1 ? null : `another byte at ${from + wrong}`;
}
