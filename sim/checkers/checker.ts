/**
 * What a checker is, and what it may look at.
 *
 * A checker states one property. It watches from outside, at every hop: what each machine is told and orders, what
 * crosses the wire, what the registry's rows were, what visitors got and what homes were asked. It knows the model of
 * `sim/scenario/model.ts` and nothing of how `core/` works: of `core/` only the types of events and effects are known here.
 */
import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../core/events.ts";
import type { AgentLimits, ServerLimits } from "../../core/limits.ts";
import type { HomeCall } from "../actors/home.ts";
import type { ConnectionEntry, RegistryChange } from "../actors/registry.ts";
import type { Visit } from "../actors/visitor.ts";
import type { VisitorSocket } from "../actors/visitor-socket.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Scenario } from "../scenario/scenario.ts";
import type { World } from "../world/world.ts";

export type {
  AgentEffect,
  AgentEvent,
  HomeCall,
  RegistryChange,
  ServerEffect,
  ServerEvent,
  Visit,
  VisitorSocket,
};

/** A process as a checker sees it. */
export type SteppedProcess = {
  /** Unique in a run; a restarted process has another. */
  readonly name: string;
  /** What its own clock showed at the step. */
  readonly nowMs: number;
};

/** A server process: what is written down of it, and what it says of itself. */
export type SteppedServer = SteppedProcess & {
  /** With the step that is looked at. */
  readonly ledger: Ledger;
  readonly snapshot: () => ServerSizes;
  /** As in the snapshot, which has more than is wanted after each step. */
  readonly heldBytes: number;
};

export type ServerSizes = {
  readonly tunnels: number;
  readonly visitorSockets: number;
  readonly exchanges: number;
  readonly heldBytes: number;
  /** Requests that wait for a home that was lost a moment ago. */
  readonly waiting: number;
  /** Of native agents, those included that are away for the moment. */
  readonly sessions: number;
  readonly timersArmed: number;
  readonly counters: {
    readonly outcomes: ReadonlyMap<string, number>;
    readonly exchangesOpened: number;
    readonly tunnelsAccepted: number;
    readonly bytesOut: number;
    readonly abortsSent: number;
    readonly tunnelPauses: number;
  };
};

/** What a run is made of; handed to `begun` before anything happens. */
export type Setting = {
  readonly scenario: Scenario;
  readonly serverLimits: ServerLimits;
  /** Those of the homes' own agents, but for the packet size, which is each home's. */
  readonly agentLimits: AgentLimits;
};

/** How the bytes of a visitor's response stopped. */
export type VisitEnd =
  /** The message was complete by its framing. */
  | "complete"
  /** The connection broke first. */
  | "cut"
  /** No connection could be made. */
  | "refused"
  /** The visitor itself went away. */
  | "left";

/** What the run looks like when it is over; handed to `finished`. */
export type Finish = {
  readonly world: World;
  /** Every visit to a home that healed. */
  readonly visits: readonly Visit[];
  readonly visitorSockets: readonly VisitorSocket[];
  readonly homeCalls: readonly HomeCall[];
  /** What the live server processes still hold, by the name of the process and of the thing: all zero when idle. */
  readonly held: readonly { readonly process: string; readonly what: string; readonly count: number }[];
  /** No fault was injected: everything must have succeeded. */
  readonly faultFree: boolean;
  /** The server processes that are alive. */
  readonly servers: readonly SteppedServer[];
  /** The rows of the registry whose lease has not lapsed, by client id. */
  readonly rows: ReadonlyMap<string, ConnectionEntry>;
};

/** The hooks of one property; each is called at its hop, and any may report a violation. */
export type Checker = {
  readonly begun?: (setting: Setting) => void;
  /**
   * Kinds of events and effects. Where they are given, the checker is called only after steps that have one of them: it
   * would find nothing to do after the others, and they are most of a run.
   */
  readonly sees?: readonly StepPart[];
  /** After each step of a machine, before its effects are obeyed. `effects` holds `count` of them. */
  readonly serverStep?: ServerStepped;
  readonly agentStep?: AgentStepped;
  readonly registryChanged?: (change: RegistryChange) => void;
  readonly visitStarted?: (visit: Visit) => void;
  /** An interim response, `100 Continue` among them. */
  readonly visitInterim?: (visit: Visit, status: number) => void;
  /** What came of a home's WebSocket is no frame that a home sends. */
  readonly visitFrameBroken?: (visit: Visit) => void;
  readonly visitHead?: (visit: Visit, status: number, headers: readonly string[]) => void;
  /** Before the bytes are added to `visit.bytesReceived`. */
  readonly visitBody?: (visit: Visit, bytes: Uint8Array) => void;
  readonly visitEnded?: (visit: Visit, end: VisitEnd) => void;
  readonly visitorSocketText?: (socket: VisitorSocket, text: string) => void;
  readonly homeCalled?: (call: HomeCall) => void;
  readonly homeCallEnded?: (call: HomeCall) => void;
  /** The faulty phase is over: from now on the chosen core of the world is healthy. */
  readonly healed?: () => void;
  /** A minute after the healing. */
  readonly settled?: (finish: Finish) => void;
  readonly finished?: (finish: Finish) => void;
};

export type StepPart = (ServerEvent | ServerEffect | AgentEvent | AgentEffect)["type"];

export type ServerStepped = Stepped<SteppedServer, ServerEvent, ServerEffect>;
export type AgentStepped = Stepped<SteppedProcess, AgentEvent, AgentEffect>;

