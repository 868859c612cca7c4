/**
 * A visitor's HTTP request and its response over one simulated connection, as the shipped HTTP adapter and two kernels
 * carry them: a response body is read at the visitor's pace, a request body only once the node asks for it, and a
 * connection that breaks is told apart from a message that ends.
 */
import type { RequestHead } from "../scenario/request-head.ts";
import { copyOf } from "../tools/bytes.ts";
import { attentive, type Host } from "../world/host.ts";
import type { Agenda, World } from "../world/world.ts";
import type { Connection, Direction, Path } from "./path.ts";
import { Pipe } from "./pipe.ts";

/** What the server's end tells the node. */
export type NodeSide = {
  readonly body: (bytes: Uint8Array) => void;
  readonly bodyEnded: (trailers: readonly string[]) => void;
  readonly flushed: (bytes: number) => void;
  /** Last, and once. */
  readonly closed: (complete: boolean) => void;
};

/** What the visitor's end tells the visitor. */
export type VisitorSide = {
  /** An interim response, `100 Continue` included. */
  readonly interim: (status: number, headers: readonly string[]) => void;
  readonly head: (status: number, headers: readonly string[]) => void;
  readonly body: (bytes: Uint8Array) => void;
  /** Last, and once, unless the visitor left before. */
  readonly ended: (how: "complete" | "cut", trailers: readonly string[]) => void;
};

type LineFrame = {
  readonly kind: "interim" | "head" | "body" | "end" | "cut";
  readonly status: number;
  /** Of an `end` the trailers. */
  readonly headers: readonly string[];
  readonly bytes: Uint8Array;
  readonly size: number;
};

const NO_BYTES = new Uint8Array(0);
const NO_HEADERS: readonly string[] = [];
const HEAD_BYTES = 200;
/** A visitor's kernel gives up a peer that is gone after this long. */
const KEEP_ALIVE_US = 15_000_000;

export class ExchangeLine implements Connection {
  readonly request: RequestHead;
  readonly #agenda: Agenda;
  readonly #path: Path;
  readonly #host: Host;
  readonly #node: NodeSide;
  readonly #visitor: VisitorSide;
  readonly #up: Pipe<LineFrame>;
  readonly #down: Pipe<LineFrame>;
  /** Nothing more is taken from the node, and nothing but the end is told to it. */
  #nodeDone = false;
  /** A stalled node hears of the end later, and before it of all that was flushed. */
  #closedReported = false;
  #visitorDone = false;
  #reads = false;
  #bodyPaused = false;
  /** After a 101 both directions carry raw bytes, and the line is over when both have ended. */
  #upgraded = false;
  #saidAll = false;
  #heardAll = false;

