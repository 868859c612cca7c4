/**
 * The frames of a server's WebSocket on their way out (RFC 6455 section 5), one frame per message and never masked. Small ones
 * share a write, because the system call costs more than the bytes; the parts of a large one go out as they are, without a copy.
 */
import type { Duplex } from "node:stream";

/** Below this, messages share a write with those before and behind them. */
const BULK_BYTES = 16 * 1024;

/**
 * So many small messages of one turn of the event loop are one write. Were it all of them, the requests that are under way
 * would move through the tunnel as one convoy, for which each process waits while the others work.
 */
const MESSAGES_TOGETHER = 4;

/** Room for the messages of some plain requests; from the pool of Node, that is cheap to have. */
const BATCH_BYTES = 2 * 1024;

/** Final frames of a message, by what is in it. */
const TEXT_FRAME = 0x81;
const BINARY_FRAME = 0x82;

export class FrameWriter {
  readonly #stream: Duplex;
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

  /** `onGone` is told how many bytes of messages have left for the kernel, and never of what could not. */
  constructor(stream: Duplex, onGone: (bytes: number) => void) {
    this.#stream = stream;
    this.#onGone = onGone;
  }

  text(text: string): void {
    const length = Buffer.byteLength(text);
    if (length >= BULK_BYTES) {
      this.#writeBulk(length, frameHead(TEXT_FRAME, length, 0), [Buffer.from(text)]);
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
      const head = frameHead(BINARY_FRAME, length, header.length);
      head.set(header, head.length - header.length);
      this.#writeBulk(length, head, body);
      return;
    }
    const batch = this.#begin(BINARY_FRAME, length);
    batch.set(header, this.#batchEnd);
    let at = this.#batchEnd + header.length;
    for (const part of body) {
      batch.set(part, at);
      at += part.length;
    }
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
    const headBytes = length < 126 ? 2 : 4;
    let batch = this.#batch;
    if (batch === null || this.#batchEnd + headBytes + length > batch.length) {
      if (batch !== null) {
        this.#cork();
        this.#writeBatch();
      }
      batch = Buffer.allocUnsafe(Math.max(BATCH_BYTES, headBytes + length));
      this.#batch = batch;
    }
    this.#batchEnd = writeFrameHead(batch, this.#batchEnd, kind, length);
    return batch;
  }

  #end(length: number): void {
    this.#batchEnd += length;
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

  /** At once, with what waits. `head` and `body` are the frame. */
  #writeBulk(length: number, head: Buffer, body: readonly Uint8Array[]): void {
    const bytes = this.#messageBytes + length;
    this.#cork();
    if (this.#batch !== null) this.#writeBatch();
    const onGone = (error?: Error | null): void => {
      if (!error) this.#onGone(bytes);
    };
    const stream = this.#stream;
    if (body.length === 0) stream.write(head, onGone);
    else stream.write(head);
    for (let index = 0; index < body.length; index++) {
      stream.write(body[index], index === body.length - 1 ? onGone : undefined);
    }
    this.#release();
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
}

function endTurn(writer: FrameWriter): void {
  writer.endTurn();
}

/** A frame head with `moreBytes` of room behind it. */
function frameHead(kind: number, length: number, moreBytes: number): Buffer {
  const head = Buffer.allocUnsafe((length < 126 ? 2 : length < 65_536 ? 4 : 10) + moreBytes);
  writeFrameHead(head, 0, kind, length);
  return head;
}

/** Gives the place behind it (RFC 6455 section 5.2). */
function writeFrameHead(bytes: Buffer, at: number, kind: number, length: number): number {
  bytes[at] = kind;
  if (length < 126) {
    bytes[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    bytes[at + 1] = 126;
    return bytes.writeUInt16BE(length, at + 2);
  }
  bytes[at + 1] = 127;
  bytes.writeUInt16BE(0, at + 2);
  return bytes.writeUIntBE(length, at + 4, 6);
}
