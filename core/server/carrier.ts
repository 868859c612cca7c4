/**
 * The seam between an exchange and what brings it to its home. To be read third, after `events.ts` and `effects.ts`.
 *
 * An exchange knows that it is carried, not how: it gives the orders below and takes the facts below. Each carrier has a room
 * (`moosicbox/`, `native/`, `peer/`) that turns orders into frames and frames into facts. A carrier knows an exchange by its id alone;
 * what it has to keep of one is a record of its own. `carriers.ts` leads from a record to its room.
 *
 * Orders are carried out at once. Facts are returned, by the call that was given the frame to the top of the server, which
 * hands them to the exchange: a body piece is looked at once, waits in no queue, and nothing below calls what is above. A
 * frame comes to one fact at most. What it sets free beside that, such as packets that waited for it, the exchange asks for.
 */
import type { ExchangeOpened } from "../events.ts";
import type { ExchangeOutcome, FailureCode } from "../failure.ts";
import type { HeaderList } from "../http/headers.ts";
import type { ExchangeId } from "../ids.ts";
import type { Hello } from "../wire/native.ts";
import type { Access } from "./routing/access.ts";
import type { Route } from "./routing/shape.ts";
import type { CarriedHead } from "./state/head.ts";

export type { CarriedHead } from "./state/head.ts";

/** How a carrier takes requests now: piece by piece as they come, whole, or not at this moment although its home is there. */
export type Intake = "streamed" | "gathered" | "not_now";

/** The order that begins an exchange's way. It is answered with the carrier's record, or with a refusal. */
export type OpenOrder = {
  readonly exchange: ExchangeId;
  readonly clientId: string;
  readonly request: ExchangeOpened;
  readonly route: Route;
  /** The mode that let it in by the home's own name; null on the way by `?clientId=`. */
  readonly access: Access | null;
  readonly passesAuthorization: boolean;
  /** How often the exchange was sent on its way before. */
  readonly attempt: number;
  /** The body, for a carrier that takes requests whole; null where there is none, and where it is streamed. */
  readonly payload: string | null;
};

/** Why a carrier does not take a request. */
export type Refusal = {
  readonly type: "refusal";
  readonly code: FailureCode;
  readonly detail: string | null;
  /** What the visitor is told besides. */
  readonly headers: HeaderList;
};

export function refusal(code: FailureCode, detail: string | null = null, headers: HeaderList = []): Refusal {
  return { type: "refusal", code, detail, headers };
}

export type CarrierOrder =
  /** A piece of the request body; of an upgrade: raw bytes. */
  | { readonly type: "body"; readonly bytes: Uint8Array }
  /** The request is complete. */
  | { readonly type: "end"; readonly trailers: HeaderList }
  /** The visitor is not read any more: say when there is room again. */
  | { readonly type: "await_room" }
  /** The visitor was given more of the answer, and has so much of it still to take. */
  | { readonly type: "given"; readonly unflushedBytes: number }
  /** So many bytes of the answer are dealt with: more may come. */
  | { readonly type: "credit"; readonly bytes: number; readonly unflushedBytes: number }
  /** The answer is complete: what is left of the request will not be needed. */
  | { readonly type: "answered" }
  /** Nothing more is wanted from the home. */
  | { readonly type: "abort"; readonly code: Exclude<ExchangeOutcome, "completed"> }
  /** The last order: the exchange is carried no longer. */
  | { readonly type: "leave" };

export type CarrierFact =
  /** An interim response; `100 Continue` included (RFC 9110 section 15.2). */
  | {
      readonly type: "interim";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
    }
  | PieceFact
  /** A piece came before its turn, and waits in the carrier's record. */
  | { readonly type: "parked"; readonly exchange: ExchangeId; readonly bytes: number }
  /** The home, or its agent, gave the exchange up or broke the protocol on it: the others go on. */
  | {
      readonly type: "broken";
      readonly exchange: ExchangeId;
      readonly code: FailureCode;
      readonly detail: string | null;
      /** What the visitor is told besides. */
      readonly headers?: HeaderList;
    }
  /** The agent knows nothing of these any more. */
  | { readonly type: "forgotten"; readonly exchanges: readonly ExchangeId[] }
  /** Of the tunnel: its agent says hello. */
  | { readonly type: "hello"; readonly hello: Hello }
  /** Of the tunnel: its agent broke a rule that is about more than one exchange. */
  | { readonly type: "violation"; readonly detail: string };

/** A piece of the answer in its turn, with the head if it is the first. */
export type PieceFact = {
  readonly type: "piece";
  readonly exchange: ExchangeId;
  readonly head: CarriedHead | null;
  readonly body: Uint8Array;
  /** Whether nobody else needs any of the buffer that `body` is of. */
  readonly lastUse: boolean;
  readonly last: boolean;
  readonly trailers: HeaderList;
};

export const NOT_FINAL = "The head of the answer is not a final response's.";
