/** The way in from a visitor: the body of a request, read when and as far as that is ordered. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HeaderList } from "../../core/http/headers.ts";

export type RequestListener = {
  onBody(bytes: Uint8Array): void;
  onBodyEnded(trailers: HeaderList): void;
};

/** What is left of a body after its response: read on for so long, lest the visitor stays stuck in it. */
const REST_MS = 5_000;

export class VisitorRequest {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  /** The visitor sends the body only after `100 Continue` (RFC 9110 section 10.1.1). */
  readonly #expectsContinue: boolean;
  readonly #listener: RequestListener;
  #isReading = false;
  #isPaused = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
    listener: RequestListener,
  ) {
    this.#request = request;
    this.#response = response;
    this.#expectsContinue = expectsContinue;
    this.#listener = listener;
  }

  read(): void {
    const request = this.#request;
    const listener = this.#listener;
    if (this.#expectsContinue) this.#response.writeContinue();
    this.#isReading = true;
    // A stream that was paused before it has a listener stays so.
    if (this.#isPaused) request.pause();
    request.on("data", (bytes: Buffer) => listener.onBody(bytes));
    request.on("end", () => listener.onBodyEnded(request.rawTrailers));
  }

  pause(paused: boolean): void {
    this.#isPaused = paused;
    // Without a listener `resume` would throw the body away.
    if (!this.#isReading) return;
    if (paused) this.#request.pause();
    else this.#request.resume();
  }

  /**
   * The response is out. Where the body is not, the connection cannot be used again before its end, which is waited for
   * a while: it may be on its way.
   */
  discardRest(): void {
    const request = this.#request;
    request.resume();
    if (request.complete) return;
    const { socket } = request;
    const timer = setTimeout(() => socket.destroySoon(), REST_MS);
    request.once("close", () => clearTimeout(timer));
  }
}
