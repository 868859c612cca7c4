/** The frames of a WebSocket between a visitor and a home's service (RFC 6455 section 5.2), which nobody between them reads. */
import { newBytes } from "../tools/bytes.ts";

const BINARY = 0x82;
const CLOSE = 0x88;
const LONG_LENGTH = 126;
const LONGER_LENGTH = 127;
/** Bytes behind the first two of a header that hold the length. */
const LENGTH_BYTES: Readonly<Record<number, number>> = { [LONG_LENGTH]: 2, [LONGER_LENGTH]: 8 };

/** What a home says at the end: a close frame with the code 1000. */
export const GOOD_BYE = Uint8Array.of(CLOSE, 2, 0x03, 0xe8);
export const GOOD_BYE_CODE = 1000;

/** One binary frame of a server. */
export function webSocketFrame(payload: Uint8Array): Uint8Array {
  const header = headerFor(payload.length);
  const frame = newBytes(header.length + payload.length);
  frame.set(header);
  frame.set(payload, header.length);
  return frame;
}

function headerFor(length: number): number[] {
  if (length < LONG_LENGTH) return [BINARY, length];
  const low = [length >> 8, length & 0xff];
  if (length < 0x1_0000) return [BINARY, LONG_LENGTH, ...low];
  return [BINARY, LONGER_LENGTH, 0, 0, 0, 0, length >>> 24, length >>> 16, ...low].map((byte) => byte & 0xff);
}

/** Takes the frames of a home off its bytes, wherever those are cut. */
export class WebSocketReader {
  /** The code of a close frame; null while none came. */
  closeCode: number | null = null;
  /** What was in no frame that a home sends. */
  isBroken = false;
  #header: number[] = [];
  #left = 0;
  #close: number[] | null = null;

  /** The payload in these bytes. */
  read(bytes: Uint8Array): Uint8Array[] {
    const payload: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === 0) {
        this.#takeHeader(bytes[at++] ?? 0);
        continue;
      }
      const taken = Math.min(this.#left, bytes.length - at);
      const piece = bytes.subarray(at, at + taken);
      if (this.#close === null) payload.push(piece);
      else this.#takeClose(piece);
      this.#left -= taken;
      at += taken;
    }
    return payload;
  }

  #takeHeader(byte: number): void {
    const header = this.#header;
    header.push(byte);
    const [kind = 0, length = 0, ...long] = header;
    if ((kind !== BINARY && kind !== CLOSE) || length > LONGER_LENGTH || this.closeCode !== null)
      this.isBroken = true;
    if (header.length < 2 || long.length < (LENGTH_BYTES[length] ?? 0)) return;
    this.#left = length < LONG_LENGTH ? length : long.reduce((value, each) => value * 256 + each, 0);
    this.#close = kind === CLOSE ? [] : null;
    this.#header = [];
  }

  #takeClose(piece: Uint8Array): void {
    const close = this.#close ?? [];
    close.push(...piece);
    const [high = 0, low = 0] = close;
    if (close.length >= 2) this.closeCode = high * 256 + low;
  }
}
