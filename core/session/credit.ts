/**
 * How much of a body may come, and what the other side is told of it (`../wire/native.md`, Flow control). The window of a direction
 * is what may be under way or held for the owner; the limit told is what was passed on plus the window. It is
 * told again when a quarter of the window was passed on, so that neither a frame is spent on every piece nor the sender
 * runs dry.
 *
 * A window grows while it is what holds the exchange back: when more than half of it was passed on within one round
 * trip of the tunnel. One whose visitor or origin is slow, or stands still, never grows. `budget.ts` says how far.
 */
import { assert } from "../assert.ts";
import { isOverdrawn, move, resizeWindow, roomToGrow } from "./budget.ts";
import type { ReceiveHalf, Session, Stream } from "./state.ts";

/** The owner has passed on so many bytes of the stream's body. Does nothing for a stream that is over. */
export function consume(session: Session, stream: Stream, bytes: number): void {
  const { receive } = stream;
  if (stream.phase !== "open") return;
  receive.consumedBytes += bytes;
  assert(receive.consumedBytes <= receive.receivedBytes, "more of a body was passed on than came");
  if (receive.ended) return;
  move(session, receive);
  grant(session, receive);
}

/** Counts what came of a body. False where it is more than there was credit for. */
export function takeBody(session: Session, stream: Stream, bytes: number): boolean {
  const { receive } = stream;
  receive.receivedBytes += bytes;
  if (receive.receivedBytes > receive.toldLimit) return false;
  if (bytes > 0) move(session, receive);
  if (wantsMeasuring(session, receive)) measure(session, stream);
  return true;
}

/** Sees to it that what came is acknowledged before the sender has to hold much of it. */
export function acknowledgePiece(session: Session, receive: ReceiveHalf): void {
  if (receive.ended) return tell(session, receive, false);
  const frames = receive.received - receive.toldFrames;
  const bytes = receive.receivedBytes - receive.toldBytes;
  if (frames >= UNTOLD_FRAMES_MAX || bytes * 2 >= receive.windowBytes) tell(session, receive, true);
  // One that may send no more has nothing to wait for, and might hold the rest for as long as nobody reads here.
  else if (bytes >= UNTOLD_BYTES_MAX || (bytes > 0 && receive.receivedBytes >= receive.limit)) {
    tell(session, receive, false);
  }
}

/** Queues an acknowledgement with its credit; `now` where the other side may wait for it. */
export function tell(session: Session, receive: ReceiveHalf, now: boolean): void {
  if (now) session.tellNow = true;
  if (receive.tellQueued || session.tells.length >= TELLS_MAX) return;
  receive.tellQueued = true;
  session.tells.push(receive);
}

/** The pong of the measured round trip came. */
export function endRound(session: Session): void {
  session.pongAwaited = false;
  for (const stream of session.rounders) {
    const { receive } = stream;
    const passedOn = receive.consumedBytes - receive.roundBytes;
    if (stream.phase === "open" && !receive.ended && passedOn * 2 > receive.windowBytes)
      grow(session, receive);
  }
  session.rounders.length = 0;
}

/** Small frames cost the sender more than their bytes to hold. */
const UNTOLD_FRAMES_MAX = 64;

/**
 * From here on an acknowledgement goes with the next ones. What a sender holds for longer than a moment outlives the young
 * generation of its heap, and then costs far more memory than its bytes.
 */
const UNTOLD_BYTES_MAX = 64 * 1024;

/**
 * More exchanges than a session ever has: only somebody who makes work and does not read gets here, and then has
 * acknowledgements to miss.
 */
const TELLS_MAX = 16_384;

/** Exchanges that come and go before a pong are not collected without end. */
const ROUNDERS_MAX = 1_024;

function grant(session: Session, receive: ReceiveHalf): void {
  if (receive.windowBytes > session.limits.windowBytes && isOverdrawn(session)) shrink(session, receive);
  const limit = receive.consumedBytes + receive.windowBytes;
  if ((limit - receive.limit) * 4 < receive.windowBytes) return;
  receive.limit = limit;
  tell(session, receive, true);
}

/** Whether it may pay to measure: a body of a few pieces is through before its window could grow. */
function wantsMeasuring(session: Session, receive: ReceiveHalf): boolean {
  return receive.receivedBytes * 4 > receive.windowBytes && roomToGrow(session, receive) > 0;
}

/** Lets the stream take part in the round trip that is measured, or in a new one. */
function measure(session: Session, stream: Stream): void {
  if (!session.pongAwaited && !session.pingDue) {
    session.round++;
    session.pingDue = true;
  }
  if (stream.receive.round === session.round || session.rounders.length >= ROUNDERS_MAX) return;
  stream.receive.round = session.round;
  stream.receive.roundBytes = stream.receive.consumedBytes;
  session.rounders.push(stream);
}

function grow(session: Session, receive: ReceiveHalf): void {
  resizeWindow(session, receive, receive.windowBytes + roomToGrow(session, receive));
  grant(session, receive);
}

/** What was promised stays promised: the window gives back what was passed on, and has the rest. */
function shrink(session: Session, receive: ReceiveHalf): void {
  const promisedBytes = receive.limit - receive.consumedBytes;
  resizeWindow(session, receive, Math.max(session.limits.windowBytes, promisedBytes));
}
