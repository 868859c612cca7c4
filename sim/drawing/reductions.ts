/**
 * What can be taken out of a scenario or made plain in it. Every result is a scenario that a seed could have drawn, so
 * that a healthy core passes it: no deadline beyond the time to settle, no fault with parameters that its kind never draws.
 */
import { agentLimits, assertAgentLimits, assertServerLimits, serverLimits } from "../../core/limits.ts";
import { faultKinds, targetOf } from "../faults/index.ts";
import type {
  AnswerSpec,
  BrowserOperation,
  Fault,
  HomeSpec,
  Operation,
  PathSettings,
  RequestSpec,
  Scenario,
  SocketOperation,
  VisitOperation,
} from "../scenario/scenario.ts";
import { Random } from "../tools/random.ts";

/** One step to a simpler scenario; any of a list may be taken together with any others. */
export type Reduction = (scenario: Scenario) => Scenario;

/** The same for a part of a scenario. */
type Change<T> = (before: T) => T;

type OptionalName<T> = { [Name in keyof T]-?: object extends Pick<T, Name> ? Name : never }[keyof T];

/** Lists the reductions of one kind that would change the scenario. */
type Pass = (scenario: Scenario) => readonly Reduction[];

/** What takes most away comes first. */
export const passes: readonly Pass[] = [
  ({ homes }) => (homes.length === 1 ? [] : homes.map((home) => withoutHome(home.clientId))),
  ({ nodes }) => Array.from({ length: nodes - 1 }, () => withoutLastNode),
  // From the end: what begins after the failure goes at once.
  ({ faults }) =>
    faults.toSorted((a, b) => b.fromMs - a.fromMs).map(({ id }) => withoutFaults(new Set([id]))),
  plainFaults,
  ({ operations }) => operations.toSorted((a, b) => b.atMs - a.atMs).map(({ id }) => withoutOperation(id)),
  plainLimits,
  plainWorld,
  plainOperations,
];

const PLAIN_PATH: PathSettings = {
  latencyUs: 5_000,
  jitterUs: 0,
  bytesPerMs: 20_000,
  windowBytes: 65_536,
};
const PLAIN_REGISTRY_LATENCY_US = 1_000;

const PLAIN_HOME: readonly Change<HomeSpec>[] = [
  (home) => ({ ...home, agent: "culvert" }),
  (home) => ({ ...home, queue: "fifo" }),
  (home) => ({ ...home, packetBytes: 65_536 }),
  (home) => ({ ...home, registers: false }),
  (home) => ({ ...home, path: PLAIN_PATH }),
  (home) => without(home, "lan"),
  (home) => without(home, "isNamed"),
  (home) => without(home, "links"),
  (home) => without(home, "idleMs"),
  (home) => without(home, "misfit"),
  // An agent that was set up wrongly can never be healthy.
  (home) => (home.misfit === undefined ? { ...home, heals: true } : home),
];

const PLAIN_VISIT: readonly Change<VisitOperation>[] = [
  (visit) => without(visit, "connection"),
  (visit) => ({ ...visit, leaves: null }),
  (visit) => ({ ...visit, readBytesPerMs: 0 }),
];

const PLAIN_REQUEST: readonly Change<RequestSpec>[] = [
  (request) => without(request, "quirks"),
  (request) => ({ ...request, range: null }),
  (request) => ({ ...request, blocking: false }),
  (request) => ({ ...request, acceptEncoding: "" }),
  (request) => ({ ...request, uploadPieceBytes: 16_384 }),
];

const PLAIN_ANSWER: readonly Change<AnswerSpec>[] = [
  (answer) => without(answer, "quirks"),
  (answer) => without(answer, "deliveries"),
  (answer) => ({ ...answer, status: 200 }),
  (answer) => ({ ...answer, contentType: "audio/flac" }),
  (answer) => ({ ...answer, declaresLength: true }),
  (answer) => ({ ...answer, headAfterUs: 0 }),
  (answer) => ({ ...answer, chunkEveryUs: 0 }),
  (answer) => ({ ...answer, chunkBytes: Math.max(1, answer.bodyBytes) }),
];

function plainestRequest(request: RequestSpec): RequestSpec {
  const plain = without(without(request, "quirks"), "odd");
  return { ...plain, endpoint: "tunnel", method: "GET", credential: "client", bodyBytes: 0 };
}

/** The deadlines whose default is beyond the time that a healed world has to settle. */
const PLAIN_DEADLINES: Readonly<Record<string, number>> = {
  exchangeIdleMs: 20_000,
  agentNoticeMs: 2_000,
  drainMs: 10_000,
  originIdleMs: 20_000,
  retryDownMs: 10_000,
  retrySupersededMs: 10_000,
};

