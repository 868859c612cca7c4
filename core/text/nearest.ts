/** What a mistyped name was meant to be. */

/** A slip of the finger or two; more would suggest names that nobody meant. */
const NEAR_EDITS = 3;

/** The known name that a mistyped one most likely meant; undefined where none is near. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = NEAR_EDITS + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

export function suggestion(name: string, known: Iterable<string>, prefix = ""): string {
  const near = nearest(name, known);
  return near === undefined ? "" : `; did you mean ${prefix}${near}?`;
}

/** Levenshtein's distance by rows. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