  constructor(options: {
    readonly world: World;
    /** Of its streams; unique in a run. */
    readonly name: string;
    readonly path: Path;
    readonly request: RequestHead;
    readonly visitor: VisitorSide;
    /** The process that serves it, which may be stalled. */
    readonly host: Host;
    /** Called once, when the request's head has been read. */
    readonly arrived: (line: ExchangeLine) => NodeSide;
  }) {
    const { world, name, path, host } = options;
    const random = world.random(name);
    const agenda = world.agenda(name);
    this.#agenda = agenda;
    this.#path = path;
    this.#host = host;
    this.#visitor = options.visitor;
    this.request = options.request;
    this.#up = new Pipe<LineFrame>({
      world,
      agenda,
      path,
      direction: "up",
      random,
      order: "fifo",
      server: host,
      reader: host,
      sent: () => {},
      arrived: (frame) => this.#onRequestFrame(frame),
    });
    this.#down = new Pipe<LineFrame>({
      world,
      agenda,
      path,
      direction: "down",
      random,
      order: "fifo",
      server: host,
      reader: attentive,
      sent: (frame) => this.#onResponseSent(frame),
      arrived: (frame) => this.#onResponseFrame(frame),
    });
    this.#up.pause(true);
    path.connections.add(this);
    this.#node = options.arrived(this);
  }

  // The visitor's end.

  sendBody(bytes: Uint8Array): void {
    if (!this.#visitorDone) this.#up.send(bodyFrame(copyOf(bytes)));
  }

  endBody(trailers: readonly string[] = []): void {
    if (!this.#visitorDone) this.#up.send(lastFrame("end", trailers));
  }

  /** Stops or resumes reading the response. */
  pauseReading(paused: boolean): void {
    this.#down.pause(paused);
  }

  /** The visitor closes its connection. */
  leave(): void {
    if (this.#visitorDone) return;
    this.#visitorDone = true;
    this.#path.connections.delete(this);
    this.#down.kill();
    const { latencyUs } = this.#path.settings;
    this.#agenda.after(latencyUs, () => this.#path.up.arrive(() => this.#nodeLost()));
  }

  // The node's end.

  /** Starts reading the request body. */
  read(): void {
    if (this.request.expectsContinue === true && !this.#reads) this.respondInterim(100, []);
    this.#reads = true;
    this.#up.pause(this.#bodyPaused);
  }

  /** Stops or resumes reading the request body. */
  pauseBody(paused: boolean): void {
    this.#bodyPaused = paused;
    if (this.#reads) this.#up.pause(paused);
  }

  respondInterim(status: number, headers: readonly string[]): void {
    this.#respond(headFrame("interim", status, [...headers]));
  }

  respondUpgrade(headers: readonly string[]): void {
    this.#upgraded = true;
    this.respondHead(101, headers);
    this.read();
  }

  respondHead(status: number, headers: readonly string[]): void {
    this.#respond(headFrame("head", status, [...headers]));
  }

  respondBody(bytes: Uint8Array): void {
    this.#respond(bodyFrame(copyOf(bytes)));
  }

  respondEnd(trailers: readonly string[] = []): void {
    this.#respond(lastFrame("end", [...trailers]));
  }

  /** Destroys the connection: what has not left for the kernel is dropped, and the visitor sees no end. */
  respondCut(): void {
    this.hangUp();
    this.#nodeClosed(false);
  }

  /** The process has died, and its kernel closes the connection. */
  hangUp(): void {
    if (this.#nodeDone) return;
    this.#down.dropUnsent();
    this.#down.send(lastFrame("cut"));
    this.#up.kill();
  }

  /** The machine has died: the visitor finds out by its own keep-alive. */
  vanish(): void {
    this.#nodeDone = true;
    this.#up.kill();
    this.#down.kill();
    this.#agenda.after(KEEP_ALIVE_US, () => this.#visitorEnded("cut"));
  }

  // The network's part.

  cut({ near, far }: { readonly near: number; readonly far: number }): void {
    this.#up.kill();
    this.#down.kill();
    this.#path.connections.delete(this);
    this.#agenda.after(near, () => this.#visitorEnded("cut"));
    this.#agenda.after(far, () => this.#nodeLost());
  }

  lose(direction: Direction): void {
    if (direction === "up") this.#up.lose();
    else this.#down.lose();
  }

  #respond(frame: LineFrame): void {
    if (!this.#nodeDone) this.#down.send(frame);
  }

  #onRequestFrame(frame: LineFrame): void {
    if (this.#nodeDone) return;
    if (frame.kind === "body") this.#node.body(frame.bytes);
    else {
      this.#heardAll = true;
      this.#node.bodyEnded(frame.headers);
      if (this.#upgraded && this.#saidAll) this.#nodeClosed(true);
    }
  }

  #onResponseSent(frame: LineFrame): void {
    if (this.#nodeDone) return;
    if (frame.kind === "end") {
      this.#saidAll = true;
      if (!this.#upgraded || this.#heardAll) this.#nodeClosed(true);
    }
    if (frame.kind !== "body") return;
    this.#host.run(() => {
      if (!this.#closedReported) this.#node.flushed(frame.bytes.length);
    });
  }

  #onResponseFrame(frame: LineFrame): void {
    if (this.#visitorDone) return;
    if (frame.kind === "interim") this.#visitor.interim(frame.status, frame.headers);
    else if (frame.kind === "head") this.#visitor.head(frame.status, frame.headers);
    else if (frame.kind === "body") this.#visitor.body(frame.bytes);
    else this.#visitorEnded(frame.kind === "end" ? "complete" : "cut", frame.headers);
  }

  #visitorEnded(how: "complete" | "cut", trailers: readonly string[] = []): void {
    if (this.#visitorDone) return;
    // Who has heard the last of an upgraded connection has nothing more to say either.
    if (this.#upgraded && how === "complete" && !this.#heardAll) this.endBody();
    this.#visitorDone = true;
    this.#path.connections.delete(this);
    this.#visitor.ended(how, trailers);
  }

  #nodeLost(): void {
    this.#down.kill();
    this.#nodeClosed(this.#upgraded && this.#saidAll);
  }

  #nodeClosed(complete: boolean): void {
    if (this.#nodeDone) return;
    this.#nodeDone = true;
    this.#up.kill();
    this.#host.run(() => {
      this.#closedReported = true;
      this.#node.closed(complete);
    });
  }
}

function headFrame(kind: "interim" | "head", status: number, headers: readonly string[]): LineFrame {
  return { kind, status, headers, bytes: NO_BYTES, size: HEAD_BYTES };
}

function bodyFrame(bytes: Uint8Array): LineFrame {
  return { kind: "body", status: 0, headers: NO_HEADERS, bytes, size: bytes.length };
}

function lastFrame(kind: "end" | "cut", trailers = NO_HEADERS): LineFrame {
  return { kind, status: 0, headers: trailers, bytes: NO_BYTES, size: 0 };
}
