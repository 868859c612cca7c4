/** The frames of a WebSocket between a visitor and a home's service (RFC 6455 section 5.2), which nobody between them reads. */
import { newBytes } from "./bytes.ts";

const BINARY = 0x82;
const CLOSE = 0x88;
const LONG_LENGTH = 126;

/** One binary frame of a server around at most 65,535 bytes. */
export function webSocketFrame(payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const header = length < LONG_LENGTH ? [BINARY, length] : [BINARY, LONG_LENGTH, length >> 8, length & 0xff];
  const frame = newBytes(header.length + length);
  frame.set(header);
  frame.set(payload, header.length);
  return frame;
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
    const [kind = 0, length = 0, high = 0, low = 0] = header;
    if ((kind !== BINARY && kind !== CLOSE) || length > LONG_LENGTH || this.closeCode !== null)
      this.isBroken = true;
    if (header.length < 2 || (length === LONG_LENGTH && header.length < 4)) return;
    this.#left = length === LONG_LENGTH ? high * 256 + low : length;
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
