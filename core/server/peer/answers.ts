/** What comes from other nodes of the exchanges that went to them: the events of an origin become facts of a carrier. */
import type { ServerEffect } from "../../effects.ts";
import type { OriginEvent, OriginFault } from "../../events.ts";
import type { FailureCode } from "../../failure.ts";
import type { HeaderList } from "../../http/headers.ts";
import { headerValues } from "../../http/headers.ts";
import type { Outbox } from "../../outbox.ts";
import { responseHead } from "../answer-head.ts";
import { type CarrierFact, NOT_FINAL, type PieceFact } from "../carrier.ts";
import type { PeerCarried } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";
import { readMark, withoutMark } from "./mark.ts";
import { hasPeerRoom, pauseOrResume } from "./requests.ts";

export type PeerFact =
  | Extract<CarrierFact, { readonly type: "interim" | "piece" | "broken" }>
  /** There is room for more of the request. */
  | { readonly type: "relieved" }
  /** The home is not there, or nobody is: the request reached no home, and may go to another node. */
  | { readonly type: "astray"; readonly code: FailureCode };

/** Null where it is nothing to the exchange. */
export function readAnswer(
  state: ServerState,
  carried: PeerCarried,
  event: OriginEvent,
  out: Outbox<ServerEffect>,
): PeerFact | null {
  const { exchange } = carried;
  switch (event.type) {
    case "origin_interim":
      return { type: "interim", exchange, status: event.status, headers: withoutMark(event.headers) };
    case "origin_flushed":
      carried.queuedBytes -= event.bytes;
      state.peers.queuedBytes -= event.bytes;
      if (!carried.sourcePaused || !hasPeerRoom(state, carried)) return null;
      carried.sourcePaused = false;
      return { type: "relieved" };
    case "origin_head": {
      const fact = readHead(carried, event.status, event.headers);
      if (event.follows === undefined || fact.type !== "piece" || fact.head === null) return fact;
      // It leaves in one write with what is there already.
      carried.held = { head: fact.head, body: NO_PIECE.body };
      return null;
    }
    case "origin_body": {
      state.counters.bytesIn += event.bytes.length;
      carried.owedBytes += event.bytes.length;
      pauseOrResume(state, carried, out);
      const { held } = carried;
      if (held !== null && event.follows === "end") {
        carried.held = { head: held.head, body: event.bytes };
        return null;
      }
      carried.held = null;
      // Whoever has a further view of the buffer has not said that it is the only one.
      return { ...NO_PIECE, exchange, head: held?.head ?? null, body: event.bytes, lastUse: true };
    }
    case "origin_ended": {
      carried.over = true;
      const { held } = carried;
      carried.held = null;
      return { ...NO_PIECE, ...held, exchange, last: true, trailers: event.trailers, lastUse: true };
    }
    case "origin_failed":
      carried.over = true;
      return readFault(carried, event.fault);
  }
}

function readHead(carried: PeerCarried, status: number, headers: HeaderList): PeerFact {
  const { exchange, accept } = carried;
  const broken = (code: FailureCode, detail: string | null = null, told: HeaderList = []): PeerFact => {
    return { type: "broken", exchange, code, detail, headers: told };
  };
  const mark = readMark(headers);
  if (mark === null) return broken(status === 403 ? "peer_refused" : "peer_protocol");
  if (mark.type === "misdirected") return { type: "astray", code: "agent_not_connected" };
  if (mark.type === "failed") {
    const { code, detail } = mark;
    // It is not this node that leaves.
    if (code === "draining") return broken("peer_lost");
    const [allow] = headerValues(headers, "allow");
    return broken(code, detail, allow === undefined ? [] : ["allow", allow]);
  }
  const head = responseHead({ status, headers: withoutMark(headers) }, accept);
  if (head === null) return broken("peer_protocol", NOT_FINAL);
  carried.headed = true;
  if (status === 101) carried.streams = true;
  return { ...NO_PIECE, exchange, head: { ...head, compressible: mark.compressible } };
}

/** What was not delivered may be sent again; of what was, nobody knows how far it came. */
function readFault({ exchange, headed }: PeerCarried, fault: OriginFault): PeerFact {
  if (!headed && UNDELIVERED.has(fault)) return { type: "astray", code: "peer_unreachable" };
  const code = fault === "malformed" || fault === "head_too_large" ? "peer_protocol" : "peer_lost";
  return { type: "broken", exchange, code, detail: null };
}

const UNDELIVERED: ReadonlySet<OriginFault> = new Set([
  "refused",
  "name_not_resolved",
  "tls_invalid",
  "connect_timeout",
]);

const NO_PIECE: Omit<PieceFact, "exchange"> = {
  type: "piece",
  head: null,
  body: new Uint8Array(0),
  lastUse: false,
  last: false,
  trailers: [],
};
