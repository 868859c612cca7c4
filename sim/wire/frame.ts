/** What crosses a simulated WebSocket: whole messages and control frames, as encoded bytes or text. */
import { newBytes } from "../tools/bytes.ts";

export type SocketFrame = {
  readonly kind:
    | "text"
    | "bytes"
    | "ping"
    | "pong"
    | "close"
    /** The handshake was completed, or was answered with another status (in `code`) and Retry-After (in `bytes`). */
    | "accepted"
    | "refused"
    /** The connection ended without a closing handshake. */
    | "ended"
    /** Nothing: stands where a fault took a frame away, so that its sender still hears that it was sent. */
    | "void";
  readonly text: string;
  readonly bytes: Uint8Array;
  /** Close code or HTTP status. */
  readonly code: number;
  /** Bytes on the line. */
  readonly size: number;
  /** What its sender is told to have left for the kernel. */
  readonly flushBytes: number;
};

const NO_BYTES = new Uint8Array(0);
const HEADER_BYTES = 8;

export function textFrame(text: string, flushBytes = utf8Length(text)): SocketFrame {
  return { kind: "text", text, bytes: NO_BYTES, code: 0, size: text.length + HEADER_BYTES, flushBytes };
}

export function bytesFrame(bytes: Uint8Array, flushBytes = bytes.length): SocketFrame {
  return { kind: "bytes", text: "", bytes, code: 0, size: bytes.length + HEADER_BYTES, flushBytes };
}

export function controlFrame(
  kind: Exclude<SocketFrame["kind"], "text" | "bytes">,
  code = 0,
  text = "",
): SocketFrame {
  return { kind, text, bytes: NO_BYTES, code, size: HEADER_BYTES, flushBytes: 0 };
}

/** A frame that arrives as nothing and still counts as sent. */
export function voidFrame(instead: SocketFrame): SocketFrame {
  return { ...controlFrame("void"), flushBytes: instead.flushBytes };
}

/** Joins the pieces of one message into bytes of their own: no two machines ever share memory. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const whole = newBytes(length);
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

export function utf8Length(text: string): number {
  return Buffer.byteLength(text);
}
