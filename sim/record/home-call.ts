import type { VisitOperation } from "../scenario/scenario.ts";

/** One request that reached a home. */
export type HomeCall = {
  readonly clientId: string;
  /** The visit that it belongs to; null where nobody's visit asks for that. */
  readonly visit: VisitOperation | null;
  readonly method: string;
  readonly target: string;
  /** What it came on; null from an agent that is no more than a model. */
  readonly connection: HomeConnectionRecord | null;
  readonly atUs: number;
  /** Whether what came of the request body is what the visitor sent, and all of it where it ended. */
  bodyIntact: boolean;
  /** Whether the fields that have to come as they are did; also where the agent passes no fields on. */
  readonly headersIntact: boolean;
  /** The field in which its visitor named the place that he asked for, and which names another one to the home. */
  readonly misnamed: string | null;
  /** What it must not be told and was: its own token, or a field that only Culvert may set. Null where no field is passed on. */
  readonly told: "nothing" | "a token of its own" | "a word of Culvert's" | null;
  /** How it ended; null while it runs. */
  end: "answered" | "aborted" | "failed" | null;
  /** Nothing of an answer has left the home. */
  silent: boolean;
};

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
