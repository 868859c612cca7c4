/**
 * A link with one sender who always has more, in steps of a millisecond: a line that carries so many bytes in each, behind the
 * buffer of a kernel, a delay, and a way back with plenty of room. Others may fill the queue as well.
 */
import {
  arrive,
  createPace,
  give,
  isUnmarked,
  mark,
  mayGive,
  type Pace,
  paceBytes,
  starve,
  underWayBytes,
  wantsMark,
} from "../../../core/session/pace.ts";

/** What a kernel takes for a connection that is slow. */
const KERNEL_BYTES = 4 * 1024 * 1024;

type Sent = { readonly arrivesMs: number; readonly ping: number; readonly bytes: number };

export class ModelLink {
  readonly pace: Pace = createPace();
  bytesPerMs: number;
  /** One way. */
  delayMs: number;
  /** Milliseconds of the line that others take in each, while the queue is not longer than `queueMs`. */
  others: { readonly partMs: number; readonly queueMs: number } | null = null;
  /** What there is to send in each millisecond. */
  supplyBytes = Number.POSITIVE_INFINITY;
  /** How long a piece that goes out next waits before the line carries it: of each millisecond of the last `run`. */
  waits: number[] = [];
  /** Nothing arrives before this time. */
  heldUntilMs = 0;
  nowMs = 1;
  #freeMs = 0;
  #pings = 0;
  #sent: Sent[] = [];
  #pongs: { readonly arrivesMs: number; readonly ping: number }[] = [];

  constructor(bytesPerMs: number, delayMs: number) {
    this.bytesPerMs = bytesPerMs;
    this.delayMs = delayMs;
  }

  /** What arrives meanwhile, as a part of what the line can carry. */
  run(ms: number): number {
    let arrived = 0;
    this.waits = [];
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs++) {
      arrived += this.#deliver();
      if (this.others !== null && this.#freeMs < this.nowMs + this.others.queueMs)
        this.#freeMs = Math.max(this.#freeMs, this.nowMs) + this.others.partMs;
      this.#send();
      this.waits.push(Math.max(0, this.#freeMs - this.nowMs));
    }
    return arrived / (ms * this.bytesPerMs);
  }

  #deliver(): number {
    let arrived = 0;
    const { nowMs } = this;
    while ((this.#sent[0]?.arrivesMs ?? Number.POSITIVE_INFINITY) <= nowMs && nowMs >= this.heldUntilMs) {
      const { ping, bytes } = this.#sent.shift() as Sent;
      arrived += bytes;
      if (ping > 0) this.#pongs.push({ arrivesMs: nowMs + this.delayMs, ping });
    }
    for (const { arrivesMs, ping } of this.#pongs) if (arrivesMs <= nowMs) arrive(this.pace, ping, nowMs);
    this.#pongs = this.#pongs.filter(({ arrivesMs }) => arrivesMs > nowMs);
    return arrived;
  }

  #send(): void {
    const { pace } = this;
    let supply = this.supplyBytes;
    while (mayGive(pace) && (this.#freeMs - this.nowMs) * this.bytesPerMs < KERNEL_BYTES) {
      if (supply <= 0) {
        starve(pace);
        break;
      }
      const bytes = Math.min(65_536, paceBytes(pace), supply);
      supply -= bytes;
      give(pace, bytes, this.nowMs);
      this.#put(bytes, wantsMark(pace));
    }
    if (!mayGive(pace) && isUnmarked(pace)) this.#put(0, true);
  }

  #put(bytes: number, isMarked: boolean): void {
    this.#freeMs = Math.max(this.#freeMs, this.nowMs) + bytes / this.bytesPerMs;
    if (isMarked) mark(this.pace, ++this.#pings, this.nowMs);
    this.#sent.push({ arrivesMs: this.#freeMs + this.delayMs, ping: isMarked ? this.#pings : 0, bytes });
  }

  get underWayBytes(): number {
    return underWayBytes(this.pace);
  }
}