/** Other parameters of a fault: so many are drawn, and the plainest of them are tried. */
const DRAWS = 24;
const DRAWS_TRIED = 3;
/** Thousandths of the calls or frames that a fault hits. */
const ALWAYS = 1_000;

/** Whether the limits agree with one another, as those of a seed do. */
export function isLegal(scenario: Scenario): boolean {
  try {
    assertServerLimits({ ...serverLimits, ...scenario.serverLimits });
    assertAgentLimits({ ...agentLimits, ...scenario.agentLimits });
    return true;
  } catch {
    return false;
  }
}

function withoutHome(clientId: string): Reduction {
  return (scenario) => {
    const gone = scenario.homes.findIndex((home) => home.clientId === clientId);
    if (gone === -1 || scenario.homes.length === 1) return scenario;
    const moved = (home: number) => (home > gone ? home - 1 : home);
    const left = scenario.operations
      .filter(({ home }) => home === gone)
      .reduce((rest, { id }) => withoutOperation(id)(rest), scenario);
    return {
      ...left,
      homes: left.homes.filter((_, index) => index !== gone),
      operations: left.operations.map((operation) => ({ ...operation, home: moved(operation.home) })),
      faults: left.faults
        .filter((fault) => targetOf(fault.kind) !== "home" || fault.target !== gone)
        .map((fault) =>
          targetOf(fault.kind) === "home" ? { ...fault, target: moved(fault.target) } : fault,
        ),
    };
  };
}

/** Who was led to the last node is led to the first. */
function withoutLastNode(scenario: Scenario): Scenario {
  const nodes = scenario.nodes - 1;
  return {
    ...scenario,
    nodes,
    homes: scenario.homes.map((home) => ({ ...home, node: home.node % nodes })),
    faults: scenario.faults.map((fault) =>
      targetOf(fault.kind) === "node" ? { ...fault, target: fault.target % nodes } : fault,
    ),
  };
}

function withoutFaults(ids: ReadonlySet<number>): Reduction {
  return (scenario) => ({ ...scenario, faults: scenario.faults.filter(({ id }) => !ids.has(id)) });
}

/** With the operation go the faults that it is the target of, and the visit that uses the magic token it stores. */
function withoutOperation(id: number): Reduction {
  return (scenario) => {
    const gone = new Set([id]);
    if (storesMagicToken(scenario.operations.find((operation) => operation.id === id))) gone.add(id + 1);
    const aimed = scenario.faults.filter(
      ({ kind, target }) => targetOf(kind) === "visit" && gone.has(target),
    );
    return {
      ...withoutFaults(new Set(aimed.map((fault) => fault.id)))(scenario),
      operations: scenario.operations.filter((operation) => !gone.has(operation.id)),
    };
  };
}

/** Each limit by itself becomes the shipped one, or a plain one where that is beyond the time to settle. */
function plainLimits({ serverLimits: server, agentLimits: agent }: Scenario): Reduction[] {
  return [
    ...namesOf(server).map(
      (name): Reduction =>
        (before) => ({ ...before, serverLimits: withPlainLimit(before.serverLimits, name) }),
    ),
    ...namesOf(agent).map(
      (name): Reduction =>
        (before) => ({ ...before, agentLimits: withPlainLimit(before.agentLimits, name) }),
    ),
  ];
}

/** The limits that are not plain. */
function namesOf<Limits extends Readonly<Record<string, number>>>(limits: Limits): (keyof Limits & string)[] {
  return Object.keys(limits).filter((name) => limits[name] !== PLAIN_DEADLINES[name]);
}

function withPlainLimit<Limits extends Readonly<Record<string, number>>>(
  limits: Limits,
  name: keyof Limits & string,
): Limits {
  const changed = { ...limits };
  const plain = PLAIN_DEADLINES[name];
  if (plain === undefined) Reflect.deleteProperty(changed, name);
  else Reflect.set(changed, name, plain);
  return changed;
}

function plainWorld(scenario: Scenario): Reduction[] {
  const world: Change<Scenario>[] = [
    (before) => without(before, "corsOrigins"),
    (before) => without(before, "edgeLimits"),
    (before) => without(before, "pathRouting"),
    (before) => ({ ...before, visitorPath: PLAIN_PATH }),
    (before) => ({ ...before, registryLatencyUs: PLAIN_REGISTRY_LATENCY_US }),
  ];
  return [
    ...world.filter((change) => differs(scenario, change)),
    ...scenario.homes.flatMap((home) =>
      PLAIN_HOME.filter((change) => differs(home, change)).map(
        (change): Reduction =>
          (before) => ({
            ...before,
            homes: before.homes.map((other) => (other.clientId === home.clientId ? change(other) : other)),
          }),
      ),
    ),
  ];
}

