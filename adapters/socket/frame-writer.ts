/**
 * The messages of a WebSocket on their way out, one frame each (RFC 6455 section 5). Small ones share a write, because the
 * system call costs more than the bytes; a large one goes out at once, since waiting would only leave the link idle.
 */
import type { Duplex } from "node:stream";
import { KEY_BYTES, mask } from "./masking.ts";

/** Below this, messages share a write with those before and behind them. */
const BULK_BYTES = 16 * 1024;

/**
 * So many small messages of one turn of the event loop are one write. Were it all of them, the requests that are under way
 * would move through the tunnel as one convoy, for which each process waits while the others work.
 */
const MESSAGES_TOGETHER = 8;

/** Room for the messages of some plain requests; from the pool of Node, that is cheap to have. */
const BATCH_BYTES = 2 * 1024;

/** Masked frames whose bytes have left, kept to be filled again: as many as a busy link has under way. */
const SPARE_FRAMES_MAX = 32;

/** Final frames of a message, by what is in it. */
const TEXT_FRAME = 0x81;
const BINARY_FRAME = 0x82;
/** In the second byte of a frame head. */
const MASK_BIT = 0x80;

const NO_HEADER = new Uint8Array(0);

export type FrameWriterOptions = {
  readonly stream: Duplex;
  /** Whether frames are masked, which a client's must be and a server's must not (RFC 6455 section 5.1). */
  readonly masked: boolean;
  /** Is told how many bytes of messages have left for the kernel, and never of what could not. */
  readonly onGone: (bytes: number) => void;
};

export class FrameWriter {
  readonly #stream: Duplex;
  readonly #masked: boolean;
  readonly #onGone: (bytes: number) => void;
  /** Small messages with their frame heads, as far as `#batchEnd`; null where none waits. */
  #batch: Buffer | null = null;
  #batchEnd = 0;
  /** Messages that no write was begun for, and their bytes without frame heads. */
  #messages = 0;
  #messageBytes = 0;
  /** Whether a batch that became full waits in the stream. */
  #isCorked = false;
  /** Whether the end of this turn is waited for. */
  #isDue = false;
  /** Without these a download would leave a buffer to the collector for each frame. */
  readonly #spare: Buffer[] = [];

  constructor({ stream, masked, onGone }: FrameWriterOptions) {
    this.#stream = stream;
    this.#masked = masked;
    this.#onGone = onGone;
  }

