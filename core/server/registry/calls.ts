/**
 * Calls to the registry: each has a deadline, and is made again while it is worth it.
 *
 * A call is asked -> answered, or asked -> failed -> waiting -> asked again under a new id, until its time is up. Every
 * operation is idempotent, so an attempt whose answer was lost may be repeated. An answer to an attempt that was given up
 * finds no call and changes nothing. What an answer means is for the handler of its purpose; here it is only carried.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { CallId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import type { RegistryFault, RegistryOperation, RegistryOutcome } from "../../registry.ts";
import { isToldAloud } from "../../report.ts";
import { arm, createTimer, disarm } from "../../timers.ts";
import type { CallPurpose, RegistryCall, ServerState } from "../state/server.ts";
import { enterDoor, leaveDoor } from "./strangers.ts";

/** What a call came to: an answer, a failure for good, or no room to ask. */
export type CallResult =
  | Exclude<RegistryOutcome, { readonly type: "failed" }>
  | { readonly type: "failed"; readonly cause: "registry_down" | "limit_registry_calls" };

/**
 * Asks the registry, for at most `budgetMs` in all; a budget of 0 makes a single attempt.
 * False where too many calls are under way already: the caller fails then and there. The node's own duties are always
 * asked for, or a crowd of visitors at a slow registry would let the leases of all homes lapse. `stranger` is the address
 * of somebody who has shown nothing good yet: he stands at the door until the call is over, wanted or not.
 */
export function callRegistry(
  state: ServerState,
  operation: RegistryOperation,
  purpose: CallPurpose,
  budgetMs: number,
  out: Outbox<ServerEffect>,
  stranger: string | null = null,
): boolean {
  if (!DUTIES.has(purpose.type) && state.calls.size >= state.config.limits.registryCallsMax) return false;
  attempt(state, { operation, purpose, giveUpMs: state.nowMs + budgetMs, stranger }, out);
  return true;
}

/** Takes an answer; undefined where nobody waits for it any more, or where the call will be made again. */
export function onRegistryAnswer(
  state: ServerState,
  id: CallId,
  outcome: RegistryOutcome,
  isWanted: (purpose: CallPurpose) => boolean,
  out: Outbox<ServerEffect>,
): { readonly purpose: CallPurpose; readonly result: CallResult } | undefined {
  const call = state.calls.get(id);
  if (call === undefined || !call.asked) return undefined;
  if (outcome.type === "failed") return onFailedAttempt(state, id, call, outcome.fault, isWanted, out);
  endCall(state, id, call);
  if (state.registryUp === false) out.push({ type: "report", report: { type: "registry_recovered" } });
  state.registryUp = true;
  state.registryFailures = 0;
  return { purpose: call.purpose, result: outcome };
}

/** The deadline of an attempt has passed, or the time for the next attempt has come. */
export function onCallTimer(
  state: ServerState,
  id: CallId,
  isWanted: (purpose: CallPurpose) => boolean,
  out: Outbox<ServerEffect>,
): { readonly purpose: CallPurpose; readonly result: CallResult } | undefined {
  const call = state.calls.get(id);
  assert(call !== undefined, "a call's timer outlived it");
  // A hung registry may still carry out what it was asked.
  if (call.asked) return onFailedAttempt(state, id, call, "unknown", isWanted, out);
  endCall(state, id, call);
  // A process that was stalled comes to it when the asker's patience is over.
  if (state.nowMs >= call.giveUpMs)
    return { purpose: call.purpose, result: { type: "failed", cause: "registry_down" } };
  if (isWanted(call.purpose)) attempt(state, call, out);
  return undefined;
}

function onFailedAttempt(
  state: ServerState,
  id: CallId,
  call: RegistryCall,
  fault: RegistryFault,
  isWanted: (purpose: CallPurpose) => boolean,
  out: Outbox<ServerEffect>,
): { readonly purpose: CallPurpose; readonly result: CallResult } | undefined {
  // `refused` is the registry's word on this call; it says nothing about the next one.
  if (fault !== "refused") state.registryUp = false;
  tellFailure(state, call.operation.type, fault, out);
  const retryMs = state.nowMs + state.config.limits.registryRetryMs;
  if (fault !== "refused" && retryMs < call.giveUpMs && isWanted(call.purpose)) {
    call.asked = false;
    arm(state.timers, call.timer, retryMs);
    return undefined;
  }
  endCall(state, id, call);
  return { purpose: call.purpose, result: { type: "failed", cause: "registry_down" } };
}

/** A registry that is down fails each call of each visitor, for as long as it takes. */
function tellFailure(
  state: ServerState,
  operation: RegistryOperation["type"],
  fault: RegistryFault,
  out: Outbox<ServerEffect>,
): void {
  const count = ++state.registryFailures;
  const level = isToldAloud(count) ? "error" : "debug";
  out.push({ type: "report", report: { type: "registry_failed", operation, fault, count, level } });
}

function attempt(
  state: ServerState,
  call: Pick<RegistryCall, "operation" | "purpose" | "giveUpMs" | "stranger">,
  out: Outbox<ServerEffect>,
): void {
  const id = ++state.callsMade as CallId;
  const timer = createTimer({ kind: "call", call: id } as const);
  if (call.stranger !== null) enterDoor(state, call.stranger);
  state.calls.set(id, {
    operation: call.operation,
    purpose: call.purpose,
    giveUpMs: call.giveUpMs,
    stranger: call.stranger,
    timer,
    asked: true,
  });
  const endMs = state.nowMs + state.config.limits.registryCallMs;
  // The last attempt ends with the patience of who asked; a single one, made on no budget, has its full time.
  arm(state.timers, timer, call.giveUpMs > state.nowMs ? Math.min(endMs, call.giveUpMs) : endMs);
  out.push({ type: "registry_call", call: id, operation: call.operation });
}

function endCall(state: ServerState, id: CallId, call: RegistryCall): void {
  disarm(state.timers, call.timer);
  state.calls.delete(id);
  if (call.stranger !== null) leaveDoor(state, call.stranger);
}

/** Of each duty one call is under way, and at the turn of its period another one for a moment. */
export const DUTY_CALLS_MAX = 6;

const DUTIES: ReadonlySet<CallPurpose["type"]> = new Set([
  "renew_leases",
  "delete_node",
  "check_tokens",
  "sweep",
]);
