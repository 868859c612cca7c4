/** What every implementation of the registry's port has in common. */
import type { RegistryOperation, RegistryOutcome } from "../core/registry.ts";

export type Registry = {
  /** Answers exactly once, possibly before it returns. Never throws: what goes wrong is an outcome of type `failed`. */
  call(operation: RegistryOperation, answer: (outcome: RegistryOutcome) => void): void;
  /** Later calls answer `unavailable`. */
  close(): Promise<void> | void;
};

/** The columns are VARCHAR(64): this many characters of Unicode, not of UTF-16. */
export const VALUE_CHARACTERS_MAX = 64;

/**
 * Whether every text of the operation fits its column unchanged. Half a surrogate pair has no UTF-8: a database would store
 * a replacement character, and two different names would become one.
 */
export function isStorable(operation: RegistryOperation): boolean {
  for (const value of Object.values(operation)) {
    if (typeof value === "string" && !fits(value)) return false;
  }
  return true;
}

function fits(value: string): boolean {
  if (!value.isWellFormed()) return false;
  if (value.length <= VALUE_CHARACTERS_MAX) return true;
  return value.length <= 2 * VALUE_CHARACTERS_MAX && [...value].length <= VALUE_CHARACTERS_MAX;
}