  text(text: string): void {
    const length = Buffer.byteLength(text);
    if (length >= BULK_BYTES) {
      this.#writeBulk(TEXT_FRAME, length, NO_HEADER, [Buffer.from(text)]);
      return;
    }
    const batch = this.#begin(TEXT_FRAME, length);
    batch.write(text, this.#batchEnd);
    this.#end(length);
  }

  /** One message made of `header` and `body` in order. */
  binary(header: Uint8Array, body: readonly Uint8Array[]): void {
    let length = header.length;
    for (const part of body) length += part.length;
    if (length >= BULK_BYTES) {
      this.#writeBulk(BINARY_FRAME, length, header, body);
      return;
    }
    const batch = this.#begin(BINARY_FRAME, length);
    putParts(batch, this.#batchEnd, header, body);
    this.#end(length);
  }

  /** Gives everything that waits to the stream, so that what is written there next comes behind it. */
  flush(): void {
    const bytes = this.#messageBytes;
    if (this.#messages === 0) return;
    this.#writeBatch((error) => {
      if (!error) this.#onGone(bytes);
    });
    this.#release();
  }

  /** Makes room for one small message and writes its frame head; its bytes belong at `#batchEnd`. */
  #begin(kind: number, length: number): Buffer {
    const headBytes = this.#headBytesOf(length);
    let batch = this.#batch;
    if (batch === null || this.#batchEnd + headBytes + length > batch.length) {
      if (batch !== null) {
        this.#cork();
        this.#writeBatch();
      }
      batch = Buffer.allocUnsafe(Math.max(BATCH_BYTES, headBytes + length));
      this.#batch = batch;
    }
    writeFrameHead(batch, this.#batchEnd, kind, this.#masked, length);
    this.#batchEnd += headBytes;
    return batch;
  }

  #end(length: number): void {
    const start = this.#batchEnd;
    this.#batchEnd += length;
    if (this.#masked && this.#batch !== null) mask(this.#batch, start - KEY_BYTES, this.#batchEnd);
    this.#messageBytes += length;
    this.#messages++;
    if (this.#messages === MESSAGES_TOGETHER) this.flush();
    else if (!this.#isDue) {
      this.#isDue = true;
      setImmediate(endTurn, this);
    }
  }

  endTurn(): void {
    this.#isDue = false;
    this.flush();
  }

  /** At once, with what waits. */
  #writeBulk(kind: number, length: number, header: Uint8Array, body: readonly Uint8Array[]): void {
    const bytes = this.#messageBytes + length;
    this.#cork();
    if (this.#batch !== null) this.#writeBatch();
    if (this.#masked) this.#writeMasked(kind, length, header, body, bytes);
    else this.#writeParts(kind, length, header, body, bytes);
    this.#release();
  }

  /** In one piece, because masking changes the bytes and their owner keeps them. */
  #writeMasked(
    kind: number,
    length: number,
    header: Uint8Array,
    body: readonly Uint8Array[],
    goneBytes: number,
  ): void {
    const headBytes = this.#headBytesOf(length);
    const frame = this.#takeFrame(headBytes + length);
    writeFrameHead(frame, 0, kind, true, length);
    putParts(frame, headBytes, header, body);
    mask(frame, headBytes - KEY_BYTES, frame.length);
    this.#stream.write(frame, (error) => {
      if (error) return;
      if (this.#spare.length < SPARE_FRAMES_MAX) this.#spare.push(frame);
      this.#onGone(goneBytes);
    });
  }

  #takeFrame(length: number): Buffer {
    const spare = this.#spare.pop();
    return spare?.length === length ? spare : Buffer.allocUnsafeSlow(length);
  }

  /** As they are, without a copy. */
  #writeParts(
    kind: number,
    length: number,
    header: Uint8Array,
    body: readonly Uint8Array[],
    goneBytes: number,
  ): void {
    const headBytes = this.#headBytesOf(length);
    const head = Buffer.allocUnsafe(headBytes + header.length);
    writeFrameHead(head, 0, kind, false, length);
    head.set(header, headBytes);
    const onGone = (error?: Error | null): void => {
      if (!error) this.#onGone(goneBytes);
    };
    this.#stream.write(head, body.length === 0 ? onGone : undefined);
    for (const [index, part] of body.entries()) {
      this.#stream.write(part, index === body.length - 1 ? onGone : undefined);
    }
  }

  #writeBatch(onGone?: (error?: Error | null) => void): void {
    this.#stream.write(this.#batch?.subarray(0, this.#batchEnd), onGone);
    this.#batch = null;
    this.#batchEnd = 0;
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#stream.cork();
  }

  #release(): void {
    this.#messages = 0;
    this.#messageBytes = 0;
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#stream.uncork();
  }

  /** The masking key included. */
  #headBytesOf(length: number): number {
    return (length < 126 ? 2 : length < 65_536 ? 4 : 10) + (this.#masked ? KEY_BYTES : 0);
  }
}

function endTurn(writer: FrameWriter): void {
  writer.endTurn();
}

function putParts(bytes: Buffer, start: number, header: Uint8Array, body: readonly Uint8Array[]): void {
  bytes.set(header, start);
  let at = start + header.length;
  for (const part of body) {
    bytes.set(part, at);
    at += part.length;
  }
}

/** As far as the masking key (RFC 6455 section 5.2). */
function writeFrameHead(bytes: Buffer, at: number, kind: number, masked: boolean, length: number): void {
  const maskBit = masked ? MASK_BIT : 0;
  bytes[at] = kind;
  if (length < 126) {
    bytes[at + 1] = maskBit | length;
  } else if (length < 65_536) {
    bytes[at + 1] = maskBit | 126;
    bytes.writeUInt16BE(length, at + 2);
  } else {
    bytes[at + 1] = maskBit | 127;
    bytes.writeUInt16BE(0, at + 2);
    bytes.writeUIntBE(length, at + 4, 6);
  }
}
