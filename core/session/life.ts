/**
 * A session from socket to socket. What is lost with one is only what was under way: frames are held until they are acknowledged,
 * and after a resumption each side says where it stands and the other goes on from there.
 */
import { assert } from "../assert.ts";
import type { SocketId } from "../ids.ts";
import { clearQueue, enqueue } from "../queue.ts";
import { resetPace } from "./pace.ts";
import { clearTells } from "./pump.ts";
import { schedule } from "./schedule.ts";
import type { Session, Stream } from "./state.ts";
import { forgetStream, settleStream } from "./stream.ts";

/**
 * Frames go to this socket from now on, instead of the one before. `resumed`: the session was attached before, and both
 * sides go on with it; nothing but the resume frame goes out until the other side's has come.
 */
export function attachSession(session: Session, socket: SocketId, resumed: boolean): void {
  if (session.socket !== null) detachSession(session);
  session.socket = socket;
  session.resumeDue = resumed;
  session.resumeAwaited = resumed;
  if (resumed) session.resumptions++;
  session.drainDue = session.draining;
}

/** The socket is gone. Streams go on being filled, within their limits. */
export function detachSession(session: Session): void {
  session.socket = null;
  session.unsentBytes = 0;
  session.resumeDue = false;
  session.resumeAwaited = false;
  session.movedDue = false;
  session.pong = null;
  session.pingDue = false;
  session.pongAwaited = false;
  session.rounders.length = 0;
  resetPace(session.pace);
  // The next resume frame tells it all.
  clearTells(session);
}

/**
 * The other side's resume frame was read, and the streams that it named are marked: goes on with these, and gives those
 * that it did not name their end. Returns the streams that were not finished; they are forgotten here, too.
 */
export function resumeStreams(session: Session): Stream[] {
  assert(session.resumeAwaited, "a session goes on that was not interrupted");
  session.resumeAwaited = false;
  clearQueue(session.resets);
  const forgotten: Stream[] = [];
  for (const stream of session.streams.values()) {
    if (stream.named === session.resumptions) goOn(session, stream);
    else if (!mayBeNew(session, stream)) {
      if (!isDone(stream)) forgotten.push(stream);
      forgetStream(session, stream);
    } else resendAll(session, stream);
  }
  return forgotten;
}

function goOn(session: Session, stream: Stream): void {
  settleStream(session, stream);
  if (stream.phase === "reset") enqueue(session.resets, stream);
  if (stream.phase === "open") resendAll(session, stream);
}

/** Everything that was not acknowledged goes out again. */
function resendAll(session: Session, stream: Stream): void {
  stream.send.resend = stream.send.acked;
  schedule(session, stream);
}

/** Whether the agent may never have got the first frame: nothing came back that shows that it had. */
function mayBeNew(session: Session, stream: Stream): boolean {
  return session.role === "server" && stream.phase === "open" && !stream.heard;
}

/** Whether nothing is missed by this side of a stream that the other side has forgotten. */
function isDone(stream: Stream): boolean {
  return stream.phase === "reset" || (stream.send.finished && stream.receive.ended);
}
