/** What is known of a request: plain data, changed in place by the steps. `visitor/exchange.ts` has the rules. */
import type { ExchangeOpened } from "../../events.ts";
import type { ExchangeOutcome } from "../../failure.ts";
import type { HeaderList } from "../../http/headers.ts";
import type { FrameTracker } from "../../http/websocket-frames.ts";
import type { CheckId, ExchangeId } from "../../ids.ts";
import type { HeldToken } from "../../registry.ts";
import type { Timer } from "../../timers.ts";
import type { Access } from "../routing/access.ts";
import type { Session } from "../routing/session-cookie.ts";
import type { Route } from "../routing/shape.ts";
import type { Hop } from "./peers.ts";
import type { TimerOwner } from "./timers.ts";
import type { Carried } from "./tunnels.ts";

/** One visitor's request and its response, from `exchange_opened` to `exchange_closed`. `visitor/exchange.ts` has the phases. */
export type Exchange = {
  readonly id: ExchangeId;
  readonly openedMs: number;
  readonly request: ExchangeOpened;
  /** Changed where its home's door finds more in the request than the route tells. */
  route: Route;
  readonly timer: Timer<TimerOwner>;
  /** Whose share of the bounds it takes; known when it is first asked for. */
  address: string | null;
  /** Address and home as one name; null until it is asked for. */
  share: string | null;
  phase: ExchangePhase;
  /** Whose home it is for: from the request, or found by its magic token; null where there is none. */
  clientId: string | null;
  /** The mode that let it in by the home's own name; null before, and on the way by `?clientId=`. */
  access: Access | null;
  /** Until when it waits for its home, if ever, however often that comes and goes; null where it never had to. */
  waitsUntilMs: number | null;
  /** Whether the registry was asked what it knows of its home. */
  recalled: boolean;
  /** What another node says of it, where it came by one; null where it is a visitor's own. */
  readonly hop: Hop | null;
  /** Whether the registry was asked which node has its home; how often it was sent to one; the rows that led it astray, which are not true any more. */
  sought: boolean;
  hops: number;
  misled: readonly string[];
  /** The check of the password that it showed, while it waits for that. */
  check: CheckId | null;
  /** What let it in, or is looked up for that; null where no token of the registry did. */
  token: HeldToken | null;
  /** Whether the visitor's `Authorization` is the home's: null until it may go to one. */
  passesAuthorization: boolean | null;
  /** The good cookie that it shows of a sign-in; null where it shows none, or something else counts. */
  session: Session | null;
  /** What brings it to its home, from the request on its way until the home owes nothing more; null where nothing does. */
  carried: Carried | null;
  /** Whether the request body was asked for. */
  requestAsked: boolean;
  /** Whether the visitor is not read on, because his home does not keep up. */
  requestPaused: boolean;
  /** Whether the request body was read to its end, so that the connection can take another request. */
  requestRead: boolean;
  /** Request body gathered so far. */
  requestParts: Uint8Array[];
  requestBytes: number;
  /** Behind a gathered body, for an agent that can be given them. */
  requestTrailers: HeaderList;
  /** Head of the home's response; null until it has come. */
  head: ResponseHead | null;
  /** Where the frames end that go to the visitor of a WebSocket; null until its 101. */
  frames: FrameTracker | null;
  /** Of a WebSocket: whether it is to be closed behind the frame that is under way. */
  leaves: boolean;
  /** Body of a blocking response gathered so far. */
  responseParts: Uint8Array[];
  /** Body bytes that came from the home. */
  responseBytes: number;
  /** Whether the visitor was sent a head, so that only a cut can tell of a failure. */
  headSent: boolean;
  /** Whether the visitor's connection was ordered to be destroyed: then nothing is held for it any more. */
  isCut: boolean;
  /** Bytes ordered to be written that the visitor has not taken yet. */
  unflushedBytes: number;
  /** All bytes held for it: request parts, parked, response parts, unflushed. */
  heldBytes: number;
  /** Status sent to the visitor, 0 while none was. */
  status: number;
  /** Body bytes that were ordered to be written to the visitor. */
  bytesOut: number;
  /** When a byte last moved for it, either way. */
  lastProgressMs: number;
  /** How it ends, decided once; null until then. */
  ending: ExchangeOutcome | null;
};

export type ExchangePhase =
  | "authorizing"
  | "issuing"
  | "queued"
  | "reading"
  | "waiting"
  | "responding"
  | "closing";

export type ResponseHead = {
  readonly status: number;
  readonly headers: HeaderList;
  /** The body's length if the home declared it, null otherwise. */
  readonly declaredBytes: number | null;
  /** HEAD, 204 and 304 have none, whatever comes (RFC 9112 section 6.3). */
  readonly hasBody: boolean;
};
