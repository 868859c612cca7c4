/** What a CI run must come to besides passing: a search that reaches nothing passes as well. */
import { properties } from "../checkers/index.ts";
import { faultKinds } from "../faults/index.ts";
import { MARKS } from "../record/marks.ts";
import type { Tally } from "../report/tally.ts";

/** Of the visits under faults so many must succeed: faults that stop everything leave nothing to check. */
const AS_EXPECTED_PERCENT_MIN = 60;

/** Everything that the run lacks, one line each; empty when it may pass. */
export function missing(tally: Tally): string[] {
  const { visits, visitsAsExpected, faultFreeSeeds, faultFreeVisits, faultFreeVisitsAsExpected } = tally;
  const lines: string[] = [];
  if (faultFreeSeeds === 0) lines.push("no seed ran without faults");
  if (faultFreeVisitsAsExpected < faultFreeVisits) {
    lines.push(
      `without faults ${faultFreeVisitsAsExpected} of ${faultFreeVisits} visits came to what they should`,
    );
  }
  const faulty = visits - faultFreeVisits;
  const asExpected = visitsAsExpected - faultFreeVisitsAsExpected;
  if (asExpected * 100 < faulty * AS_EXPECTED_PERCENT_MIN) {
    lines.push(
      `under faults ${asExpected} of ${faulty} visits came to what they should, less than ${AS_EXPECTED_PERCENT_MIN} %`,
    );
  }
  for (const { name } of properties) {
    if (!tally.judgements.has(name)) lines.push(`the checker ${name} judged nothing`);
  }
  for (const mark of MARKS) if (!tally.sometimes.has(mark)) lines.push(`never reached: ${mark}`);
  for (const { name } of faultKinds) if (!tally.faultCounts.has(name)) lines.push(`never fired: ${name}`);
  return lines;
}
