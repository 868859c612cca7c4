/**
 * Takes the frames of the other side. What breaks the rules of framing, numbers or credit is a violation, for nothing that
 * comes after it can be trusted. On the server, a response that is well framed and makes no sense ends its exchange alone.
 */
import { assert } from "../assert.ts";
import { copyBytes } from "../bytes.ts";
import {
  CREDIT_ENTRY_BYTES,
  FRAME,
  FRAME_HEADER_BYTES,
  PING_BYTES,
  readU32,
  readU48,
} from "../wire/native.ts";
import { endRound, tell } from "./credit.ts";
import { resumeStreams } from "./life.ts";
import { receivePiece } from "./receive-piece.ts";
import { isUnopened, NOTHING, type Received, violation } from "./received.ts";
import { schedule } from "./schedule.ts";
import type { Session, Stream } from "./state.ts";
import { acknowledge, createReceiveHalf, forgetStream, HALF_OF_NUMBERS, settleStream } from "./stream.ts";

export type { Received } from "./received.ts";

/** A frame from the session's socket, any but hello and welcome. */
export function receiveFrame(session: Session, bytes: Uint8Array): Received {
  assert(session.socket !== null, "a frame comes to a session without a socket");
  if (bytes.length < FRAME_HEADER_BYTES) return violation("a frame is shorter than its header");
  const kind = bytes[0] ?? 0;
  const exchange = readU48(bytes, 2);
  const number = readU32(bytes, 8);
  if (session.resumeAwaited && kind !== FRAME.resume)
    return violation("a frame comes before the resume frame");
  if (kind === FRAME.piece || kind === FRAME.reset) {
    if (exchange === 0) return violation("a numbered frame is about no exchange");
    if (kind === FRAME.piece) return receivePiece(session, bytes, exchange, number);
    return receiveReset(session, bytes, exchange, number);
  }
  if (bytes[1] !== 0 || exchange !== 0 || number !== 0) {
    return violation("a frame without number has flags, an exchange or a number");
  }
  const payloadBytes = bytes.length - FRAME_HEADER_BYTES;
  switch (kind) {
    case FRAME.credit:
      return receiveCredit(session, bytes);
    case FRAME.resume:
      return receiveResume(session, bytes);
    case FRAME.drain:
      return payloadBytes === 0 ? { type: "draining" } : violation("a drain frame has a payload");
    case FRAME.moved:
      if (session.role === "agent") return violation("a server says that it has moved");
      return payloadBytes === 0 ? { type: "moved" } : violation("a moved frame has a payload");
    case FRAME.ping:
      if (payloadBytes !== PING_BYTES) return violation("a ping has another length than 8 bytes");
      session.pong = copyBytes(bytes.subarray(FRAME_HEADER_BYTES));
      return NOTHING;
    case FRAME.pong:
      if (payloadBytes !== PING_BYTES) return violation("a pong has another length than 8 bytes");
      return receivePong(session, bytes);
    default:
      return violation("a frame has an unknown or misplaced kind");
  }
}

const RESET_CODE_BYTES_MAX = 64;

function receiveReset(session: Session, bytes: Uint8Array, exchange: number, number: number): Received {
  if (bytes[1] !== 0) return violation("a reset has flags");
  const code = resetCode(bytes);
  if (code === null) return violation("a reset has a malformed code");
  const stream = session.streams.get(exchange);
  if (stream === undefined) {
    // Its sender holds the exchange until it is told.
    session.counters.stray++;
    const receive = createReceiveHalf(exchange, 0);
    receive.received = number + 1;
    tell(session, receive, false);
    return NOTHING;
  }
  if (isUnopened(session, stream)) return violation("a reset is about an exchange that was not opened");
  const { receive } = stream;
  const skipped = (number - receive.received) >>> 0;
  if (skipped >= HALF_OF_NUMBERS) {
    session.counters.duplicates++;
    return NOTHING;
  }
  receive.received += skipped + 1;
  tell(session, receive, false);
  const wasOpen = stream.phase === "open";
  forgetStream(session, stream);
  return wasOpen ? { type: "reset", stream, code } : NOTHING;
}

function resetCode(bytes: Uint8Array): string | null {
  const length = bytes.length - FRAME_HEADER_BYTES;
  if (length < 1 || length > RESET_CODE_BYTES_MAX) return null;
  let code = "";
  for (let index = FRAME_HEADER_BYTES; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    if (byte !== UNDERSCORE && (byte < SMALL_A || byte > SMALL_Z)) return null;
    code += String.fromCharCode(byte);
  }
  return code;
}

const UNDERSCORE = 0x5f;
const SMALL_A = 0x61;
const SMALL_Z = 0x7a;

function receiveCredit(session: Session, bytes: Uint8Array): Received {
  const payloadBytes = bytes.length - FRAME_HEADER_BYTES;
  if (payloadBytes === 0) return violation("a credit frame has no entry");
  if (payloadBytes % CREDIT_ENTRY_BYTES !== 0) return violation("a credit frame ends inside an entry");
  for (let at = FRAME_HEADER_BYTES; at < bytes.length; at += CREDIT_ENTRY_BYTES) {
    const stream = session.streams.get(readU48(bytes, at));
    if (stream === undefined) continue;
    if (isUnopened(session, stream)) return violation("credit is about an exchange that was not opened");
    if (!takeEntry(session, stream, bytes, at))
      return violation("more frames are acknowledged than were sent");
    settleStream(session, stream);
    schedule(session, stream);
  }
  return NOTHING;
}

function receiveResume(session: Session, bytes: Uint8Array): Received {
  if (!session.resumeAwaited) return violation("a resume frame comes where nothing was interrupted");
  if ((bytes.length - FRAME_HEADER_BYTES) % CREDIT_ENTRY_BYTES !== 0) {
    return violation("a resume frame ends inside an entry");
  }
  for (let at = FRAME_HEADER_BYTES; at < bytes.length; at += CREDIT_ENTRY_BYTES) {
    const stream = session.streams.get(readU48(bytes, at));
    if (stream === undefined) continue;
    if (isUnopened(session, stream)) return violation("a resume frame names an exchange that was not opened");
    if (!takeEntry(session, stream, bytes, at))
      return violation("more frames are acknowledged than were sent");
    stream.named = session.resumptions;
  }
  return { type: "resumed", forgotten: resumeStreams(session) };
}

/** False where the entry acknowledges what was never sent. */
function takeEntry(session: Session, stream: Stream, bytes: Uint8Array, at: number): boolean {
  if (!acknowledge(session, stream, readU32(bytes, at + 6))) return false;
  stream.heard = true;
  const limit = readU48(bytes, at + 10);
  if (limit > stream.send.limit) stream.send.limit = limit;
  return true;
}

function receivePong(session: Session, bytes: Uint8Array): Received {
  const ping = readU48(bytes, FRAME_HEADER_BYTES + PING_BYTES - 6);
  // What was never asked says nothing.
  if (ping > session.pings || ping <= session.ponged) return NOTHING;
  session.ponged = ping;
  // The newest of several may be answered alone.
  if (session.pongAwaited && ping >= session.roundPing) endRound(session);
  return NOTHING;
}
