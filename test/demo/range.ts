/** The `Range` header of RFC 9110 section 14.2, as far as a media player uses it: one range of bytes. */

/** Both ends included, within the file. */
export type ByteRange = { readonly first: number; readonly last: number };

/**
 * `whole` where there is no range, or one that a server may ignore: another unit, several ranges, a malformed one.
 * `unsatisfiable` where the range is well-formed but has no byte of the file in it.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | "whole" | "unsatisfiable" {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "") ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return "whole";
  if (from === "") {
    // A suffix: the last `to` bytes, or all of them where the file is shorter.
    const length = Math.min(Number(to), size);
    return length === 0 ? "unsatisfiable" : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  const last = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== "" && Number(to) < first) return "whole";
  return first >= size ? "unsatisfiable" : { first, last };
}
