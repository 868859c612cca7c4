/** The registry's rows and their history, as checkers see them. */
import type { RegistryOperation } from "../../core/registry.ts";

export type ConnectionEntry = {
  readonly tunnel: string;
  readonly node: string;
  readonly fence: number;
  readonly leaseEndsUs: number;
  /** Of the agent's process; left out where it did not say. */
  readonly instance?: string;
};

/** One change of one row of `connections`; null stands for no row. */
export type RegistryChange = {
  readonly atUs: number;
  readonly clientId: string;
  readonly operation: RegistryOperation["type"];
  readonly before: ConnectionEntry | null;
  readonly after: ConnectionEntry | null;
};
