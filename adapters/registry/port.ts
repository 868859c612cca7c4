/** What every implementation of the registry's port has in common. */
import {
  ACCESS_LENGTH_MAX,
  type RegistryOperation,
  type RegistryOutcome,
  URL_LENGTH_MAX,
} from "../../core/registry.ts";
import type { RegistryProblem } from "./problem.ts";

export type Registry = {
  /** Answers exactly once, possibly before it returns. Never throws: what goes wrong is an outcome of type `failed`. */
  call(operation: RegistryOperation, answer: (outcome: RegistryOutcome) => void): void;
  /** Writes something and takes it back: null where the database took it. For the operator; the core asks nothing of it. Never rejects. */
  probe(): Promise<RegistryProblem | null>;
  /** Later calls answer `unavailable`. */
  close(): Promise<void> | void;
};

/** Names and hashes are VARCHAR(64): this many characters of Unicode, not of UTF-16. */
export const VALUE_CHARACTERS_MAX = 64;

const CHARACTERS_MAX: Readonly<Record<string, number>> = {
  access: ACCESS_LENGTH_MAX,
  peerUrl: URL_LENGTH_MAX,
  publicUrl: URL_LENGTH_MAX,
};

/**
 * Whether every text of the operation fits its column unchanged. Half a surrogate pair has no UTF-8: a database would store
 * a replacement character, and two different names would become one.
 */
export function isStorable(operation: RegistryOperation): boolean {
  for (const [key, value] of Object.entries(operation)) {
    if (typeof value === "string" && !fits(value, CHARACTERS_MAX[key] ?? VALUE_CHARACTERS_MAX)) return false;
  }
  return true;
}

function fits(value: string, charactersMax: number): boolean {
  if (!value.isWellFormed()) return false;
  if (value.length <= charactersMax) return true;
  return value.length <= 2 * charactersMax && [...value].length <= charactersMax;
}
