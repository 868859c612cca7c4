/** One visit of a run: its request, the answer of its home, and how the visitor takes it. */
import { MISREADS_HANDSHAKE } from "../scenario/answers.ts";
import type { RequestQuirk } from "../scenario/quirks.ts";
import {
  type HomeSpec,
  isNative,
  type LeaveSpec,
  type RequestSpec,
  type VisitOperation,
} from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";
import { drawAnswer } from "./answers.ts";
import { drawEndpoint, drawRequest } from "./requests.ts";

const KIB = 1024;
/** A visit that uses a magic token comes this long after the one that stores it. */
const MAGIC_GAP_MS = 2_000;

export type VisitSetting = {
  readonly homes: readonly HomeSpec[];
  /** Nobody leaves early, and nobody is slower than any deadline. */
  readonly calm: boolean;
  /** Whether homes can be named by a path. */
  readonly pathRouting: boolean;
};

/** One visit, or the two that a magic token takes; the second has the next id. */
export function drawVisit(
  random: Random,
  { id, atMs, home }: Pick<VisitOperation, "id" | "atMs" | "home">,
  setting: VisitSetting,
): VisitOperation[] {
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
  const left = random.stream("left upload");
  if (!setting.calm && spec !== undefined && isNative(spec) && left.chance(1, 12)) {
    return [{ ...visit, ...leftUpload(left, visit.request) }];
  }
  if (visit.request.endpoint !== "magic_token_use") return [visit];
  const store = drawRequest(random, "magic_token_store");
  const storing = { ...visit, request: store, leaves: null };
  return [storing, { ...visit, id: id + 1, atMs: visit.atMs + MAGIC_GAP_MS }];
}

/**
 * An upload that its home hardly reads, so that nobody on the way does, and whose visitor leaves. All of it is through long
 * before the world is to be quiet, or stands still until he is noticed.
 */
function leftUpload(
  random: Random,
  { way }: RequestSpec,
): Pick<VisitOperation, "request" | "answer" | "leaves"> {
  const isStanding = random.stream("standing").chance(1, 3);
  return {
    request: {
      endpoint: "tunnel",
      method: "POST",
      credential: "client",
      ...(way === undefined ? {} : { way }),
      // Of one that stands still more is on its way than is ever read before it is wanted.
      bodyBytes: random.between(100, 200) * (isStanding ? 8 : 1) * KIB,
      uploadPieceBytes: 32 * KIB,
      range: null,
      blocking: false,
      acceptEncoding: "",
      quirks: ["raw_body"],
    },
    answer: {
      status: 200,
      contentType: "text/plain",
      declaresLength: false,
      bodyBytes: 10,
      chunkBytes: 10,
      headAfterUs: 0,
      chunkEveryUs: 0,
      takesBytesPerMs: isStanding ? 1 : random.between(8, 24),
    },
    leaves: { when: "after", us: random.between(300_000, 3_000_000) },
  };
}

/** What homes by their own name and agents of the native protocol have besides. */
function drawMore(
  random: Random,
  home: HomeSpec,
  { request, answer }: Pick<VisitOperation, "request" | "answer">,
  { pathRouting, calm }: VisitSetting,
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
    const misreads = !calm && status === 200 && random.stream("handshake").chance(1, 12);
    return {
      request: {
        ...named,
        method: "GET",
        range: null,
        blocking: false,
        bodyBytes: random.skewed(0, 64 * KIB),
        quirks: ["raw_body"],
        uploadPieceBytes: Math.max(LEAST_PIECE_BYTES, named.uploadPieceBytes),
        upgrade: true,
        uploadEveryUs: random.skewed(0, 100_000),
      },
      answer: {
        ...plain,
        ...(random.chance(1, 8) ? LONG_FRAMES : {}),
        ...(misreads ? { quirks: [MISREADS_HANDSHAKE] } : {}),
        status,
        ...(random.chance(1, 4) ? { early: true } : {}),
        ...(random.chance(1, 3) ? { closes: true } : {}),
      },
    };
  }
  const method = random.chance(1, 6) ? random.pick(["PROPFIND", "M-SEARCH", "TRACE"]) : named.method;
  const isUpload = method !== "HEAD" && random.chance(1, 3);
  const quirks: RequestQuirk[] = [...(named.quirks ?? [])];
  if (random.chance(1, 4)) quirks.push("list_headers");
  if (random.chance(1, 6)) quirks.push("agents_field");
  if (random.chance(1, 12)) quirks.push("long_header");
  if (random.chance(1, 3)) quirks.push("forwarded");
  if (way !== null && random.stream("login").chance(1, 16)) quirks.push("bound_login");
  if (way !== null && random.stream("cookie").chance(1, 8)) quirks.push("by_cookie");
  const isSameOrigin = !quirks.includes("origin") && !quirks.includes("forwarded");
  if (way !== null && isSameOrigin && random.stream("places").chance(1, 6)) quirks.push("names_places");
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

/** Smaller ones, of a long body, would come for longer than a run. */
const LEAST_PIECE_BYTES = 100;

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

function drawLeave(random: Random): LeaveSpec {
  return random.weighted<LeaveSpec>([
    [2, { when: "after", us: random.skewed(0, 3_000_000) }],
    [1, { when: "at_head" }],
    [2, { when: "at_bytes", bytes: random.skewed(1, 100_000) }],
  ]);
}
