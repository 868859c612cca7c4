/** What a session of the native protocol holds, at either end. When all work is settled it is nothing, and all windows are whole. */

import { countedBytes, heldBytes, type Session } from "../../core/session/state.ts";
import type { Finish } from "../record/finish.ts";

export type SessionHold = {
  readonly streams: number;
  /** Credit that flows or is held. */
  readonly windowBytes: number;
  readonly heldBytes: number;
};

export const NOTHING_HELD: SessionHold = { streams: 0, windowBytes: 0, heldBytes: 0 };

export function added(hold: SessionHold, session: Session): SessionHold {
  return {
    streams: hold.streams + session.streams.size,
    windowBytes: hold.windowBytes + countedBytes(session),
    heldBytes: hold.heldBytes + heldBytes(session),
  };
}

/** The same, as what is left at the end of a run. */
export function heldBySessions(
  process: string,
  { streams, windowBytes, heldBytes }: SessionHold,
): Finish["held"] {
  return [
    { process, what: "streams", count: streams },
    { process, what: "bytes of credit that are not back", count: windowBytes },
    { process, what: "bytes that are not acknowledged", count: heldBytes },
  ];
}
