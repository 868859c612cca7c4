/** What a home answers to a visit. */
import {
  type AnswerQuirk,
  BESIDE_ANSWERS,
  HARMLESS_ANSWERS,
  MALFORMED_ANSWERS,
} from "../scenario/answers.ts";
import { DELIVERIES, type Delivery } from "../scenario/deliveries.ts";
import type { AnswerSpec } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";

const KIB = 1024;
/** Of one answer: with the longest pause between two of them it is still over before the run is. */
const CHUNKS_MAX = 256;

export function drawAnswer(random: Random, calm: boolean): AnswerSpec {
  const quirks = drawAnswerQuirks(random.stream("quirks"), calm);
  const deliveries = drawDeliveries(random.stream("deliveries"));
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
    ...(deliveries.length === 0 ? {} : { deliveries }),
  };
}

function drawDeliveries(random: Random): Delivery[] {
  if (random.chance(1, 2)) return [];
  const first = random.pick(DELIVERIES);
  // Many small pieces take many steps.
  if (first === "bytewise" && random.chance(3, 4)) return [];
  const second = random.pick(DELIVERIES);
  return second === "bytewise" || second === first || random.chance(1, 2) ? [first] : [first, second];
}

function drawAnswerQuirks(random: Random, calm: boolean): AnswerQuirk[] {
  if (random.chance(3, 4)) return [];
  if (!calm && random.chance(1, 4))
    return [random.pick(random.chance(1, 3) ? BESIDE_ANSWERS : MALFORMED_ANSWERS)];
  return [random.pick(HARMLESS_ANSWERS)];
}
