/**
 * A crowd at one home of the native protocol: some hundred visitors who come within moments and then wait, for an answer, for
 * somebody to say something, or for their own slow reading. What others get beside them is the matter.
 */
import { isNative, type RequestSpec, type VisitOperation } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";
import type { VisitSetting } from "./visits.ts";

const KIB = 1024;

/** A few come when all the others have waited for a while. */
const LATECOMERS = 3;
const LATE_BY_MS = 1_800;
const LASTS_MS = 12_000;
/** Below any deadline that is drawn. */
const PAUSE_US_MAX = 1_500_000;

export type CrowdSetting = VisitSetting & { readonly firstMs: number; readonly lastMs: number };

/** Fewer than one address may have at a home. `idOf` gives the number of each. Most runs have none: it costs as much as all else in them. */
export function drawCrowd(
  random: Random,
  idOf: (index: number) => number,
  setting: CrowdSetting,
): VisitOperation[] {
  const natives = setting.homes.flatMap((home, index) => (isNative(home) ? [index] : []));
  if (natives.length === 0 || !random.chance(1, 7)) return [];
  const home = random.pick(natives);
  const count = random.between(100, 240);
  const firstMs = random.between(setting.firstMs, Math.max(setting.firstMs, setting.lastMs - LASTS_MS));
  const withinMs = random.between(2_500, 6_000);
  const waits = random.pick(["answers", "web_sockets", "all"] as const);
  return Array.from({ length: count }, (_, index) => {
    const own = random.stream(`visit ${index}`);
    const lateMs = index < LATECOMERS ? withinMs + (index + 1) * LATE_BY_MS : own.below(withinMs);
    const kind = waits === "all" ? own.pick(["answers", "web_sockets", "slow_readers"] as const) : waits;
    return {
      kind: "visit",
      id: idOf(index),
      atMs: Math.min(setting.lastMs, firstMs + lateMs),
      home,
      readBytesPerMs: 0,
      leaves: setting.calm || own.chance(9, 10) ? null : { when: "after", us: own.between(0, 8_000_000) },
      ...VISITS[kind](own),
    };
  });
}

type Waiting = Pick<VisitOperation, "request" | "answer"> & Partial<Pick<VisitOperation, "readBytesPerMs">>;

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

const ANSWER = {
  status: 200,
  contentType: "text/event-stream",
  declaresLength: false,
  chunkBytes: 20,
  headAfterUs: 0,
  chunkEveryUs: 0,
};

const VISITS: Readonly<Record<"answers" | "web_sockets" | "slow_readers", (random: Random) => Waiting>> = {
  answers: (random) => ({
    request: REQUEST,
    answer: {
      ...ANSWER,
      bodyBytes: random.between(120, 240),
      headAfterUs: random.between(0, 4_000_000),
      chunkEveryUs: random.between(1_000_000, PAUSE_US_MAX),
    },
  }),
  web_sockets: (random) => ({
    request: {
      ...REQUEST,
      bodyBytes: random.between(60, 120),
      quirks: ["raw_body"],
      upgrade: true,
      uploadPieceBytes: 10,
      uploadEveryUs: random.between(1_000_000, PAUSE_US_MAX),
    },
    answer: { ...ANSWER, bodyBytes: random.skewed(0, 100) },
  }),
  slow_readers: (random) => ({
    request: REQUEST,
    answer: { ...ANSWER, bodyBytes: random.between(16 * KIB, 128 * KIB), chunkBytes: 16 * KIB },
    readBytesPerMs: random.between(20, 60),
  }),
};
