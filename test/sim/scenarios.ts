/** Scenarios written by hand, for tests: a calm world with enough going on in it for any fault to meet somebody. */
import type { Fault, HomeSpec, Operation, Scenario, VisitOperation } from "../../sim/scenario/scenario.ts";

export const PATH = { latencyUs: 5_000, jitterUs: 0, bytesPerMs: 20_000, windowBytes: 65_536 };

export function homeNamed(clientId: string, changes: Partial<HomeSpec> = {}): HomeSpec {
  return {
    clientId,
    agent: "culvert",
    queue: "smaller_first",
    packetBytes: 4_096,
    registers: false,
    node: 0,
    path: PATH,
    heals: true,
    ...changes,
  };
}

export function visit(
  id: number,
  atMs: number,
  changes: {
    readonly home?: number;
    readonly request?: Partial<VisitOperation["request"]>;
    readonly answer?: Partial<VisitOperation["answer"]>;
    readonly readBytesPerMs?: number;
    readonly leaves?: VisitOperation["leaves"];
  } = {},
): VisitOperation {
  return {
    kind: "visit",
    id,
    atMs,
    home: changes.home ?? 0,
    request: {
      endpoint: "tunnel",
      method: "GET",
      credential: "client",
      bodyBytes: 0,
      uploadPieceBytes: 500,
      range: null,
      blocking: false,
      acceptEncoding: "",
      ...changes.request,
    },
    answer: {
      status: 200,
      contentType: "audio/flac",
      bodyBytes: 40_000,
      declaresLength: false,
      chunkBytes: 3_000,
      headAfterUs: 10_000,
      chunkEveryUs: 20_000,
      ...changes.answer,
    },
    readBytesPerMs: changes.readBytesPerMs ?? 0,
    leaves: changes.leaves ?? null,
  };
}

/**
 * Two homes, one of each kind of agent, with a visit every 200 ms, uploads and a magic token among them, and a talking
 * visitor socket each.
 */
export function busyOperations(): Operation[] {
  const operations: Operation[] = [];
  for (let id = 0; id < 80; id++) {
    const upload = id % 4 === 3 ? { method: "POST", bodyBytes: 5_000 } : {};
    const leaves = id % 10 === 4 ? ({ when: "after", us: 150_000 } as const) : null;
    operations.push(visit(id, 4_000 + id * 200, { home: id % 2, request: upload, leaves }));
  }
  const store = { endpoint: "magic_token_store", method: "POST" } as const;
  operations.push(visit(200, 7_000, { request: store }));
  operations.push(visit(201, 9_000, { request: { endpoint: "magic_token_use" } }));
  for (const home of [0, 1]) {
    const messages = Array.from({ length: 20 }, (_, index) => ({
      atMs: 5_000 + index * 500,
      json: true,
      wideCharacters: 0,
    }));
    operations.push({
      kind: "socket",
      id: 100 + home,
      atMs: 4_500,
      home,
      credential: "signature",
      messages,
      closesAtMs: 18_000,
    });
  }
  return operations;
}

export function busyScenario(faults: readonly Fault[] = [], changes: Partial<Scenario> = {}): Scenario {
  return {
    name: "busy",
    seed: { high: 0, low: 7 },
    calm: faults.length === 0,
    faultyMs: 20_000,
    settleMs: 100_000,
    nodes: 2,
    serverLimits: {
      leaseMs: 10_000,
      leaseRenewMs: 2_000,
      tokenFreshMs: 0,
      tokenTrustMs: 0,
      tunnelMessageBytesMax: 1_048_576,
      exchangeIdleMs: 10_000,
      requestBodyBytesMax: 300_000,
    },
    agentLimits: { originIdleMs: 8_000, retryDownMs: 10_000, retrySupersededMs: 8_000 },
    registryLatencyUs: 1_000,
    visitorPath: PATH,
    homes: [homeNamed("home0"), homeNamed("home1", { agent: "moosicbox" })],
    operations: busyOperations(),
    faults,
    ...changes,
  };
}
