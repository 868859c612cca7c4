/** How a home is asked, how it answers, and what may be wrong with it meanwhile. */
import type { HomeConnectionRecord } from "../../record/home-call.ts";

/** What a home tells whoever asked. */
export type HomeClient = {
  /** For a recorder. */
  readonly name: string;
  /** So much of the request body was taken in. */
  readonly flushed: (bytes: number) => void;
  readonly interim: (status: number, headers: readonly string[]) => void;
  readonly head: (status: number, headers: readonly string[]) => void;
  readonly body: (bytes: Uint8Array) => void;
  readonly ended: (trailers: readonly string[]) => void;
  readonly failed: (fault: "refused" | "broken" | "malformed" | "connect_timeout") => void;
};

/** A request under way. */
export type HomeRequest = {
  readonly abort: () => void;
  readonly pause: (paused: boolean) => void;
  /** More of a streamed body, or of an upgraded connection. */
  readonly send: (bytes: Uint8Array) => void;
  readonly sendEnd: (trailers: readonly string[]) => void;
  /** More of a body whose request is answered. */
  readonly overhear?: (bytes: Uint8Array) => void;
};

/** What an agent asks for. */
export type HomeQuestion = {
  readonly method: string;
  readonly target: string;
  /** Null from an agent that passes none on. */
  readonly headers: readonly string[] | null;
  /** Of one byte to a character. */
  readonly body: string | "streamed" | null;
  readonly upgrade?: boolean;
  /** What it comes on; left out where an agent is no more than a model. */
  readonly connection?: HomeConnectionRecord;
};

export type HomeTrouble = "refused" | "silent" | "broken" | "dry";

/** What is wrong with a home now, which its answers feel. */
export type HomeCondition = {
  /** Requests are taken and never answered while above 0. */
  readonly silences: number;
  /** Answers break in the middle while above 0. */
  readonly breaks: number;
  /** Answers stop in the middle, and go on when it is 0 again. */
  readonly droughts: number;
  /** Somebody on the way to the agent put frames of his own among its server's: any bytes may come. */
  readonly wasTampered: boolean;
  /** Tells a fault that it did something. */
  readonly onTrouble: (what: HomeTrouble) => void;
};