function plainOperations({ operations }: Scenario): Reduction[] {
  return operations.flatMap((operation) => {
    const { id } = operation;
    if (operation.kind === "push" || operation.kind === "certificate") return [];
    if (operation.kind === "visit") {
      return plainVisit(operation).map((change) =>
        changedOperation(id, (before) => (before.kind === "visit" ? change(before) : before)),
      );
    }
    if (operation.kind === "browser") {
      return plainBrowser(operation).map((change) =>
        changedOperation(id, (before) => (before.kind === "browser" ? change(before) : before)),
      );
    }
    return plainSocket(operation).map((change) =>
      changedOperation(id, (before) => (before.kind === "socket" ? change(before) : before)),
    );
  });
}

function plainBrowser(browser: BrowserOperation): Change<BrowserOperation>[] {
  const changes: Change<BrowserOperation>[] = [
    (before) => without(before, "secure"),
    (before) => without(before, "old"),
    (before) => without(before, "keepsCookies"),
    ...browser.steps.map(
      (step): Change<BrowserOperation> =>
        (before) => ({ ...before, steps: before.steps.filter((other) => other !== step) }),
    ),
  ];
  return changes.filter((change) => differs(browser, change));
}

function plainSocket(socket: SocketOperation): Change<SocketOperation>[] {
  const changes: Change<SocketOperation>[] = [
    (before) => without(before, "quirk"),
    ...socket.messages.map(
      (message): Change<SocketOperation> =>
        (before) => ({ ...before, messages: before.messages.filter((other) => other !== message) }),
    ),
  ];
  return changes.filter((change) => differs(socket, change));
}

function plainVisit(visit: VisitOperation): Change<VisitOperation>[] {
  // Without the one visit the other of a pair cannot succeed.
  const paired = storesMagicToken(visit) || visit.request.endpoint === "magic_token_use";
  const changes: Change<VisitOperation>[] = [
    ...PLAIN_VISIT,
    ...(paired ? PLAIN_REQUEST : [plainestRequest, ...PLAIN_REQUEST]).map(
      (change): Change<VisitOperation> =>
        (before) => ({ ...before, request: change(before.request) }),
    ),
    ...PLAIN_ANSWER.map(
      (change): Change<VisitOperation> =>
        (before) => ({ ...before, answer: change(before.answer) }),
    ),
  ];
  return changes.filter((change) => differs(visit, change));
}

/** Each fault with plainer parameters, out of some that its kind would draw. */
function plainFaults({ faults }: Scenario): Reduction[] {
  return faults.flatMap((fault) => {
    const kind = faultKinds.find(({ name }) => name === fault.kind);
    if (kind === undefined) return [];
    const draws = Array.from({ length: DRAWS }, (_, low) => kind.draw(new Random({ high: 0, low })));
    return (
      draws
        .filter((parameters) => rankOf(parameters) < rankOf(fault.parameters))
        .toSorted((a, b) => rankOf(a) - rankOf(b))
        .slice(0, DRAWS_TRIED)
        // The plainest last: it is what remains where several are taken together.
        .toReversed()
        .map((parameters) => changedFault(fault.id, (before) => ({ ...before, parameters })))
    );
  });
}

/** Plain is what acts always, and so needs no draw that other draws could move; else what has the smaller numbers. */
function rankOf(parameters: Readonly<Record<string, number>>): number {
  if (parameters.permille === ALWAYS) return -1;
  let sum = 0;
  for (const value of Object.values(parameters)) sum += value;
  return sum;
}

export function changedOperation(id: number, change: (before: Operation) => Operation): Reduction {
  return (scenario) => ({
    ...scenario,
    operations: scenario.operations.map((operation) => (operation.id === id ? change(operation) : operation)),
  });
}

export function changedFault(id: number, change: (before: Fault) => Fault): Reduction {
  return (scenario) => ({
    ...scenario,
    faults: scenario.faults.map((fault) => (fault.id === id ? change(fault) : fault)),
  });
}

function storesMagicToken(operation: Operation | undefined): boolean {
  return operation?.kind === "visit" && operation.request.endpoint === "magic_token_store";
}

/** Whether the change makes the thing another one. */
function differs<T>(thing: T, change: Change<T>): boolean {
  return JSON.stringify(change(thing)) !== JSON.stringify(thing);
}

/** The thing without a member that it need not have. */
function without<T extends object>(thing: T, name: OptionalName<T>): T {
  const rest = { ...thing };
  Reflect.deleteProperty(rest, name);
  return rest;
}
