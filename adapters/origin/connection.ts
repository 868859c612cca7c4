/** One connection to an origin. Requests follow each other on it, and what comes answers the one that is on it. */
import type { Socket } from "node:net";
import type { HeaderList } from "../../core/http/headers.ts";
import { headerValue } from "../../core/http/headers.ts";
import { countReceived } from "../socket/received-bytes.ts";
import { isPeerGone } from "./connector.ts";
import { MalformedResponse, type ResponsePart, ResponseReader } from "./response-reader.ts";

/** Whose request is on the connection. After the part that ends a response, or one of the others, nothing follows. */
export type ConnectionUser = {
  /** Whether all of the request has been handed to the socket. */
  readonly isWritten: boolean;
  onPart(part: ResponsePart): void;
  onMalformed(): void;
  /**
   * The connection is gone and the response is not over. It was stale if it had been kept after another request and the
   * origin closed it without a word, which it may do at any time (RFC 9112 section 9.3.1).
   */
  onGone(error: Error | null, socket: Socket, isStale: boolean): void;
};

/** Who has the connection while no request is on it. */
export type ConnectionKeeper = {
  /** Whether it takes it. */
  keep(connection: OriginConnection): boolean;
  /** No request can be on it any more. May be told again. */
  forget(connection: OriginConnection): void;
};

/**
 * Idle connections are closed before any usual origin closes them, so that no request meets the origin's FIN half-way.
 * Where the origin announces a shorter time (`Keep-Alive: timeout`), that counts.
 */
export const IDLE_CONNECTION_MS = 4_000;

/** So much of the time that an origin announces is left to what is on its way. */
const ANNOUNCED_MARGIN_MS = 1_000;

export class OriginConnection {
  readonly socket: Socket;
  /** How long it may be idle after its latest request. */
  idleMs = IDLE_CONNECTION_MS;
  readonly #keeper: ConnectionKeeper;
  readonly #reader = new ResponseReader();
  #user: ConnectionUser | null = null;
  #requests = 0;
  /** Whether anything has come since the latest request. */
  #isHeard = false;
  #isPaused = false;
  /** Whether nothing more will come. */
  #isOver = false;
  #error: Error | null = null;

  constructor(socket: Socket, keeper: ConnectionKeeper) {
    this.socket = socket;
    this.#keeper = keeper;
    socket.on("data", this.#onData).on("end", this.#onEnd);
    socket.on("error", this.#onError).on("close", this.#onClose).on("timeout", this.#onTimeout);
    socket.setTimeout(IDLE_CONNECTION_MS);
  }

  /** Only while no request is on it. The request may be written from then on. */
  begin(user: ConnectionUser, method: string, isUpgrade: boolean): void {
    this.#user = user;
    this.#requests += 1;
    this.#isHeard = false;
    this.idleMs = IDLE_CONNECTION_MS;
    this.#reader.begin(method, isUpgrade);
  }

  /** Holds the body back, and what is behind it. Of what is not read yet no more comes in than fits the kernel's buffers. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (!isPaused) this.#pump();
    this.#regulate();
  }

  /** Cuts it; its user is told nothing more. */
  destroy(): void {
    this.#user = null;
    this.#keeper.forget(this);
    this.socket.destroy();
  }

  /** Gives its socket away with what came behind the response's head. */
  detach(): Buffer {
    this.#user = null;
    this.#keeper.forget(this);
    this.socket.off("data", this.#onData).off("end", this.#onEnd).off("timeout", this.#onTimeout);
    return this.#reader.takeRest();
  }

  readonly #onData = (bytes: Buffer): void => {
    countReceived(bytes);
    // Nothing is asked of an idle connection: what comes is no answer, and must not pass for the next one.
    if (this.#user === null) return this.destroy();
    this.#isHeard = true;
    this.#reader.push(bytes);
    this.#pump();
  };

  readonly #onEnd = (): void => {
    this.#isOver = true;
    this.#keeper.forget(this);
    this.#reader.endConnection();
    this.#pump();
  };

  readonly #onError = (error: Error): void => {
    this.#error = error;
  };

  readonly #onClose = (): void => {
    this.#isOver = true;
    this.#keeper.forget(this);
    this.#pump();
  };

  readonly #onTimeout = (): void => {
    if (this.#user === null) this.destroy();
  };

  /** Hands over what has come. The user may abort, pause and resume from within. */
  #pump(): void {
    const user = this.#user;
    if (user === null) return;
    while (user === this.#user && !this.#isHeldBack) {
      const part = this.#next(user);
      if (part === null) break;
      if (part.type === "head") {
        this.idleMs = idleMsAfter(part.headers);
        this.#regulate();
      } else if (part.type === "end") {
        this.#release(user);
      }
      user.onPart(part);
    }
    if (user !== this.#user || !this.#isOver || this.#isHeldBack) return;
    this.destroy();
    const isClosedByPeer = this.#error === null || isPeerGone(this.#error);
    user.onGone(this.#error, this.socket, this.#requests > 1 && !this.#isHeard && isClosedByPeer);
  }

  #next(user: ConnectionUser): ResponsePart | null {
    try {
      return this.#reader.next();
    } catch (error) {
      if (!(error instanceof MalformedResponse)) throw error;
      this.destroy();
      user.onMalformed();
      return null;
    }
  }

  /** The head is never held back: only a body is more than its reader may have room for. */
  get #isHeldBack(): boolean {
    return this.#isPaused && this.#reader.isInBody;
  }

  #regulate(): void {
    const { socket } = this;
    if (this.#isHeldBack === socket.isPaused()) return;
    if (this.#isHeldBack) socket.pause();
    else socket.resume();
  }

  #release(user: ConnectionUser): void {
    const { socket } = this;
    this.#user = null;
    this.#isPaused = false;
    this.#regulate();
    const isReusable =
      this.#reader.isPersistent &&
      // The origin has answered without reading the whole request: what is left of it is of no use to anyone.
      user.isWritten &&
      socket.writableLength === 0 &&
      // What came while the body was held back is not asked for, and must not pass for the next answer.
      socket.readableLength === 0 &&
      !this.#isOver;
    if (!isReusable || !this.#keeper.keep(this)) this.destroy();
  }
}

/** As long as the origin says that it keeps the connection, less a margin. */
function idleMsAfter(headers: HeaderList): number {
  const seconds = /^timeout=(\d+)/.exec(headerValue(headers, "keep-alive") ?? "")?.[1];
  if (seconds === undefined) return IDLE_CONNECTION_MS;
  return Math.min(IDLE_CONNECTION_MS, Math.max(0, Number(seconds) * 1_000 - ANNOUNCED_MARGIN_MS));
}
