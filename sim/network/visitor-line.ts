/**
 * A visitor's TCP connection to a server, as two kernels and the shipped adapter of visitors' sockets carry it: bytes both
 * ways, each way ended by itself, and resets, which are told apart from an end.
 */
import { attentive, type Host } from "../world/host.ts";
import type { Agenda, World } from "../world/world.ts";
import type { Connection, Direction, Path } from "./path.ts";
import { Pipe } from "./pipe.ts";

/** What the server's end tells of it. */
export type ServerSide = {
  readonly bytes: (bytes: Uint8Array) => void;
  readonly flushed: (bytes: number) => void;
  /** The visitor has ended his side. */
  readonly ended: () => void;
  /** The visitor is gone, which the server is not told before it has read what he sent: so many bytes. */
  readonly left: (unreadBytes: number) => void;
  /** Last, and once, after an own close as well. */
  readonly closed: (cause: "reset" | null) => void;
};

/** What the visitor's end tells of it. */
export type VisitorEnd = {
  readonly bytes: (bytes: Uint8Array) => void;
  /** Nothing more comes; last, and once, unless the visitor closed it before. */
  readonly ended: (how: "in_order" | "reset") => void;
};

type Segment = {
  readonly kind: "bytes" | "fin" | "reset";
  readonly bytes: Uint8Array;
  readonly size: number;
  /** To be told when it has left for the kernel. */
  readonly left?: (() => void) | undefined;
};

const NO_BYTES = new Uint8Array(0);
const FIN: Segment = { kind: "fin", bytes: NO_BYTES, size: 0 };
const RESET: Segment = { kind: "reset", bytes: NO_BYTES, size: 0 };
/** More is not read at once. */
const READ_BYTES_MAX = 64 * 1024;
/** A visitor's kernel gives up a peer that is gone after this long. */
const KEEP_ALIVE_US = 15_000_000;

export class VisitorLine implements Connection {
  readonly #agenda: Agenda;
  readonly #path: Path;
  readonly #host: Host;
  readonly #server: ServerSide;
  readonly #visitor: VisitorEnd;
  readonly #up: Pipe<Segment>;
  readonly #down: Pipe<Segment>;
  /** Each end: it has said its last byte, and it takes nothing any more. */
  #serverEnded = false;
  #serverGone = false;
  #visitorEnded = false;
  #visitorGone = false;
  /** The server does not read, and would be told of a reset by what it writes alone. */
  #serverPaused = false;
  #serverWasReset = false;
  /** The server's end has heard the last of the visitor's. */
  #heardAll = false;

