import type { HomeCall } from "./home-call.ts";

/** One connection of an agent to a home, as the home knows it. */
export type HomeConnectionRecord = {
  readonly clientId: string;
  /** Of its agent's process. */
  readonly agent: string;
  /** In order. */
  readonly calls: HomeCall[];
  /** Visits whose login the home has bound to it: it takes whatever comes on it for theirs. */
  readonly logins: Set<number>;
};
