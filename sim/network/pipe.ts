/**
 * One direction of one connection: a sender's buffer, a line that carries one frame at a time, and a reader who may not
 * be reading. Frames leave the buffer in its order and arrive in the order in which they left.
 */
import {
  clearQueue,
  createQueue,
  dequeue,
  enqueue,
  type Queue,
  queueItem,
  queueLength,
} from "../../core/queue.ts";
import type { Recorder } from "../record/recorder.ts";
import type { QueueOrder } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";
import type { Host } from "../world/host.ts";
import type { Agenda, World } from "../world/world.ts";
import type { Direction, Path } from "./path.ts";

type Sized = { readonly size: number; readonly kind: string };

export class Pipe<F extends Sized> {
  readonly #world: World;
  readonly #agenda: Agenda;
  readonly #path: Path;
  readonly #direction: Direction;
  readonly #random: Random;
  readonly #order: QueueOrder;
  readonly #server: Host;
  readonly #reader: Host;
  readonly #sent: (frame: F) => void;
  readonly #arrived: (frame: F) => void;
  readonly #takes: (frame: F) => boolean;
  readonly #recorder: Recorder | null;
  readonly #queue: Queue<F> = createQueue();
  readonly #underWay: Queue<F> = createQueue();
  /** On the line: the only one there. */
  #leaving: F | null = null;
  readonly #inbox: Queue<F> = createQueue();
  #paused = false;
  #dead = false;
  #lost = false;
  /** Left the sender and were not read yet. */
  #unreadBytes = 0;
  #lastArrivalUs = 0;

  constructor(options: {
    readonly world: World;
    readonly agenda: Agenda;
    readonly path: Path;
    readonly direction: Direction;
    readonly random: Random;
    readonly order: QueueOrder;
    /** At the server's end, whichever way the pipe leads. */
    readonly server: Host;
    readonly reader: Host;
    /** The frame has left the sender's buffer. */
    readonly sent: (frame: F) => void;
    readonly arrived: (frame: F) => void;
    /** Asked when it reaches the reader's kernel, read or not: what is not taken was never sent. All is, where left out. */
    readonly takes?: (frame: F) => boolean;
    /** What its frames mean is recorded by whoever sends them. */
    readonly unrecorded?: true;
  }) {
    this.#world = options.world;
    this.#agenda = options.agenda;
    this.#path = options.path;
    this.#direction = options.direction;
    this.#random = options.random;
    this.#order = options.order;
    this.#server = options.server;
    this.#reader = options.reader;
    this.#sent = options.sent;
    this.#arrived = options.arrived;
    this.#takes = options.takes ?? (() => true);
    this.#recorder = options.unrecorded === true ? null : options.world.trace;
  }

  /** Nothing is buffered, under way or unread. */
  get idle(): boolean {
    return (
      this.#dead || (queueLength(this.#queue) === 0 && this.#leaving === null && this.#unreadBytes === 0)
    );
  }

