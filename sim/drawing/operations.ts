/** What visitors do in a run: requests of every kind, visitor sockets, and messages that homes send unasked. */
import { type AnswerQuirk, HARMLESS_ANSWERS, MALFORMED_ANSWERS } from "../scenario/answers.ts";
import { ODD_REQUESTS } from "../scenario/odd-requests.ts";
import { type RequestQuirk, SOCKET_QUIRKS, type SocketQuirk, TUNNEL_QUIRKS } from "../scenario/quirks.ts";
import {
  type AnswerSpec,
  type Credential,
  type Endpoint,
  type HomeSpec,
  isNative,
  type LeaveSpec,
  type Operation,
  type RequestSpec,
  type SocketOperation,
  type VisitOperation,
} from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";

const KIB = 1024;
/** Operations begin when even a slow agent has registered and connected. */
export const FIRST_OPERATION_MS = 4_000;
/** A visit that uses a magic token comes this long after the one that stores it. */
const MAGIC_GAP_MS = 2_000;

/** Of one answer: with the longest pause between two of them it is still over before the run is. */
const CHUNKS_MAX = 256;

export type OperationSetting = {
  readonly homes: readonly HomeSpec[];
  readonly faultyMs: number;
  /** Nobody leaves early, and nobody is slower than any deadline. */
  readonly calm: boolean;
  /** Whether homes can be named by a path. */
  readonly pathRouting: boolean;
};

export function drawOperations(random: Random, setting: OperationSetting): Operation[] {
  const operations: Operation[] = [];
  // Two ids for each, since a magic token takes two visits.
  const nextId = () => operations.length * 2;
  const visits = random.between(20, 160);
  for (let index = 0; index < visits; index++) {
    const own = random.stream(`visit ${index}`);
    operations.push(...drawVisit(own, nextId(), setting));
  }
  const sockets = random.between(0, 12);
  for (let index = 0; index < sockets; index++) {
    operations.push(drawSocket(random.stream(`socket ${index}`), nextId(), setting));
  }
  const pushes = random.between(0, 12);
  for (let index = 0; index < pushes; index++) {
    const own = random.stream(`push ${index}`);
    const to = own.pick(["all", "some", "all_but_some", "unknown"] as const);
    operations.push({
      kind: "push",
      id: nextId(),
      atMs: drawTime(own, setting),
      home: drawHome(own, setting),
      to,
    });
  }
  return operations;
}

function drawVisit(random: Random, id: number, setting: OperationSetting): VisitOperation[] {
  const atMs = drawTime(random, setting);
  const home = drawHome(random, setting);
  const spec = setting.homes[home];
  const request = drawRequest(random, drawEndpoint(random));
  const answer = drawAnswer(random, setting.calm);
  const own = random.stream("native");
  const isMore = spec !== undefined && request.endpoint === "tunnel" && own.chance(3, 4);
  const visit: VisitOperation = {
    kind: "visit",
    id,
    atMs,
    home,
    ...(isMore ? drawMore(own, spec, { request, answer }, setting) : { request, answer }),
    readBytesPerMs: drawPace(random),
    leaves: setting.calm || random.chance(9, 10) ? null : drawLeave(random),
  };
  if (visit.request.endpoint !== "magic_token_use") return [visit];
  const store = drawRequest(random, "magic_token_store");
  const storing = { ...visit, request: store, leaves: null };
  return [storing, { ...visit, id: id + 1, atMs: visit.atMs + MAGIC_GAP_MS }];
}

