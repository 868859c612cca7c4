/** One request on a client's connection, as the one who asks has it in hand. */
import type { RequestHead } from "../scenario/request-head.ts";
import { copyOf, newBytes } from "../tools/bytes.ts";
import { headerOf } from "../tools/headers.ts";
import { chunkOf, lastChunk, piecesOf } from "../wire/http-request.ts";
import type { Asked } from "../wire/http-response.ts";

/** How an answer stopped. */
export type AnswerEnd =
  /** It was complete by its framing. */
  | "complete"
  /** The connection broke first. */
  | "cut"
  /** No connection could be made. */
  | "refused"
  /** Another request's answer or visitor ended the connection before its turn. */
  | "forsaken";

/** What the asker of one request is told. */
export type Asker = {
  /** All answers before are here. */
  readonly turn?: () => void;
  /** An interim response, `100 Continue` included. */
  readonly interim: (status: number, headers: readonly string[]) => void;
  /** Without the fields that are for this hop. */
  readonly head: (status: number, headers: readonly string[]) => void;
  readonly body: (bytes: Uint8Array) => void;
  /** Last, and once, unless the asker left before. */
  readonly ended: (how: AnswerEnd, trailers: readonly string[]) => void;
};

export type AskOptions = {
  readonly minorVersion?: 0 | 1;
  /** Whether it says that no other request follows. */
  readonly closes?: boolean;
  /** So long after the answer the connection stays open. */
  readonly staysUs?: number;
  /** Behind the request it says so much more, which nobody wants. */
  readonly surplusBytes?: number;
};

/** `half`: it ends its side only, and reads on without interest. */
export type LeavesBy = "close" | "reset" | "half";

/** The connection that it is on. What is wanted for a turn that is over is not done. */
export type TurnOwner = {
  readonly write: (turn: Turn, bytes: Uint8Array) => void;
  /** Ends the client's side, after the protocol was switched. */
  readonly endRaw: (turn: Turn) => void;
  readonly pauseReading: (turn: Turn, paused: boolean) => void;
  readonly leave: (turn: Turn, how: LeavesBy) => void;
};

export class Turn {
  readonly asked: Asked;
  readonly asker: Asker;
  readonly staysUs: number;
  readonly isChunked: boolean;
  /** Whether all of the request was written. */
  written: boolean;
  /** Whether it is the last of the connection. */
  closes: boolean;
  /** Whether nothing but its own word makes it that, which a careless client may forget. */
  forgettable: boolean;
  #raw = false;
  readonly #owner: TurnOwner;
  readonly #surplusBytes: number;

  constructor(owner: TurnOwner, request: RequestHead, asker: Asker, options: AskOptions) {
    this.#owner = owner;
    this.asked = { method: request.method, minorVersion: options.minorVersion ?? 1 };
    this.asker = asker;
    this.staysUs = options.staysUs ?? 0;
    this.#surplusBytes = options.surplusBytes ?? 0;
    this.forgettable = this.asked.minorVersion === 1 && request.upgrade !== true;
    // What follows a handshake may be another protocol's.
    this.closes = options.closes === true || this.asked.minorVersion === 0 || request.upgrade === true;
    this.isChunked = headerOf(request.headers, "transfer-encoding") !== undefined;
    this.written = !request.hasBody;
  }

  /** Of a body in chunks, each of the sizes that are given. */
  sendBody(bytes: Uint8Array, chunkBytes = () => bytes.length): void {
    if (this.#raw || !this.isChunked) return this.#owner.write(this, copyOf(bytes));
    for (const chunk of piecesOf(bytes, chunkBytes)) this.#owner.write(this, chunkOf(chunk));
  }

  endBody(trailers: readonly string[]): void {
    if (this.#raw) return this.#owner.endRaw(this);
    if (this.isChunked) this.#owner.write(this, lastChunk(trailers));
    this.written = true;
    this.sayMore();
  }

  /** What comes behind the request, when all of that is written. */
  sayMore(): void {
    if (!this.written || this.#surplusBytes === 0) return;
    this.#owner.write(this, newBytes(this.#surplusBytes).fill(SURPLUS));
  }

  pauseReading(paused: boolean): void {
    this.#owner.pauseReading(this, paused);
  }

  /** The protocol was switched. */
  becomeRaw(): void {
    this.#raw = true;
  }

  /** Who asked goes away, and the connection with it. */
  leave(how: LeavesBy): void {
    this.#owner.leave(this, how);
  }
}

/** A letter that no method begins with. */
const SURPLUS = 0x73;