  /** All that was sent has left the sender's buffer. */
  get isSent(): boolean {
    return queueLength(this.#queue) === 0 && this.#leaving === null;
  }

  /** Something has arrived that its reader has not read. */
  get waits(): boolean {
    return queueLength(this.#inbox) > 0;
  }

  /** All that was sent and not read: in the sender's buffer, under way, or before the reader. */
  get unreadBytes(): number {
    let bytes = this.#unreadBytes + (this.#leaving?.size ?? 0);
    for (let index = 0; index < queueLength(this.#queue); index++)
      bytes += queueItem(this.#queue, index)?.size ?? 0;
    return bytes;
  }

  send(frame: F): void {
    if (this.#dead) return;
    if (this.#recorder !== null) this.#recordSent(this.#recorder, frame);
    if (this.#order === "smaller_first") this.#insert(frame);
    else enqueue(this.#queue, frame);
    this.#pump();
  }

  /** Forgets what has not left the sender's buffer yet. */
  dropUnsent(): void {
    clearQueue(this.#queue);
  }

  /** The reader stops reading, or goes on. */
  pause(paused: boolean): void {
    this.#paused = paused;
    // What is resumed is read in a later turn of the loop; until then it may be paused again.
    if (!paused && this.waits) this.#agenda.after(0, () => this.#readInbox());
  }

  /** From now on everything vanishes on the way; the sender's window fills and nobody is told. */
  lose(): void {
    this.#lost = true;
  }

  /** Ends the pipe: nothing in it will be heard of again. */
  kill(): void {
    this.#dead = true;
    clearQueue(this.#queue);
    clearQueue(this.#underWay);
    clearQueue(this.#inbox);
  }

  #recordSent(recorder: Recorder, frame: F): void {
    const client = this.#path.name;
    const server = this.#server.name;
    if (this.#direction === "up") recorder.sent(this.#world.nowUs, client, server, frame);
    else recorder.sent(this.#world.nowUs, server, client, frame);
  }

  #insert(frame: F): void {
    const rank = rankOf(frame);
    let low = 0;
    let high = queueLength(this.#queue);
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = queueItem(this.#queue, middle);
      if (other !== undefined && rankOf(other) <= rank) low = middle + 1;
      else high = middle;
    }
    if (low === queueLength(this.#queue)) return enqueue(this.#queue, frame);
    this.#queue.items.splice(this.#queue.head + low, 0, frame);
    this.#queue.tail++;
  }

  #pump(): void {
    const first = queueItem(this.#queue, 0);
    if (this.#leaving !== null || this.#dead || first === undefined) return;
    const { windowBytes } = this.#path.settings;
    if (this.#unreadBytes > 0 && this.#unreadBytes + first.size > windowBytes) return;
    dequeue(this.#queue);
    this.#leaving = first;
    this.#agenda.after(this.#path.transferUs(first.size), this.#onSent);
  }

  readonly #onSent = (): void => {
    const frame = this.#leaving;
    if (this.#dead || frame === null) return;
    this.#leaving = null;
    this.#unreadBytes += frame.size;
    const { settings } = this.#path;
    const lane = this.#path.lane(this.#direction);
    const tripUs = settings.latencyUs + lane.extraUs + this.#random.below(settings.jitterUs + 1);
    this.#lastArrivalUs = Math.max(this.#lastArrivalUs, this.#world.nowUs + tripUs);
    enqueue(this.#underWay, frame);
    this.#agenda.at(this.#lastArrivalUs, this.#onTrip);
    this.#sent(frame);
    this.#pump();
  };

  readonly #onTrip = (): void => this.#path.lane(this.#direction).arrive(this.#onArrival);

  #readInbox(): void {
    for (let count = queueLength(this.#inbox); count > 0; count--) this.#reader.run(this.#readOne);
  }

  /** Each arrival takes the oldest frame under way, so that equal times never reorder a connection. */
  readonly #onArrival = (): void => {
    const frame = dequeue(this.#underWay);
    if (frame === undefined || this.#dead || this.#lost) return;
    if (!this.#takes(frame)) {
      this.#unreadBytes -= frame.size;
      return;
    }
    enqueue(this.#inbox, frame);
    if (!this.#paused) this.#reader.run(this.#readOne);
  };

  /** A reader that was stalled may have been paused by what it read before. */
  readonly #readOne = (): void => {
    if (this.#dead || this.#paused) return;
    const frame = dequeue(this.#inbox);
    if (frame === undefined) return;
    this.#unreadBytes -= frame.size;
    this.#recorder?.arrived(this.#world.nowUs, frame);
    this.#arrived(frame);
    this.#pump();
  };
}

function rankOf(frame: Sized): number {
  return frame.kind === "close" || frame.kind === "ended" ? Number.MAX_SAFE_INTEGER : frame.size;
}