/** What homes by their own name and agents of the native protocol have besides. */
function drawMore(
  random: Random,
  home: HomeSpec,
  { request, answer }: Pick<VisitOperation, "request" | "answer">,
  { pathRouting }: OperationSetting,
): Pick<VisitOperation, "request" | "answer"> {
  const drawn = random.pick(["host", "path", null] as const);
  const way = drawn === "path" && !pathRouting ? "host" : drawn;
  const named: RequestSpec = way === null ? request : { ...withoutQueryQuirks(request), way };
  if (!isNative(home)) {
    const speaksFirst = home.agent === "culvert" && random.chance(1, 4);
    return { request: named, answer: speaksFirst ? { ...answer, interims: 1 } : answer };
  }
  if (random.chance(1, 6)) {
    const status = random.weighted([
      [5, 200],
      [1, 403],
    ]);
    const { quirks: _, ...plain } = answer;
    return {
      request: {
        ...named,
        method: "GET",
        range: null,
        blocking: false,
        bodyBytes: random.skewed(0, 64 * KIB),
        quirks: ["raw_body"],
        upgrade: true,
        uploadEveryUs: random.skewed(0, 100_000),
      },
      answer: {
        ...plain,
        ...(random.chance(1, 8) ? LONG_FRAMES : {}),
        status,
        ...(random.chance(1, 4) ? { early: true } : {}),
        ...(random.chance(1, 3) ? { closes: true } : {}),
      },
    };
  }
  const method = random.chance(1, 6) ? random.pick(["PROPFIND", "get", "TRACE"]) : named.method;
  const isUpload = method !== "HEAD" && random.chance(1, 3);
  const quirks: RequestQuirk[] = [...(named.quirks ?? [])];
  if (random.chance(1, 4)) quirks.push("list_headers");
  if (random.chance(1, 6)) quirks.push("agents_field");
  if (random.chance(1, 12)) quirks.push("long_header");
  if (random.chance(1, 3)) quirks.push("forwarded");
  const upload: Partial<RequestSpec> = isUpload
    ? {
        bodyBytes: inWholeFrames(random.stream("whole upload"), random.skewed(1, 256 * KIB)),
        uploadPieceBytes: random.pick([1_000, 16 * KIB, 64 * KIB]),
        uploadEveryUs: random.skewed(0, 200_000),
        ...(random.chance(1, 3) ? { expects: true } : {}),
        ...(random.chance(1, 2) ? { trailers: true } : {}),
      }
    : {};
  if (isUpload && !quirks.includes("empty_body")) quirks.push("raw_body");
  return {
    request: { ...named, method, ...upload, quirks },
    answer: {
      ...answer,
      bodyBytes: inWholeFrames(random.stream("whole answer"), answer.bodyBytes),
      ...(random.chance(1, 4) ? { interims: random.between(1, 3) } : {}),
      ...(random.chance(1, 3) ? { trailers: true } : {}),
      ...(random.chance(1, 5) ? { early: true } : {}),
      ...(random.chance(1, 3) ? { takesBytesPerMs: random.between(50, 2_000) } : {}),
    },
  };
}

/** Some bodies fill the last of their frames to the byte, so that there is no room beside it when their end goes out. */
function inWholeFrames(random: Random, bodyBytes: number): number {
  const frameBytes = random.pick([512, 4 * KIB, 64 * KIB]);
  return bodyBytes < frameBytes || random.chance(3, 4) ? bodyBytes : bodyBytes - (bodyBytes % frameBytes);
}

/** Of a WebSocket: frames whose length has eight bytes. */
const LONG_FRAMES = { bodyBytes: 150_000, chunkBytes: 70_000 };

/** Those that are about a target with `clientId` in its query do not belong to a home's own name. */
function withoutQueryQuirks(request: RequestSpec): RequestSpec {
  const { quirks = [], credential } = request;
  const kept = quirks.filter((quirk) => !QUERY_QUIRKS.has(quirk));
  return { ...request, quirks: kept, credential: credential === "bare" ? "client" : credential };
}

const QUERY_QUIRKS: ReadonlySet<RequestQuirk> = new Set(["absolute_target", "spelled_otherwise"]);

/** Most read as fast as it comes. The slowest still takes a whole packet in less than any deadline for a visitor. */
function drawPace(random: Random): number {
  return random.chance(5, 6) ? 0 : random.between(20, random.pick([60, 500]));
}

function drawTime(random: Random, { faultyMs }: OperationSetting): number {
  return random.between(FIRST_OPERATION_MS, faultyMs);
}

function drawHome(random: Random, { homes }: OperationSetting): number {
  return random.below(homes.length);
}

function drawEndpoint(random: Random): Endpoint {
  return random.weighted<Endpoint>([
    [40, "tunnel"],
    [10, "track"],
    [1, "health"],
    [2, "signature_token"],
    [2, "validate_signature"],
    [3, "magic_token_use"],
    [1, "register"],
    [1, "preflight"],
    [1, "bad_target"],
    [1, "no_client_id"],
    [1, "not_json"],
    [3, "odd"],
  ]);
}

function drawRequest(random: Random, endpoint: Endpoint): RequestSpec {
  const method = drawMethod(random, endpoint);
  const takesBody = endpoint === "tunnel" && method !== "GET" && method !== "HEAD";
  const first = random.skewed(0, 50_000);
  const quirks = drawQuirks(random.stream("quirks"), { endpoint, method, takesBody });
  return {
    endpoint,
    method,
    credential: drawCredential(random, endpoint),
    bodyBytes: takesBody ? random.skewed(0, 20 * KIB) : 0,
    uploadPieceBytes: random.pick([100, 1_000, 16 * KIB]),
    range: random.chance(1, 5) ? { first, last: first + random.skewed(0, 100_000) } : null,
    blocking: random.chance(1, 4),
    acceptEncoding: random.pick(["", "", "gzip", "br, gzip;q=0.5", "identity"]),
    ...(quirks.length === 0 ? {} : { quirks }),
    ...(endpoint === "odd" ? { odd: random.pick(ODD_REQUESTS) } : {}),
  };
}

