/** How those who act in the world tell of it: what they observe goes to the checkers that want it. */
import type { HeldToken } from "../../core/registry.ts";
import type { BrowserAnswer } from "./browser.ts";
import type {
  AgentStepped,
  Checker,
  EdgeStepped,
  GoneVisitor,
  OriginsStepped,
  ServerStepped,
  Stepped,
} from "./checker.ts";
import type { Finish } from "./finish.ts";
import type { HomeCall, HomeConnectionRecord } from "./home-call.ts";
import type { RegistryChange } from "./registry-row.ts";
import type { Setting } from "./setting.ts";
import type { Visit, VisitEnd } from "./visit.ts";
import type { SeenVisitorSocket } from "./visitor-socket.ts";

/** Hands each observation to the checkers that have a hook for it, in the order of the properties. */
export class Watch {
  readonly begun: (setting: Setting) => void;
  readonly serverStep: ServerStepped;
  readonly agentStep: AgentStepped;
  readonly originsStep: OriginsStepped;
  readonly edgeStep: EdgeStepped;
  readonly registryChanged: (change: RegistryChange) => void;
  readonly tokenRevoked: (token: HeldToken) => void;
  readonly tokenRestored: (token: HeldToken) => void;
  readonly visitStarted: (visit: Visit) => void;
  readonly visitInterim: (visit: Visit, status: number) => void;
  readonly responseMalformed: (why: string) => void;
  readonly visitFrameBroken: (visit: Visit) => void;
  readonly visitHead: (visit: Visit, status: number, headers: readonly string[]) => void;
  readonly visitBody: (visit: Visit, bytes: Uint8Array) => void;
  readonly visitEnded: (visit: Visit, end: VisitEnd) => void;
  readonly browserAnswered: (answer: BrowserAnswer) => void;
  readonly visitorGone: (gone: GoneVisitor) => void;
  readonly visitorSocketText: (socket: SeenVisitorSocket, text: string) => void;
  readonly homeCalled: (call: HomeCall) => void;
  readonly homeCallEnded: (call: HomeCall) => void;
  readonly homeMisread: (connection: HomeConnectionRecord, why: string) => void;
  readonly healed: () => void;
  readonly settled: (finish: Finish) => void;
  readonly finished: (finish: Finish) => void;

  constructor(checkers: readonly Checker[]) {
    this.begun = fan(checkers.map((checker) => checker.begun));
    this.serverStep = fanSteps(checkers.map(({ serverStep, sees }) => ({ hook: serverStep, sees })));
    this.agentStep = fanSteps(checkers.map(({ agentStep, sees }) => ({ hook: agentStep, sees })));
    this.originsStep = fanSteps(checkers.map(({ originsStep, sees }) => ({ hook: originsStep, sees })));
    this.edgeStep = fanSteps(checkers.map(({ edgeStep, sees }) => ({ hook: edgeStep, sees })));
    this.registryChanged = fan(checkers.map((checker) => checker.registryChanged));
    this.tokenRevoked = fan(checkers.map((checker) => checker.tokenRevoked));
    this.tokenRestored = fan(checkers.map((checker) => checker.tokenRestored));
    this.visitStarted = fan(checkers.map((checker) => checker.visitStarted));
    this.visitInterim = fan(checkers.map((checker) => checker.visitInterim));
    this.responseMalformed = fan(checkers.map((checker) => checker.responseMalformed));
    this.visitFrameBroken = fan(checkers.map((checker) => checker.visitFrameBroken));
    this.visitHead = fan(checkers.map((checker) => checker.visitHead));
    this.visitBody = fan(checkers.map((checker) => checker.visitBody));
    this.visitEnded = fan(checkers.map((checker) => checker.visitEnded));
    this.browserAnswered = fan(checkers.map((checker) => checker.browserAnswered));
    this.visitorGone = fan(checkers.map((checker) => checker.visitorGone));
    this.visitorSocketText = fan(checkers.map((checker) => checker.visitorSocketText));
    this.homeCalled = fan(checkers.map((checker) => checker.homeCalled));
    this.homeMisread = fan(checkers.map((checker) => checker.homeMisread));
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
