import type { HeaderList } from "../http/headers.ts";
import type { AgentLimits } from "../limits.ts";

/** One home service, and which requests are its. */
export type OriginRoute = {
  /** Begins with a slash; `/` takes what nothing else does. */
  readonly prefix: string;
  /** Host and port, as in a Host header. */
  readonly authority: string;
  /** Whether it is called over TLS; not where nothing is said. */
  readonly secure?: boolean;
  /** Goes before each path; begins with a slash and ends without one. */
  readonly basePath?: string;
};

/** What a person set of it, and may set anew while it runs. */
export type AgentSettings = Pick<
  AgentConfig,
  "protocol" | "access" | "origins" | "hostHeader" | "headers" | "exitOnError" | "docsUrl" | "limits"
>;

/** What an agent is made with. */
export type AgentConfig = {
  readonly clientId: string;
  /** The client access token of an earlier run; null makes the agent register first. */
  readonly clientToken: string | null;
  /** The server's access token, needed to register only. */
  readonly accessToken: string | null;
  /** What registers this client id once, in place of the access token. */
  readonly invite: string | null;
  readonly protocol: "auto" | "native" | "moosicbox";
  /** Who may visit, as `Culvert-Access` says it: `token`, `public`, or `basic USER:HASH`. */
  readonly access: string;
  /** The name by which visitors are to find the home, in lower case; null for whichever the server gives it. */
  readonly hostname: string | null;
  /** At least one. The longest prefix that a request's path begins with, on a segment's border, has it. */
  readonly origins: readonly OriginRoute[];
  /**
   * What the origin is told as Host: its own authority, the visitor's, or this text. Unless it is the visitor's, all that
   * names the one in requests and answers is made to name the other.
   */
  readonly hostHeader:
    | { readonly type: "origin" | "visitor" }
    | { readonly type: "fixed"; readonly value: string };
  /** Set in each request to the origin, in place of any of the same name. */
  readonly headers: HeaderList;
  /** Where errors lead people: the page that has an anchor for each code. Null leads them nowhere. */
  readonly docsUrl: string | null;
  /** Whether the agent ends where trying again cannot help, unless it was connected once: then its settings were right. */
  readonly exitOnError: boolean;
  /** Links to so many nodes are kept where there are several; from 1. */
  readonly links: number;
  readonly limits: AgentLimits;
  /** Says in handshakes which process this is: 32 lower-case hex digits, random and new with each start. */
  readonly instance: string;
  /** Seeds the jitter of the backoff; no secret. */
  readonly seed: number;
};
