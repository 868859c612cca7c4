/**
 * What one end of the native protocol has under way, by its pings and their pongs alone: it may keep back what could go out
 * only while much of what it sent is not known to have come, and a pong will tell.
 */
import { KIND, NATIVE_HEADER_BYTES } from "../wire/native.ts";

/** So much is little on any link: what goes out then is not held back. */
const UNDER_WAY_BYTES_MIN = 4 * 1024;
const PING_BYTES = 8;

export class Marks {
  /** Pieces that were sent on the socket, and of these what is known to have come. */
  #givenBytes = 0;
  #arrivedBytes = 0;
  /** Of each ping that no pong has answered: its payload, and what was sent before it. */
  #pings: { readonly payload: string; readonly givenBytes: number }[] = [];

  /** Of its pieces, what is not known to have come. */
  get underWayBytes(): number {
    return this.#givenBytes - this.#arrivedBytes;
  }

  /** It may wait for a pong before it sends the next piece. */
  get holdBack(): boolean {
    return this.#pings.length > 0 && this.underWayBytes >= UNDER_WAY_BYTES_MIN;
  }

  /** It goes on over another socket. */
  clear(): void {
    this.#givenBytes = 0;
    this.#arrivedBytes = 0;
    this.#pings = [];
  }

  /** A frame of `total` bytes goes out. */
  sent(header: Uint8Array, total: number): void {
    if (header[0] === KIND.piece) this.#givenBytes += total;
    if (header[0] === KIND.ping)
      this.#pings.push({ payload: payloadOf(header), givenBytes: this.#givenBytes });
  }

  /** A frame comes; the pong of a ping answers those before it. */
  heard(bytes: Uint8Array): void {
    if (bytes[0] !== KIND.pong || this.#pings.length === 0) return;
    const payload = payloadOf(bytes);
    const at = this.#pings.findIndex((ping) => ping.payload === payload);
    const answered = this.#pings.splice(0, at + 1).at(-1);
    this.#arrivedBytes = answered?.givenBytes ?? this.#arrivedBytes;
  }
}

function payloadOf(bytes: Uint8Array): string {
  return bytes.subarray(NATIVE_HEADER_BYTES, NATIVE_HEADER_BYTES + PING_BYTES).toString();
}
