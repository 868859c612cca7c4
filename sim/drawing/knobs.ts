/** The numbers of a scenario that can be made smaller one by one: times and sizes. */
import { faultKinds, targetOf } from "../faults/index.ts";
import type { Fault, Operation, Scenario, SocketOperation, VisitOperation } from "../scenario/scenario.ts";
import { FIRST_OPERATION_MS } from "./operations.ts";
import { changedFault, changedOperation } from "./reductions.ts";

export type Knob = {
  readonly value: number;
  /** The smallest that still makes a scenario that a seed could have drawn. */
  readonly least: number;
  readonly set: (scenario: Scenario, value: number) => Scenario;
};

/** In an order that turning them does not change. */
export function knobsOf(scenario: Scenario): Knob[] {
  return [
    startOf(scenario),
    faultyTimeOf(scenario),
    ...scenario.operations.flatMap(operationKnobs),
    ...scenario.faults.flatMap((fault) => faultKnobs(scenario, fault)),
  ].map((knob) => ({ ...knob, least: Math.min(knob.least, knob.value) }));
}

/** Everything begins earlier, by the same time. */
function startOf({ operations }: Scenario): Knob {
  const value = operations.reduce((first, { atMs }) => Math.min(first, atMs), Number.MAX_SAFE_INTEGER);
  return {
    value: operations.length === 0 ? FIRST_OPERATION_MS : value,
    least: FIRST_OPERATION_MS,
    set: (scenario, startMs) => ({
      ...scenario,
      operations: scenario.operations.map((operation) => shiftedOperation(operation, startMs - value)),
      faults: scenario.faults.map((fault) => shiftedFault(fault, startMs - value)),
    }),
  };
}

function faultyTimeOf({ faultyMs, operations, faults }: Scenario): Knob {
  const beginnings = [...operations.map(({ atMs }) => atMs), ...faults.map(({ fromMs }) => fromMs)];
  return {
    value: faultyMs,
    least: Math.max(0, ...beginnings) + 1,
    set: (scenario, value) => ({ ...scenario, faultyMs: value }),
  };
}

function operationKnobs(operation: Operation): Knob[] {
  const knobs: Knob[] = [];
  // A magic token is used after the visit that stores it.
  if (operation.kind !== "visit" || operation.request.endpoint !== "magic_token_use") {
    knobs.push(startOfOperation(operation));
  }
  if (operation.kind === "visit") knobs.push(...visitKnobs(operation));
  if (operation.kind === "socket") knobs.push(closingTimeOf(operation));
  return knobs;
}

/** With a visit move the faults that it is the target of. */
function startOfOperation({ id, atMs }: Operation): Knob {
  return {
    value: atMs,
    least: FIRST_OPERATION_MS,
    set: (scenario, value) => ({
      ...changedOperation(id, (before) => shiftedOperation(before, value - atMs))(scenario),
      faults: scenario.faults.map((fault) =>
        targetOf(fault.kind) === "visit" && fault.target === id ? shiftedFault(fault, value - atMs) : fault,
      ),
    }),
  };
}

function closingTimeOf({ id, atMs, messages, closesAtMs }: SocketOperation): Knob {
  return {
    value: closesAtMs,
    least: Math.max(atMs, ...messages.map((message) => message.atMs)) + 1,
    set: (scenario, value) =>
      changedOperation(id, (before) =>
        before.kind === "socket" ? { ...before, closesAtMs: value } : before,
      )(scenario),
  };
}

function visitKnobs({ id, request, answer, leaves }: VisitOperation): Knob[] {
  const knob = (
    value: number,
    least: number,
    change: (before: VisitOperation, value: number) => VisitOperation,
  ): Knob => ({
    value,
    least,
    set: (scenario, next) =>
      changedOperation(id, (before) => (before.kind === "visit" ? change(before, next) : before))(scenario),
  });
  const ofAnswer = (name: "bodyBytes" | "headAfterUs" | "chunkEveryUs") =>
    knob(answer[name], 0, (before, value) => ({ ...before, answer: { ...before.answer, [name]: value } }));
  const knobs = [
    knob(request.bodyBytes, 0, (before, bodyBytes) => ({
      ...before,
      request: { ...before.request, bodyBytes },
    })),
    ofAnswer("bodyBytes"),
    ofAnswer("headAfterUs"),
    ofAnswer("chunkEveryUs"),
  ];
  if (leaves?.when === "after") {
    knobs.push(knob(leaves.us, 0, (before, us) => ({ ...before, leaves: { ...leaves, us } })));
  } else if (leaves?.when === "at_bytes") {
    knobs.push(knob(leaves.bytes, 1, (before, bytes) => ({ ...before, leaves: { ...leaves, bytes } })));
  }
  return knobs;
}

function faultKnobs(scenario: Scenario, { id, kind, target, fromMs, toMs }: Fault): Knob[] {
  const shortestMs = faultKinds.find(({ name }) => name === kind)?.lastsMs?.[0] ?? 0;
  const visit = scenario.operations.find((operation) => operation.id === target);
  return [
    {
      value: fromMs,
      least: targetOf(kind) === "visit" ? (visit?.atMs ?? 0) : 0,
      set: (before, value) => changedFault(id, (fault) => shiftedFault(fault, value - fromMs))(before),
    },
    {
      value: toMs - fromMs,
      least: shortestMs,
      set: (before, lastsMs) =>
        changedFault(id, (fault) => ({ ...fault, toMs: fault.fromMs + lastsMs }))(before),
    },
  ];
}

function shiftedOperation(operation: Operation, byMs: number): Operation {
  const atMs = operation.atMs + byMs;
  if (operation.kind !== "socket") return { ...operation, atMs };
  return {
    ...operation,
    atMs,
    messages: operation.messages.map((message) => ({ ...message, atMs: message.atMs + byMs })),
    closesAtMs: operation.closesAtMs + byMs,
  };
}

/** What began before the rest begins no earlier than the run does. */
function shiftedFault(fault: Fault, byMs: number): Fault {
  const fromMs = Math.max(0, fault.fromMs + byMs);
  return { ...fault, fromMs, toMs: fromMs + fault.toMs - fault.fromMs };
}
