/**
 * Where the frames of a WebSocket end in the bytes of one direction (RFC 6455 section 5.2): enough to put a frame of one's
 * own behind a whole one, and nothing else. Bytes are only counted, never kept.
 */
import { byteAt } from "../bytes.ts";

export type FrameTracker = {
  /** Bytes of the frame's header that came so far: the first two, or what holds its length. */
  headerBytes: number;
  /** Bytes that the header has, known from its second byte on; 2 until then. */
  headerLength: number;
  /** Bytes of mask and payload that are still to come; while the header comes, the length read so far. */
  left: number;
  opcode: number;
  isMasked: boolean;
  /** Whether a close frame has begun: nothing may follow it. */
  isClosed: boolean;
};

export function createFrameTracker(): FrameTracker {
  return { headerBytes: 0, headerLength: 2, left: 0, opcode: 0, isMasked: false, isClosed: false };
}

/** Takes the next bytes of the connection. */
export function trackFrames(tracker: FrameTracker, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    if (tracker.headerBytes === tracker.headerLength) {
      const taken = Math.min(tracker.left, bytes.length - at);
      tracker.left -= taken;
      at += taken;
    } else {
      takeHeaderByte(tracker, byteAt(bytes, at));
      at++;
    }
    if (tracker.headerBytes === tracker.headerLength && tracker.left === 0) beginFrame(tracker);
  }
}

/** Whether the last byte was the last one of a frame, or none has come. */
export function isBetweenFrames(tracker: FrameTracker): boolean {
  return tracker.headerBytes === 0;
}

/** A close frame as a server sends it. The reason is ASCII of at most 123 bytes (RFC 6455 section 5.5.1). */
export function closeFrame(code: number, reason: string): Uint8Array {
  const frame = new Uint8Array(4 + reason.length);
  frame[0] = FIN | CLOSE;
  frame[1] = 2 + reason.length;
  frame[2] = code >> 8;
  frame[3] = code & 0xff;
  for (let index = 0; index < reason.length; index++) frame[4 + index] = reason.charCodeAt(index);
  return frame;
}

function takeHeaderByte(tracker: FrameTracker, byte: number): void {
  const index = tracker.headerBytes++;
  if (index === 0) {
    tracker.opcode = byte & 0x0f;
  } else if (index === 1) {
    tracker.isMasked = (byte & 0x80) !== 0;
    const length = byte & 0x7f;
    tracker.headerLength = length === 127 ? 10 : length === 126 ? 4 : 2;
    tracker.left = length < 126 ? length : 0;
    // It is the close frame that counts, however it goes on.
    if (tracker.opcode === CLOSE) tracker.isClosed = true;
  } else {
    // A length beyond 2^53 is never reached, so it need not be exact.
    tracker.left = tracker.left * 256 + byte;
  }
  if (tracker.headerBytes === tracker.headerLength && tracker.isMasked) tracker.left += MASK_BYTES;
}

function beginFrame(tracker: FrameTracker): void {
  tracker.headerBytes = 0;
  tracker.headerLength = 2;
  tracker.isMasked = false;
}

const FIN = 0x80;
const CLOSE = 0x8;
const MASK_BYTES = 4;
