/** What a text column of the fake registry takes. */

/** In characters, as in MySQL. */
const NAME_LENGTH_MAX = 64;

/** Whether a column keeps it unchanged. */
export function isStorable(name: string): boolean {
  // A character is one code unit or two, so the short ones need no counting.
  if (!name.isWellFormed() || name.length > 2 * NAME_LENGTH_MAX) return false;
  return name.length <= NAME_LENGTH_MAX || [...name].length <= NAME_LENGTH_MAX;
}