type Stepped<Process, Event, Effect> = (
  process: Process,
  event: Event,
  effects: readonly (Effect | undefined)[],
  count: number,
) => void;

export type Violate = (kind: "safety" | "liveness", message: string) => void;

/**
 * To be called each time something was really held against the property, and not merely looked at: a property that
 * judged nothing in a whole CI run fails it, since it proves nothing.
 */
export type Judged = () => void;

/** One property: its name in a failure report, and its watcher, made anew for each run. */
export type Property = {
  readonly name: string;
  readonly create: (violate: Violate, judged: Judged) => Checker;
};

/** What a checker keeps of each process, made when the process is first seen. */
export function ofEachProcess<Kept>(
  make: (process: SteppedProcess) => Kept,
): (process: SteppedProcess) => Kept {
  const all = new Map<string, Kept>();
  return (process) => {
    const known = all.get(process.name);
    if (known !== undefined) return known;
    const made = make(process);
    all.set(process.name, made);
    return made;
  };
}

/** Hands each observation to the checkers that have a hook for it, in the order of the properties. */
export class Watch {
  readonly begun: (setting: Setting) => void;
  readonly serverStep: ServerStepped;
  readonly agentStep: AgentStepped;
  readonly registryChanged: (change: RegistryChange) => void;
  readonly visitStarted: (visit: Visit) => void;
  readonly visitInterim: (visit: Visit, status: number) => void;
  readonly visitFrameBroken: (visit: Visit) => void;
  readonly visitHead: (visit: Visit, status: number, headers: readonly string[]) => void;
  readonly visitBody: (visit: Visit, bytes: Uint8Array) => void;
  readonly visitEnded: (visit: Visit, end: VisitEnd) => void;
  readonly visitorSocketText: (socket: VisitorSocket, text: string) => void;
  readonly homeCalled: (call: HomeCall) => void;
  readonly homeCallEnded: (call: HomeCall) => void;
  readonly healed: () => void;
  readonly settled: (finish: Finish) => void;
  readonly finished: (finish: Finish) => void;

  constructor(checkers: readonly Checker[]) {
    this.begun = fan(checkers.map((checker) => checker.begun));
    this.serverStep = fanSteps(checkers.map(({ serverStep, sees }) => ({ hook: serverStep, sees })));
    this.agentStep = fanSteps(checkers.map(({ agentStep, sees }) => ({ hook: agentStep, sees })));
    this.registryChanged = fan(checkers.map((checker) => checker.registryChanged));
    this.visitStarted = fan(checkers.map((checker) => checker.visitStarted));
    this.visitInterim = fan(checkers.map((checker) => checker.visitInterim));
    this.visitFrameBroken = fan(checkers.map((checker) => checker.visitFrameBroken));
    this.visitHead = fan(checkers.map((checker) => checker.visitHead));
    this.visitBody = fan(checkers.map((checker) => checker.visitBody));
    this.visitEnded = fan(checkers.map((checker) => checker.visitEnded));
    this.visitorSocketText = fan(checkers.map((checker) => checker.visitorSocketText));
    this.homeCalled = fan(checkers.map((checker) => checker.homeCalled));
    this.homeCallEnded = fan(checkers.map((checker) => checker.homeCallEnded));
    this.healed = fan(checkers.map((checker) => checker.healed));
    this.settled = fan(checkers.map((checker) => checker.settled));
    this.finished = fan(checkers.map((checker) => checker.finished));
  }
}

/** The same as `fan`, for what is called after each step: those are called that see something in it. */
function fanSteps<Process, Event extends Typed, Effect extends Typed>(
  hooks: readonly {
    readonly hook: Stepped<Process, Event, Effect> | undefined;
    readonly sees: readonly string[] | undefined;
  }[],
): Stepped<Process, Event, Effect> {
  const wanted: { readonly hook: Stepped<Process, Event, Effect>; readonly bit: number }[] = [];
  /** By kind of event or effect: the bits of those that see it. */
  const seenBy = new Map<string, number>();
  let bits = 0;
  for (const { hook, sees } of hooks) {
    if (hook === undefined) continue;
    // Where the bits are used up, a checker is called after each step.
    const bit = sees === undefined || bits === BITS_MAX ? 0 : 1 << bits++;
    wanted.push({ hook, bit });
    if (bit !== 0) for (const kind of sees ?? []) seenBy.set(kind, (seenBy.get(kind) ?? 0) | bit);
  }
  /** Steps are of few sorts: by the bits that come together, whom to call. */
  const called = new Map<number, readonly Stepped<Process, Event, Effect>[]>();
  return (process, event, effects, count) => {
    let together = seenBy.get(event.type) ?? 0;
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect !== undefined) together |= seenBy.get(effect.type) ?? 0;
    }
    let list = called.get(together);
    if (list === undefined) {
      list = wanted.filter(({ bit }) => bit === 0 || (together & bit) !== 0).map(({ hook }) => hook);
      called.set(together, list);
    }
    for (const hook of list) hook(process, event, effects, count);
  };
}

type Typed = { readonly type: string };

/** Of a number in the engine's quickest form. */
const BITS_MAX = 30;

/** One function that calls all those that are there. */
function fan<Arguments extends readonly unknown[]>(
  hooks: readonly (((...observed: Arguments) => void) | undefined)[],
): (...observed: Arguments) => void {
  const wanted = hooks.filter((hook) => hook !== undefined);
  return (...observed) => {
    for (const hook of wanted) hook(...observed);
  };
}
