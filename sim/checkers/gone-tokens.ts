/** What a server process was told of the tokens in use, as far as it must have listened. */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { ServerLimits } from "../../core/limits.ts";
import type { HeldToken } from "../../core/registry.ts";

type Operation = Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];
type CheckTokens = Extract<Operation, { readonly type: "check_tokens" }>;

export type ToldOfTokens = {
  /** All that were asked about. */
  readonly asked: readonly HeldToken[];
  readonly gone: readonly HeldToken[];
  readonly expired: readonly HeldToken[];
};

export class GoneTokens {
  readonly #calls = new Map<number, { readonly operation: CheckTokens; readonly untilMs: number }>();
  /** When an operation was first asked for: the same one is another attempt of the same call. */
  readonly #begunMs = new WeakMap<CheckTokens, number>();

  /** Notes what a step asks, and gives the tokens that it asks about. */
  note(effect: ServerEffect | undefined, nowMs: number, limits: ServerLimits): readonly HeldToken[] {
    if (effect?.type !== "registry_call" || effect.operation.type !== "check_tokens") return [];
    const { operation, call } = effect;
    const begunMs = this.#begunMs.get(operation) ?? nowMs;
    this.#begunMs.set(operation, begunMs);
    const untilMs = Math.min(nowMs + limits.registryCallMs, begunMs + limits.leaseRenewMs);
    this.#calls.set(call, { operation, untilMs });
    return operation.tokens;
  }

  /** Null where the event tells nothing, or comes when the process may have given the call up. */
  hear(event: ServerEvent, nowMs: number): ToldOfTokens | null {
    if (event.type !== "registry_answered") return null;
    const call = this.#calls.get(event.call);
    this.#calls.delete(event.call);
    const { outcome } = event;
    if (call === undefined || outcome.type !== "tokens_checked" || nowMs >= call.untilMs) return null;
    const { tokens } = call.operation;
    const at = (places: readonly number[]) => places.flatMap((place) => tokens[place] ?? []);
    return { asked: tokens, gone: at(outcome.gone), expired: at(outcome.expired) };
  }
}
