/**
 * A stream's life: made with its first frame, forgotten when both directions are finished and nothing of it is missed by
 * the other side (`../wire/native.md`, Resumption). What it took from the session's sums it gives back exactly once.
 */
import { assert } from "../assert.ts";
import { clearQueue, createQueue, dequeue } from "../queue.ts";
import { joinBudget, leaveBudget, STILL } from "./budget.ts";
import type { ReceiveHalf, SendHalf, SentFrame, Session, Stream } from "./state.ts";

/** Adds a stream that may send up to `sendLimit` and receive up to `windowBytes` of body at first. */
export function createStream(session: Session, id: number, sendLimit: number, windowBytes: number): Stream {
  assert(!session.streams.has(id), "an exchange's number is used twice");
  const stream: Stream = {
    id,
    send: createSendHalf(sendLimit),
    receive: createReceiveHalf(id, windowBytes),
    phase: "open",
    resetCode: "",
    sourcePaused: false,
    heard: false,
    ring: "none",
    turnBytes: 0,
    named: 0,
  };
  session.streams.set(id, stream);
  joinBudget(session, stream.receive);
  return stream;
}

export function createReceiveHalf(id: number, windowBytes: number): ReceiveHalf {
  return {
    id,
    received: 0,
    limit: windowBytes,
    receivedBytes: 0,
    consumedBytes: 0,
    tellQueued: false,
    toldFrames: 0,
    toldBytes: 0,
    toldLimit: windowBytes,
    windowBytes,
    headed: false,
    interims: 0,
    ended: false,
    countedAs: "newcomers",
    countedBytes: 0,
    flowAt: STILL,
    flowsFrom: 0,
    movedIn: 0,
    usedBytes: 0,
    measuredBytes: 0,
    isBusy: false,
    round: 0,
    roundBytes: 0,
  };
}

/** The direction to us is over. */
export function endReceive(session: Session, receive: ReceiveHalf): void {
  if (receive.ended) return;
  receive.ended = true;
  leaveBudget(session, receive);
}

/** Ends the exchange from this side: nothing of it goes out any more but its reset. */
export function buryStream(session: Session, stream: Stream, code: string): void {
  assert(stream.phase === "open", "a stream is ended twice");
  endReceive(session, stream.receive);
  dropSend(session, stream.send);
  stream.phase = "reset";
  stream.resetCode = code;
  stream.send.next++;
  stream.send.resend = stream.send.next;
}

export function forgetStream(session: Session, stream: Stream): void {
  assert(stream.phase !== "gone", "a stream is forgotten twice");
  endReceive(session, stream.receive);
  dropSend(session, stream.send);
  stream.phase = "gone";
  session.streams.delete(stream.id);
}

/** Forgets the stream if both sides have all of it. */
export function settleStream(session: Session, stream: Stream): void {
  const { send, receive } = stream;
  if (send.acked !== send.next) return;
  if (stream.phase === "reset" || (send.finished && receive.ended)) forgetStream(session, stream);
}

/**
 * Takes what the other side says to have received: the lowest 32 bits of a number. False where it is more than was sent.
 */
export function acknowledge(session: Session, stream: Stream, received: number): boolean {
  const { send } = stream;
  const news = (received - send.acked) >>> 0;
  if (news >= HALF_OF_NUMBERS) return true;
  if (news > send.next - send.acked) return false;
  for (let count = 0; count < news; count++) {
    const frame = dequeue(send.sent);
    // One that was reset holds nothing any more.
    if (frame === undefined) break;
    send.retainedBytes -= frame.bytes;
    session.retainedBytes -= frame.bytes;
    if (session.role === "agent") finishParts(session, frame);
  }
  send.acked += news;
  if (send.resend < send.acked) send.resend = send.acked;
  return true;
}

/**
 * A buffer is done with when its end is: frames are acknowledged in order. Only an agent's, whose adapter copies what it
 * sends; a server's may still be on its way to a socket that is lost.
 */
function finishParts(session: Session, { body }: SentFrame): void {
  for (const part of body) {
    const { byteLength } = part.buffer;
    if (byteLength >= PART_BYTES_MIN && part.byteOffset + part.length === byteLength) {
      session.finishedParts.push(part);
    }
  }
}

/** Smaller ones cost more to give back than to leave to the collector. */
const PART_BYTES_MIN = 16 * 1024;

/** A number that is so far or farther ahead by its 32 bits is behind: far fewer frames than that are ever under way. */
export const HALF_OF_NUMBERS = 2 ** 31;

function createSendHalf(limit: number): SendHalf {
  return {
    interims: createQueue(),
    head: null,
    headed: false,
    parts: createQueue(),
    queuedBytes: 0,
    flushed: false,
    ended: false,
    trailers: [],
    finished: false,
    next: 0,
    acked: 0,
    sent: createQueue(),
    retainedBytes: 0,
    resend: 0,
    sentBytes: 0,
    limit,
  };
}

function dropSend(session: Session, send: SendHalf): void {
  session.queuedBytes -= send.queuedBytes;
  session.retainedBytes -= send.retainedBytes;
  send.queuedBytes = 0;
  send.retainedBytes = 0;
  send.head = null;
  send.ended = true;
  send.finished = true;
  clearQueue(send.interims);
  clearQueue(send.parts);
  clearQueue(send.sent);
}
