/**
 * The seam between an exchange and what carries it: what is ordered of a carrier, and what it reports.
 *
 * There is a room for each carrier, `moosicbox/` and `native/`: it turns orders into frames and frames into facts, and keeps
 * a record of its own for each exchange, the `Carried` of `state.ts`. It knows the number of the exchange, and of the
 * exchange itself nothing. `carriers.ts` is the one place that tells the rooms apart.
 *
 * Facts are returned: a message of the server is at most one, so it goes up to `exchange/` as the answer to the call that
 * took the message, and nothing waits in the state. A violation goes up one floor more, to `life/`, which ends the tunnel.
 *
 * Two orders are given for each chunk of a body and are plain calls for that reason, where the others are objects:
 * `carryPiece` and `giveCredit` of `carriers.ts`. An exchange begins with `accept` there, or ends with `refuse`.
 *
 * The pace is the carrier's own: it pauses the origins of what it cannot take, and resumes them. `heldUntilMs` tells.
 */
import type { HeaderList } from "../http/headers.ts";
import type { ExchangeId } from "../ids.ts";
import type { Received } from "../session/received.ts";
import type { Stream } from "../session/state.ts";
import type { WireId } from "../wire/packet.ts";
import type { AgentProblem } from "./problem.ts";
import type { AgentSession, MoosicBoxTunnel } from "./state.ts";

/** What an exchange orders. After `end`, `give_up` and `drop` the carrier knows nothing of it any more. */
export type CarrierOrder =
  /** An interim response of the origin, as it came. A carrier that has no place for it drops it. */
  | { readonly type: "interim"; readonly status: number; readonly headers: HeaderList }
  /** The origin's final head, as it came; the one order that can be refused, with a problem. */
  | {
      readonly type: "head";
      readonly status: number;
      readonly headers: HeaderList;
      readonly hasBody: boolean;
      /** The declared length of the body, null where there is none. */
      readonly bodyBytes: number | null;
    }
  /** The answer is complete. A carrier that has no place for trailers drops them. */
  | { readonly type: "end"; readonly trailers: HeaderList }
  /** The origin failed: the problem is the answer where none of it has gone out yet, else the answer is broken off. */
  | { readonly type: "give_up"; readonly problem: AgentProblem }
  /** Nobody waits for it any more: what is left of it is forgotten. */
  | { readonly type: "drop" };

/** What a message of the server comes to. */
export type CarrierFact =
  | { readonly type: "nothing" }
  /** A request, which is to be accepted or refused. */
  | Opened
  /** More of a request's body, for an exchange that runs; the session's own object, so that a piece costs no second one. */
  | RequestPiece
  /** The server ended the exchange: nobody takes the answer, or the rest of the request will not come. */
  | { readonly type: "aborted"; readonly exchange: ExchangeId }
  /** The server has forgotten these, and with them whoever waited. */
  | { readonly type: "forgotten"; readonly exchanges: readonly ExchangeId[] }
  /** The server leaves: it takes its session up no more, and other servers are to be looked for. */
  | { readonly type: "leaving" }
  /** The server broke the protocol in a way that no single exchange has to answer for. */
  | { readonly type: "violation"; readonly detail: string };

export type Opened = MoosicBoxOpened | NativeOpened;

export type MoosicBoxOpened = OpenedBase & {
  readonly protocol: "moosicbox";
  readonly tunnel: MoosicBoxTunnel;
};

export type NativeOpened = OpenedBase & {
  readonly protocol: "native";
  readonly session: AgentSession;
  readonly stream: Stream;
};

type OpenedBase = {
  readonly type: "opened";
  /** The server's own number of the exchange. */
  readonly requestId: WireId;
  readonly request: CarriedRequest;
  /** What of the body came along. */
  readonly body: Uint8Array;
  /** Whether that is all of it. */
  readonly last: boolean;
  readonly trailers: HeaderList;
};

export type CarriedRequest = {
  readonly method: string;
  /** In origin form, if HTTP can carry it. */
  readonly target: string;
  /** A `content-length` among them tells the length of a body that is given to the origin with one. */
  readonly headers: HeaderList;
  readonly upgrade: boolean;
};

export type RequestPiece = Extract<Received, { type: "piece" }>;

export const NOTHING: CarrierFact = { type: "nothing" };

export function violation(detail: string): CarrierFact {
  return { type: "violation", detail };
}
