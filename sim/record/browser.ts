import type { BrowserDeed, BrowserOperation, HomeSpec } from "../scenario/scenario.ts";

/** What came of one step of a browser. */
export type BrowserAnswer = {
  readonly operation: BrowserOperation;
  readonly home: HomeSpec;
  readonly does: BrowserDeed;
  /** Whether it came all the way. */
  readonly isWhole: boolean;
  /** Null where none came. */
  readonly status: number | null;
  readonly headers: readonly string[];
  /** For how long the browser had been signed in when it asked; null where it was not, or has signed out. */
  readonly signedInMs: number | null;
};
