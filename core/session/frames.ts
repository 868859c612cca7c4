/**
 * Forms the frames of a stream: as much as there is, may go and fits, together. A small response is one frame. What was
 * formed is held until it is acknowledged, so that it can go out again with the same number and bytes.
 */
import { assert } from "../assert.ts";
import type { HeaderList } from "../http/headers.ts";
import { dequeue, enqueue, queueItem, replaceFirst } from "../queue.ts";
import { FLAG, FRAME, FRAME_HEADER_BYTES, writeFrameHeader, writeU32 } from "../wire/native.ts";
import {
  headerListBytes,
  type NativeRequestHead,
  type NativeResponseHead,
  requestHeadBytes,
  responseHeadBytes,
  writeHeaderList,
  writeRequestHead,
  writeResponseHead,
} from "../wire/native-head.ts";
import { paceBytes } from "./pace.ts";
import type { SendHalf, SentFrame, Session, Stream } from "./state.ts";

/** The next frame of a stream that is sendable: one that has to go out again, or a new one. */
export function nextFrame(session: Session, stream: Stream): SentFrame {
  const { send } = stream;
  if (send.resend < send.next) {
    const again = queueItem(send.sent, send.resend - send.acked);
    assert(again !== undefined, "a frame that was not acknowledged is lost");
    send.resend++;
    session.counters.resent++;
    return again;
  }
  const interim = dequeue(send.interims);
  const frame =
    interim === undefined
      ? formPiece(session, stream)
      : formHeader(session, stream, FLAG.interim, interim, NO_BODY, 0);
  enqueue(send.sent, frame);
  send.next++;
  send.resend = send.next;
  send.retainedBytes += frame.bytes;
  session.retainedBytes += frame.bytes;
  return frame;
}

/** The reset of a stream that was ended from this side. */
export function formReset(stream: Stream): Uint8Array {
  const code = stream.resetCode;
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + code.length);
  writeFrameHeader(bytes, FRAME.reset, 0, stream.id, stream.send.next - 1);
  for (let index = 0; index < code.length; index++)
    bytes[FRAME_HEADER_BYTES + index] = code.charCodeAt(index);
  return bytes;
}

const NO_BODY: readonly Uint8Array[] = [];

function formPiece(session: Session, stream: Stream): SentFrame {
  const { send } = stream;
  const cutBytes = Math.min(session.limits.frameBytesMax, paceBytes(session.pace));
  const bodyBytes = Math.min(send.queuedBytes, cutBytes, send.limit - send.sentBytes);
  // What was enough for a frame goes out in smaller ones, and the last of them waits for nothing.
  if (bodyBytes < send.queuedBytes && cutBytes < session.limits.frameBytesMax) send.flushed = true;
  const body = bodyBytes === 0 ? NO_BODY : takeParts(send, bodyBytes);
  send.queuedBytes -= bodyBytes;
  session.queuedBytes -= bodyBytes;
  send.sentBytes += bodyBytes;
  if (send.queuedBytes === 0) {
    send.flushed = false;
    send.finished = send.ended;
  }
  const { head } = send;
  send.head = null;
  assert(head !== null || bodyBytes > 0 || send.finished, "a piece has nothing to say");
  return formHeader(session, stream, send.finished ? FLAG.last : 0, head, body, bodyBytes);
}

function formHeader(
  session: Session,
  stream: Stream,
  kindFlags: number,
  head: NativeRequestHead | NativeResponseHead | null,
  body: readonly Uint8Array[],
  bodyBytes: number,
): SentFrame {
  const { send } = stream;
  const trailers = kindFlags === FLAG.last && send.trailers.length > 0 ? send.trailers : null;
  const headBytes = head === null ? 0 : "method" in head ? requestHeadBytes(head) : responseHeadBytes(head);
  const trailerBytes = trailers === null ? 0 : headerListBytes(trailers);
  const header = takeBytes(
    session,
    FRAME_HEADER_BYTES +
      (head === null ? 0 : LENGTH_BYTES + headBytes) +
      (trailers === null ? 0 : LENGTH_BYTES + trailerBytes),
  );
  const flags = kindFlags | (head === null ? 0 : FLAG.head) | (trailers === null ? 0 : FLAG.trailers);
  writeFrameHeader(header, FRAME.piece, flags, stream.id, send.next);
  let at = FRAME_HEADER_BYTES;
  if (head !== null) at = writeHead(header, at, headBytes, head);
  if (trailers !== null) at = writeTrailers(header, at, trailerBytes, trailers);
  assert(at === header.length, "a frame's header has another length than was counted");
  return { header, body, bytes: header.length + bodyBytes };
}

const LENGTH_BYTES = 4;

/**
 * Headers are cut from one larger buffer: made one by one, each costs an allocation outside of the heap, half a microsecond,
 * and the collector's attention. A buffer lives as long as one of its headers waits for an acknowledgement.
 */
function takeBytes(session: Session, length: number): Uint8Array {
  if (length > SLAB_SHARE_MAX) return new Uint8Array(length);
  if (session.slabUsed + length > session.slab.length) {
    session.slab = new Uint8Array(SLAB_BYTES);
    session.slabUsed = 0;
  }
  const start = session.slabUsed;
  session.slabUsed += length;
  return session.slab.subarray(start, session.slabUsed);
}

const SLAB_BYTES = 8 * 1024;
const SLAB_SHARE_MAX = SLAB_BYTES / 4;

function writeHead(
  bytes: Uint8Array,
  at: number,
  headBytes: number,
  head: NativeRequestHead | NativeResponseHead,
): number {
  writeU32(bytes, at, headBytes);
  if ("method" in head) return writeRequestHead(bytes, at + LENGTH_BYTES, head);
  return writeResponseHead(bytes, at + LENGTH_BYTES, head);
}

function writeTrailers(bytes: Uint8Array, at: number, trailerBytes: number, trailers: HeaderList): number {
  writeU32(bytes, at, trailerBytes);
  return writeHeaderList(bytes, at + LENGTH_BYTES, trailers);
}

/** Takes so many bytes off the queue, as views. */
function takeParts(send: SendHalf, bytes: number): Uint8Array[] {
  const taken: Uint8Array[] = [];
  let rest = bytes;
  while (rest > 0) {
    const part = queueItem(send.parts, 0);
    assert(part !== undefined, "fewer bytes are queued than were counted");
    if (part.length <= rest) {
      dequeue(send.parts);
      taken.push(part);
      rest -= part.length;
    } else {
      taken.push(part.subarray(0, rest));
      replaceFirst(send.parts, part.subarray(rest));
      rest = 0;
    }
  }
  return taken;
}