function drawQuirks(
  random: Random,
  {
    endpoint,
    method,
    takesBody,
  }: { readonly endpoint: Endpoint; readonly method: string; readonly takesBody: boolean },
): RequestQuirk[] {
  if (endpoint === "track") return method !== "OPTIONS" && random.chance(1, 4) ? ["cover"] : [];
  if (endpoint !== "tunnel" || random.chance(2, 3)) return [];
  const quirks: RequestQuirk[] = [random.pick(TUNNEL_QUIRKS)];
  if (takesBody && random.chance(1, 2)) quirks.push(random.pick(["empty_body", "wide_body"] as const));
  return quirks;
}

function drawMethod(random: Random, endpoint: Endpoint): string {
  switch (endpoint) {
    case "tunnel":
      return random.weighted([
        [10, "GET"],
        [4, "POST"],
        [1, "PUT"],
        [1, "DELETE"],
        [1, "PATCH"],
        [1, "HEAD"],
        [1, "OPTIONS"],
      ]);
    case "track":
      return random.weighted([
        [10, "GET"],
        [2, "HEAD"],
        [1, "OPTIONS"],
      ]);
    case "not_json":
    case "register":
    case "signature_token":
    case "validate_signature":
    case "magic_token_store":
      return "POST";
    case "preflight":
      return "OPTIONS";
    default:
      return "GET";
  }
}

function drawCredential(random: Random, endpoint: Endpoint): Credential {
  if (endpoint === "magic_token_store" || endpoint === "odd") return "client";
  const right: Credential =
    endpoint === "track" || endpoint === "validate_signature"
      ? "signature"
      : endpoint === "register"
        ? "access"
        : random.chance(1, 5)
          ? "bare"
          : "client";
  return random.weighted<Credential>([
    [20, right],
    [1, "none"],
    [1, "wrong"],
    [1, "foreign"],
    [1, "expired"],
  ]);
}

function drawAnswer(random: Random, calm: boolean): AnswerSpec {
  const quirks = drawAnswerQuirks(random.stream("quirks"), calm);
  const isSlow = !calm && random.stream("slow").chance(1, 8);
  const bodyBytes = random.weighted([
    [2, 0],
    [7, random.skewed(1, 4 * KIB)],
    [3, random.skewed(4 * KIB, 64 * KIB)],
    [1, random.between(64 * KIB, 256 * KIB)],
  ]);
  const chunkBytes = Math.max(random.skewed(16, 64 * KIB), Math.ceil(bodyBytes / CHUNKS_MAX));
  return {
    status: random.weighted([
      [20, 200],
      [1, 201],
      [1, 204],
      [1, 304],
      [1, 404],
      [1, 500],
    ]),
    contentType: random.pick(["audio/flac", "application/json", "text/event-stream"]),
    bodyBytes,
    declaresLength: random.chance(1, 2),
    chunkBytes,
    headAfterUs: isSlow ? random.between(0, 20_000_000) : random.skewed(0, 2_000_000),
    chunkEveryUs: random.chance(1, 2) ? 0 : random.skewed(0, isSlow ? 250_000 : 25_000),
    ...(quirks.length === 0 ? {} : { quirks }),
  };
}

function drawAnswerQuirks(random: Random, calm: boolean): AnswerQuirk[] {
  if (random.chance(3, 4)) return [];
  if (!calm && random.chance(1, 5)) return [random.pick(MALFORMED_ANSWERS)];
  return [random.pick(HARMLESS_ANSWERS)];
}

function drawLeave(random: Random): LeaveSpec {
  return random.weighted<LeaveSpec>([
    [2, { when: "after", us: random.skewed(0, 3_000_000) }],
    [1, { when: "at_head" }],
    [2, { when: "at_bytes", bytes: random.skewed(1, 100_000) }],
  ]);
}

function drawSocket(random: Random, id: number, setting: OperationSetting): SocketOperation {
  const atMs = drawTime(random, setting);
  const quirk = random.stream("quirk").chance(1, 4) ? random.stream("which").pick(SOCKET_QUIRKS) : null;
  const messages = Array.from({ length: quirk === "reads_nothing" ? 8 : random.skewed(0, 8) }, () => ({
    atMs: atMs + random.skewed(100, 10_000),
    json: !random.chance(1, 12),
    wideCharacters: drawWideCharacters(random, quirk),
  }));
  return {
    kind: "socket",
    id,
    atMs,
    home: drawHome(random, setting),
    credential: random.weighted<Credential>([
      [12, "signature"],
      [1, "none"],
      [1, "wrong"],
      [1, "foreign"],
      [1, "expired"],
    ]),
    messages,
    closesAtMs: atMs + random.between(500, 12_000),
    ...(quirk === null ? {} : { quirk }),
  };
}

/** Who reads nothing asks for much, so that the answers have to wait. */
function drawWideCharacters(random: Random, quirk: SocketQuirk | null): number {
  if (quirk === "reads_nothing") return random.between(50, 500);
  return random.chance(1, 3) ? random.skewed(1, 600) : 0;
}
