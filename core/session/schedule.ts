/**
 * Whose turn it is. Streams that have something to send take turns, one frame each. One that just began to send goes ahead
 * of those that have had a frame's worth already, so that a small answer does not wait behind bulk (the new and old flows
 * of FQ-CoDel, RFC 8290 section 5.4). As there, one that runs dry passes through the other ring before it counts as new
 * again: otherwise a few streams that send a little all the time would keep all others from sending at all.
 */
import { dequeue, enqueue, queueLength } from "../queue.ts";
import type { Session, Stream } from "./state.ts";

/** To be called when a stream may have got something to send. */
export function schedule(session: Session, stream: Stream): void {
  if (stream.ring !== "none" || !isSendable(session, stream)) return;
  stream.turnBytes = 0;
  enter(session, stream, "fresh");
}

/** The stream that sends the next frame, taken out of its ring until `endTurn`; undefined where nothing can go out. */
export function takeTurn(session: Session): Stream | undefined {
  for (;;) {
    const stream = dequeue(session.fresh) ?? dequeue(session.bulk);
    if (stream === undefined || isSendable(session, stream)) return stream;
    leave(session, stream);
  }
}

/** The stream has sent a frame of so many bytes. */
export function endTurn(session: Session, stream: Stream, bytes: number): void {
  stream.turnBytes += bytes;
  if (!isSendable(session, stream)) return leave(session, stream);
  const isFresh = stream.ring === "fresh" && stream.turnBytes < session.limits.frameBytesMax;
  enter(session, stream, isFresh ? "fresh" : "bulk");
}

/** Whether a frame of the stream could go out now. */
export function isSendable(session: Session, stream: Stream): boolean {
  const { send } = stream;
  if (stream.phase !== "open") return false;
  if (send.resend < send.next) return true;
  if (send.finished) return false;
  if (queueLength(send.interims) > 0) return true;
  if (!send.flushed && send.queuedBytes < session.limits.frameBytesMax) return false;
  if (send.head !== null) return true;
  return send.queuedBytes > 0 ? send.sentBytes < send.limit : send.ended;
}

/** A stream has nothing to send. */
function leave(session: Session, stream: Stream): void {
  const mayReturn = stream.phase === "open" && !stream.send.finished;
  if (stream.ring === "fresh" && mayReturn) enter(session, stream, "bulk");
  else stream.ring = "none";
}

function enter(session: Session, stream: Stream, ring: "fresh" | "bulk"): void {
  stream.ring = ring;
  enqueue(ring === "fresh" ? session.fresh : session.bulk, stream);
}
