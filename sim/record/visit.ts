/** One visit: what was asked for, what its home would answer, and what the visitor saw. */
import { firstDifference, HOME_HEADER, type ModelAnswer, taintKey } from "../scenario/model.ts";
import { type HomeSpec, isNative, type VisitOperation } from "../scenario/scenario.ts";
import { headerOf } from "../tools/headers.ts";

/** How the bytes of a visitor's response stopped. */
export type VisitEnd =
  /** The message was complete by its framing. */
  | "complete"
  /** The connection broke first. */
  | "cut"
  /** No connection could be made. */
  | "refused"
  /** The visitor itself went away. */
  | "left"
  /** Another request's answer or visitor ended the connection before its turn. */
  | "forsaken";

/** A request of a visitor and what came of it; the visitor writes it. */
export class Visit {
  readonly operation: VisitOperation;
  readonly clientId: string;
  /** What its home would answer. */
  readonly model: ModelAnswer;
  readonly startedUs: number;
  /** Who may visit its home. */
  readonly access: HomeSpec["access"];
  /** Whether its home's agent speaks the native protocol. */
  readonly native: boolean;
  status: number | null = null;
  headers: readonly string[] = [];
  trailers: readonly string[] = [];
  interims = 0;
  /** Of the home's WebSocket; null where there is none, or before it says good-bye. */
  closeCode: number | null = null;
  bytesReceived = 0;
  /** When all answers before it on its connection had come; null before that. */
  turnUs: number | null = null;
  /** How it ended; null while it goes on. */
  end: VisitEnd | null = null;
  endedUs: number | null = null;
  /** A fault changed bytes that the server cannot know to be changed: what is seen may differ from the model. */
  tampered = false;
  /** It began after its agent had been told things that its server never said, or the other way round. */
  followsTampering = false;
  readonly #key: number;
  #compared: Uint8Array | null = null;
  #comparedAt = 0;
  #wrong = -1;

  constructor(
    operation: VisitOperation,
    spec: Pick<HomeSpec, "clientId"> & Partial<HomeSpec>,
    model: ModelAnswer,
    startedUs: number,
  ) {
    this.operation = operation;
    const { clientId, access } = spec;
    this.clientId = clientId;
    this.access = access;
    this.native = isNative(spec);
    this.model = model;
    this.startedUs = startedUs;
    this.#key = taintKey(spec.clientId, operation.id);
  }

  /** Index of the first of these bytes, the next of the body, that is not its home's; -1 where all are. */
  firstWrong(bytes: Uint8Array): number {
    // Several checkers ask this of each piece.
    if (bytes !== this.#compared || this.bytesReceived !== this.#comparedAt) {
      this.#compared = bytes;
      this.#comparedAt = this.bytesReceived;
      this.#wrong = firstDifference(this.#key, this.model.bodyOffset + this.bytesReceived, bytes);
    }
    return this.#wrong;
  }

  /** The head came from a home, and not from the server or an agent. */
  get fromHome(): boolean {
    return headerOf(this.headers, HOME_HEADER) !== undefined;
  }
}
