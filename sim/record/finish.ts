import type { HomeCall } from "./home-call.ts";
import type { ConnectionEntry } from "./registry-row.ts";
import type { SteppedServer } from "./stepped.ts";
import type { Visit } from "./visit.ts";
import type { SeenVisitorSocket } from "./visitor-socket.ts";

/** What the run looks like when it is over; handed to `finished`. */
export type Finish = {
  /** Every visit to a home that healed. */
  readonly visits: readonly Visit[];
  readonly visitorSockets: readonly SeenVisitorSocket[];
  readonly homeCalls: readonly HomeCall[];
  /** What the live server processes still hold, by the name of the process and of the thing: all zero when idle. */
  readonly held: readonly { readonly process: string; readonly what: string; readonly count: number }[];
  /** No fault was injected: everything must have succeeded. */
  readonly faultFree: boolean;
  /** The server processes that are alive. */
  readonly servers: readonly SteppedServer[];
  /** The rows of the registry whose lease has not lapsed, by client id. */
  readonly rows: ReadonlyMap<string, ConnectionEntry>;
};
