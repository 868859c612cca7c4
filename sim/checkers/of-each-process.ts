import type { SteppedProcess } from "../record/stepped.ts";

/** What a checker keeps of each process, made when the process is first seen. */
export function ofEachProcess<Kept>(
  make: (process: SteppedProcess) => Kept,
): (process: SteppedProcess) => Kept {
  const all = new Map<string, Kept>();
  return (process) => {
    const known = all.get(process.name);
    if (known !== undefined) return known;
    const made = make(process);
    all.set(process.name, made);
    return made;
  };
}
