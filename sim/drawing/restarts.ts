/**
 * Planned restarts of the node of a home whose agent can move, and what meets them: visitors who come one after the other all
 * the while, an answer that lasts and a WebSocket that were there before.
 */
import { restartFaults } from "../faults/restarts.ts";
import type { Fault, HomeSpec, Operation, RequestSpec, VisitOperation } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";
import { FIRST_OPERATION_MS } from "./operations.ts";

const RESTARTS_MAX = 3;
/** Visitors come from before it on, so often and for so long: until a process that leaves has to be gone. */
const COME_BEFORE_MS = 500;
const COME_EVERY_MS = 130;
const COME_FOR_MS = 6_000;
/** Of a stream: its bytes come one by one. */
const PAUSE_US = 100_000;
const LASTS_MS_MIN = 1_000;
/** Below what the shortest deadline of a calm run lets an answer take. */
const LASTS_MS_MAX = 8_500;

/** The homes of such a run: the first one's agent can move. */
export function withMover(homes: readonly HomeSpec[]): HomeSpec[] {
  return homes.map((home, index) => {
    if (index > 0) return home;
    const { misfit: _, ...plain } = home;
    return { ...plain, agent: "culvert", protocol: "native", queue: "fifo" };
  });
}

/** `firstId` is the first that is free of the even ones. */
export function drawRestarts(
  random: Random,
  { homes, faultyMs }: { readonly homes: readonly HomeSpec[]; readonly faultyMs: number },
  firstId: number,
): { readonly faults: Fault[]; readonly operations: Operation[] } {
  const kinds = random.weighted([
    [4, restartFaults.filter(({ name }) => name === "node_is_replaced")],
    [1, restartFaults],
  ]);
  const faults: Fault[] = [];
  const operations: Operation[] = [];
  const nextId = () => firstId + 2 * operations.length;
  const count = random.between(1, RESTARTS_MAX);
  for (let id = 0; id < count; id++) {
    const own = random.stream(`restart ${id}`);
    const kind = own.pick(kinds);
    const fromMs = own.between(
      FIRST_OPERATION_MS + COME_BEFORE_MS,
      Math.max(FIRST_OPERATION_MS + COME_BEFORE_MS, faultyMs),
    );
    const toMs = fromMs + own.between(...(kind.lastsMs ?? [0, 0]));
    faults.push({
      id,
      kind: kind.name,
      fromMs,
      toMs,
      target: homes[0]?.node ?? 0,
      parameters: kind.draw(own),
    });
    for (let atMs = fromMs - COME_BEFORE_MS; atMs < fromMs + COME_FOR_MS; atMs += COME_EVERY_MS) {
      operations.push(visit(nextId(), atMs + own.below(COME_EVERY_MS)));
    }
    const beforeMs = Math.max(FIRST_OPERATION_MS, fromMs - own.between(0, 2_000));
    operations.push(stream(nextId(), beforeMs, own.between(LASTS_MS_MIN, LASTS_MS_MAX)));
    operations.push(webSocket(nextId(), beforeMs, own.between(10, 60)));
  }
  // What would begin when the world heals is judged by nobody.
  return { faults, operations: operations.filter(({ atMs }) => atMs < faultyMs) };
}

const REQUEST: RequestSpec = {
  endpoint: "tunnel",
  method: "GET",
  credential: "client",
  bodyBytes: 0,
  uploadPieceBytes: 1_000,
  range: null,
  blocking: false,
  acceptEncoding: "",
};

function visit(id: number, atMs: number): VisitOperation {
  const answer = {
    status: 200,
    contentType: "text/plain",
    declaresLength: true,
    bodyBytes: 100,
    chunkBytes: 100,
    headAfterUs: 0,
    chunkEveryUs: 0,
  };
  return { kind: "visit", id, atMs, home: 0, request: REQUEST, answer, readBytesPerMs: 0, leaves: null };
}

function stream(id: number, atMs: number, lastsMs: number): VisitOperation {
  const short = visit(id, atMs);
  const bodyBytes = Math.floor((lastsMs * 1_000) / PAUSE_US);
  const answer = { ...short.answer, bodyBytes, declaresLength: false, chunkBytes: 1, chunkEveryUs: PAUSE_US };
  return { ...short, answer };
}

function webSocket(id: number, atMs: number, messages: number): VisitOperation {
  const pieceBytes = 10;
  return {
    ...stream(id, atMs, LASTS_MS_MIN),
    request: {
      ...REQUEST,
      bodyBytes: messages * pieceBytes,
      quirks: ["raw_body"],
      upgrade: true,
      uploadPieceBytes: pieceBytes,
      uploadEveryUs: PAUSE_US,
    },
  };
}
