/**
 * One visitor's TCP connection: its exchanges in the order of their requests, which is the order in which the responses
 * must go out (RFC 9112 section 9.3.2), whatever the order in which they are ready. `node:http` keeps that order for
 * responses; here it is kept for what ends the connection instead of a response.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { assert } from "../../core/assert.ts";
import { lingeringClose } from "../socket/linger.ts";
import type { EdgeAnswer } from "./edge-answer.ts";
import { responseBytes } from "./edge-answer.ts";

/** A place in the order of responses. */
export type Turn = {
  readonly request: IncomingMessage;
  /** The connection is to be destroyed when this turn comes: nothing of the response, or a part of it, must be all. */
  isCut: boolean;
};

export class VisitorConnection<T extends Turn> {
  /** IP address of the other end. */
  readonly peer: string;
  readonly #socket: Socket;
  /** Oldest first; only the first one's response is on the wire. */
  readonly #turns: T[] = [];
  /** Goes out when all turns before it are over; the connection ends with it. */
  #lastAnswer: EdgeAnswer | null = null;
  #isSealed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    // Once the connection is gone the system does not tell it any more.
    this.peer = socket.remoteAddress ?? "";
  }

  /** Whether further requests on this connection are to be ignored: it has failed, or its last response is known. */
  get isSealed(): boolean {
    return this.#isSealed;
  }

  get turns(): readonly T[] {
    return this.#turns;
  }

  add(turn: T): void {
    this.#turns.push(turn);
  }

  seal(): void {
    this.#isSealed = true;
  }

  /** The response of a turn went out whole. */
  finish(turn: T): void {
    assert(this.#turns[0] === turn, "a response went out before an earlier one on its connection");
    this.#turns.shift();
    this.#proceed();
  }

  /** Ends the connection inside this turn's response, once the earlier ones are out. */
  cut(turn: T): void {
    turn.isCut = true;
    this.#isSealed = true;
    this.#proceed();
  }

  /** Ends the connection with an answer in the place of the next response. */
  refuse(answer: EdgeAnswer): void {
    this.#isSealed = true;
    this.#lastAnswer = answer;
    this.#proceed();
  }

  /** Withdraws the newest turn: its response was not begun, and what `refuse` says takes its place. */
  withdraw(turn: T): void {
    assert(this.#turns.at(-1) === turn, "a turn was withdrawn that is not the newest");
    this.#turns.pop();
  }

  #proceed(): void {
    const turn = this.#turns[0];
    if (turn?.isCut) cutConnection(this.#socket, turn.request);
    if (turn !== undefined || this.#lastAnswer === null) return;
    const { status, headers, body } = this.#lastAnswer;
    this.#lastAnswer = null;
    if (this.#socket.writable) lingeringClose(this.#socket, responseBytes(status, headers, body));
    else this.#socket.destroy();
  }
}

/**
 * With HTTP/1.0 the end of the connection may be all that ends a body, so that only a reset tells a part from the whole.
 * HTTP/1.1 has `content-length` or the last chunk for that, and keeps what has arrived at the visitor readable.
 */
function cutConnection(socket: Socket, request: IncomingMessage): void {
  if (request.httpVersionMinor === 0) socket.resetAndDestroy();
  else socket.destroy();
}