  constructor(options: {
    readonly world: World;
    /** Of its streams; unique in a run. */
    readonly name: string;
    readonly path: Path;
    readonly visitor: VisitorEnd;
    /** The process that serves it, which may be stalled. */
    readonly host: Host;
    readonly accept: (line: VisitorLine) => ServerSide;
  }) {
    const { world, name, path, host } = options;
    const agenda = world.agenda(name);
    const shared = { world, agenda, path, random: world.random(name), order: "fifo", server: host } as const;
    this.#agenda = agenda;
    this.#path = path;
    this.#host = host;
    this.#visitor = options.visitor;
    this.#up = new Pipe<Segment>({
      ...shared,
      direction: "up",
      reader: host,
      sent: ({ left }) => left?.(),
      arrived: (segment) => this.#onUp(segment),
    });
    this.#down = new Pipe<Segment>({
      ...shared,
      direction: "down",
      reader: attentive,
      sent: (segment) => this.#onDownSent(segment),
      arrived: (segment) => this.#onDown(segment),
    });
    path.connections.add(this);
    this.#server = options.accept(this);
  }

  // The visitor's end.

  /** `left` is called when all of it has left for the kernel. */
  send(bytes: Uint8Array, left?: () => void): void {
    if (this.#visitorEnded) return;
    for (let at = 0; at < bytes.length; at += READ_BYTES_MAX) {
      const piece = bytes.length <= READ_BYTES_MAX ? bytes : bytes.slice(at, at + READ_BYTES_MAX);
      const isLast = at + piece.length === bytes.length;
      this.#up.send({ kind: "bytes", bytes: piece, size: piece.length, left: isLast ? left : undefined });
    }
  }

  /** Ends the visitor's side behind what was sent; the server's goes on. */
  sayEnd(): void {
    if (this.#visitorEnded) return;
    this.#visitorEnded = true;
    this.#up.send(FIN);
  }

  /** Closes it behind what was sent. What still comes is answered with a reset. */
  leave(): void {
    if (!this.#visitorGone && !this.#serverGone) this.#server.left(this.#up.unreadBytes);
    this.sayEnd();
    this.#loseVisitor();
    this.#down.pause(false);
  }

  /** Closes it without a word to be trusted: what is under way is lost. */
  abort(): void {
    if (this.#visitorGone) return;
    this.#visitorEnded = true;
    this.#loseVisitor();
    this.#resetServer();
  }

  /** Stops or resumes reading. */
  pauseReading(paused: boolean): void {
    this.#down.pause(paused);
  }

  // The server's end.

  write(bytes: Uint8Array): void {
    this.probe();
    if (!this.#serverEnded) this.#down.send({ kind: "bytes", bytes, size: bytes.length });
  }

  end(): void {
    if (this.#serverEnded) return;
    this.#serverEnded = true;
    this.#down.send(FIN);
  }

  /** `isAway`: somebody else has it, who waits for its end. */
  pause(paused: boolean, isAway = false): void {
    this.#serverPaused = paused && !isAway;
    this.#up.pause(paused);
    if (!paused) this.probe();
  }

  /** Whether it was reset is found by a write that takes nothing, too. */
  probe(): void {
    if (this.#serverWasReset) this.#agenda.after(0, () => this.#loseServer("reset"));
  }

  /** Destroys it. Where bytes of the visitor's wait unread the kernel resets it, and what the visitor has not read is lost. */
  close(): void {
    if (this.#serverGone) return;
    // An end that was ordered before, and waits behind bytes that are dropped now, is said by the kernel all the same.
    if (this.#serverEnded && !this.#down.isSent) this.#serverEnded = false;
    this.#down.dropUnsent();
    if (this.#up.waits) this.#resetVisitor();
    else this.end();
    this.#loseServer(null);
  }

  /** Destroys it so that the other end cannot take what came for the whole. */
  reset(): void {
    if (this.#serverGone) return;
    this.#resetVisitor();
    this.#loseServer(null);
  }

  /** The process has died, and its kernel resets the connection behind what has left. */
  abandon(): void {
    if (this.#serverGone) return;
    this.#serverGone = true;
    this.#down.dropUnsent();
    this.#down.send(RESET);
    this.#up.kill();
  }

  /** The machine has died: the visitor finds out by its own keep-alive. */
  vanish(): void {
    this.#serverGone = true;
    this.#up.kill();
    this.#down.kill();
    this.#agenda.after(KEEP_ALIVE_US, () => this.#tellVisitor("reset"));
  }

  // The network's part.

  cut({ near, far }: { readonly near: number; readonly far: number }): void {
    this.#up.kill();
    this.#down.kill();
    this.#path.connections.delete(this);
    this.#agenda.after(near, () => this.#tellVisitor("reset"));
    this.#agenda.after(far, () => this.#loseServer("reset"));
  }

  lose(direction: Direction): void {
    if (direction === "up") this.#up.lose();
    else this.#down.lose();
  }

  #onUp(segment: Segment): void {
    // What comes after a close is answered by the kernel.
    if (this.#serverGone) {
      if (segment.kind === "bytes") this.#resetVisitor();
      return;
    }
    if (segment.kind === "bytes") return this.#server.bytes(segment.bytes);
    this.#heardAll = true;
    this.#server.ended();
    this.#closeIfOver();
  }

  #onDownSent(segment: Segment): void {
    this.#host.run(() => {
      if (this.#serverGone) return;
      if (segment.kind === "bytes") this.#server.flushed(segment.size);
      else this.#closeIfOver();
    });
  }

  /** With both sides ended, and all of ours out, a connection closes by itself. */
  #closeIfOver(): void {
    if (this.#heardAll && this.#serverEnded && this.#down.isSent) this.#loseServer(null);
  }

  #onDown(segment: Segment): void {
    if (segment.kind !== "bytes") return this.#tellVisitor(segment.kind === "fin" ? "in_order" : "reset");
    if (!this.#visitorGone) return this.#visitor.bytes(segment.bytes);
    // Nobody reads it any more, which the visitor's kernel says.
    this.#resetServer();
  }

  #resetServer(): void {
    this.#down.kill();
    const { latencyUs } = this.#path.settings;
    this.#agenda.after(latencyUs, () => this.#path.up.arrive(() => this.#onServerReset()));
  }

  /** What waits unread is lost with it; nobody is told who neither reads nor writes. */
  #onServerReset(): void {
    if (!this.#serverPaused || !this.#down.isSent) return this.#loseServer("reset");
    this.#serverWasReset = true;
    this.#up.kill();
  }

  /** The reset overtakes what is under way to the visitor. */
  #resetVisitor(): void {
    this.#down.kill();
    const { latencyUs } = this.#path.settings;
    this.#agenda.after(latencyUs, () => this.#path.down.arrive(() => this.#tellVisitor("reset")));
  }

  #tellVisitor(how: "in_order" | "reset"): void {
    if (this.#visitorGone) return;
    this.#loseVisitor();
    this.#visitor.ended(how);
  }

  #loseVisitor(): void {
    this.#visitorGone = true;
    this.#forget();
  }

  #loseServer(cause: "reset" | null): void {
    if (this.#serverGone) return;
    this.#serverGone = true;
    if (cause !== null) {
      this.#up.kill();
      this.#down.kill();
    }
    this.#forget();
    this.#host.run(() => this.#server.closed(cause));
  }

  #forget(): void {
    if (this.#serverGone && this.#visitorGone) this.#path.connections.delete(this);
  }
}
