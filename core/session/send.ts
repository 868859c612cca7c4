/**
 * What the owner gives to be sent. It is queued, and goes out by `pump` when its turn and its credit have come. On a stream that is over
 * all of this does nothing: the owner need not know yet.
 */
import { assert } from "../assert.ts";
import type { HeaderList } from "../http/headers.ts";
import { clearQueue, enqueue } from "../queue.ts";
import type { NativeRequestHead } from "../wire/native-head.ts";
import { firstWindow } from "./budget.ts";
import { queueRoom } from "./room.ts";
import { schedule } from "./schedule.ts";
import type { Session, Stream } from "./state.ts";
import { buryStream, createStream, forgetStream } from "./stream.ts";

/** Server: begins an exchange. Its number is from 1, and new to the session. */
export function openStream(
  session: Session,
  id: number,
  head: Omit<NativeRequestHead, "creditBytes">,
): Stream {
  assert(session.role === "server", "an agent opens an exchange");
  assert(Number.isSafeInteger(id) && id >= 1, "an exchange's number is not a whole number from 1");
  const creditBytes = firstWindow(session);
  const stream = createStream(session, id, session.options.peerWindowBytes, creditBytes);
  const { upgrade, method, target, peer, headers } = head;
  stream.send.head = { upgrade, creditBytes, method, target, peer, headers };
  stream.send.headed = true;
  flushStream(session, stream);
  return stream;
}

/** Agent: an interim response, before the head of the final one. */
export function sendInterim(session: Session, stream: Stream, status: number, headers: HeaderList): void {
  assert(session.role === "agent", "a server sends an interim response");
  if (stream.phase !== "open") return;
  assert(!stream.send.headed, "an interim response comes after the final one");
  enqueue(stream.send.interims, { status, headers });
  schedule(session, stream);
}

/** Agent: the head of the final response. It waits for a body that fills a frame, the end, or `flushStream`. */
export function sendHead(session: Session, stream: Stream, status: number, headers: HeaderList): void {
  assert(session.role === "agent", "a server sends a response");
  if (stream.phase !== "open") return;
  assert(!stream.send.headed, "a response has two heads");
  stream.send.head = { status, headers };
  stream.send.headed = true;
}

/**
 * Agent: takes the head of the final response back, with all that follows it, where none of it has gone out. Another response
 * can then be given in its place. False where it is too late.
 */
export function retractHead(session: Session, stream: Stream): boolean {
  const { send } = stream;
  if (stream.phase !== "open" || send.head === null) return false;
  session.queuedBytes -= send.queuedBytes;
  send.queuedBytes = 0;
  send.head = null;
  send.headed = false;
  send.flushed = false;
  send.ended = false;
  send.trailers = [];
  clearQueue(send.parts);
  return true;
}

/** A piece of body. The bytes are kept as a view until they are acknowledged: a small one of a large buffer comes copied. */
export function sendBody(session: Session, stream: Stream, bytes: Uint8Array): void {
  const { send } = stream;
  if (stream.phase !== "open" || bytes.length === 0) return;
  assert(!send.ended, "a body goes on after its end");
  assert(send.headed, "a body comes before its head");
  enqueue(send.parts, bytes);
  send.queuedBytes += bytes.length;
  session.queuedBytes += bytes.length;
  if (session.role === "server") send.flushed = true;
  schedule(session, stream);
}

export function sendEnd(session: Session, stream: Stream, trailers: HeaderList): void {
  const { send } = stream;
  if (stream.phase !== "open") return;
  assert(!send.ended, "a body ends twice");
  assert(send.headed, "a body ends before its head");
  send.ended = true;
  send.trailers = trailers;
  flushStream(session, stream);
}

/** Whether the stream's source is to be paused: what is queued for all makes what each may queue smaller, down to nothing. */
export function isFull(session: Session, { send }: Stream): boolean {
  return send.queuedBytes > queueRoom(session);
}

/** What is queued may go out although more may follow soon. Without it the agent's short remainders wait. */
export function flushStream(session: Session, stream: Stream): void {
  const { send } = stream;
  if (stream.phase !== "open" || (send.head === null && send.queuedBytes === 0 && !send.ended)) return;
  send.flushed = true;
  schedule(session, stream);
}

/**
 * Ends both directions of the exchange with a code of 1 to 64 letters `a-z` and `_`. What is queued and what was sent is
 * dropped. Does nothing where both directions are complete.
 */
export function resetStream(session: Session, stream: Stream, code: string): void {
  assert(RESET_CODE.test(code), "a reset has a malformed code");
  if (stream.phase !== "open" || (stream.send.finished && stream.receive.ended)) return;
  // The other side never heard of it.
  if (session.role === "server" && stream.send.next === 0) return forgetStream(session, stream);
  buryStream(session, stream, code);
  enqueue(session.resets, stream);
}

/** Tells the other side that this one leaves, on this socket and on each one after it. */
export function sendDrain(session: Session): void {
  if (session.draining) return;
  session.draining = true;
  session.drainDue = true;
}

/** Tells the server, once, that there is another link. */
export function sendMoved(session: Session): void {
  assert(
    session.role === "agent" && session.socket !== null,
    "a session moves that no agent has on a socket",
  );
  session.movedDue = true;
}

const RESET_CODE = /^[a-z_]{1,64}$/;
