/**
 * The connections to one origin, which are kept between requests.
 *
 * Node's own agent would do, but it takes an eighth of our agent's CPU for small requests: it keeps origins apart that
 * are one here, so that each request has its options copied, the name of its origin put together and lists searched for it.
 * What `http.request` asks of an agent is to hand the request a connection: it calls `addRequest`, which calls `onSocket`.
 * On the connection it then says `free` when the request is done with it, and `agentRemove` when it is not to be kept.
 */
import { Agent, type ClientRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/**
 * Idle connections are closed before any usual origin closes them, so that no request meets the origin's FIN half-way.
 * Where the origin announces a shorter time (`Keep-Alive: timeout`), that counts.
 */
export const IDLE_CONNECTION_MS = 4_000;

/** So much of the time that an origin announces is left to what is on its way. */
const ANNOUNCED_MARGIN_MS = 1_000;

/** What a burst opened beyond these is closed when it falls idle. */
const IDLE_CONNECTIONS_MAX = 256;

/** Node notes here whose the connection is. */
type HttpSocket = Socket & { _httpMessage?: unknown };

type Connection = {
  readonly socket: HttpSocket;
  /** Whose it is; null while it is idle. */
  request: ClientRequest | null;
  /** How long it may be idle after its request. */
  idleMs: number;
  /** Nothing is asked of an idle connection, so that what comes is no answer, and must not pass for the next one. */
  readonly onUnasked: () => void;
};

export class OriginPool extends Agent {
  readonly #connect: () => Socket;
  readonly #connections = new Map<Socket, Connection>();
  /** The last to fall idle is the first to be used, so that the surplus of a burst grows old. */
  readonly #idle: Connection[] = [];

  constructor(connect: () => Socket) {
    super({ keepAlive: true });
    this.#connect = connect;
  }

  /** Called by Node. Without a connection that is idle the request gets one that is being made. */
  addRequest(request: ClientRequest): void {
    const kept = this.#takeIdle();
    const connection = kept ?? this.#open();
    connection.request = request;
    connection.idleMs = IDLE_CONNECTION_MS;
    if (kept !== undefined) request.reusedSocket = true;
    request.onSocket(connection.socket);
  }

  /** To be told of each response, which may announce how long the origin keeps the connection. */
  noteHead({ rawHeaders, socket }: IncomingMessage): void {
    const announcedMs = announcedIdleMs(rawHeaders);
    if (announcedMs === null) return;
    const connection = this.#connections.get(socket);
    if (connection !== undefined) connection.idleMs = Math.min(IDLE_CONNECTION_MS, announcedMs);
  }

  /** Cuts every connection. */
  override destroy(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  #takeIdle(): Connection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      const { socket, onUnasked } = connection;
      // One that has failed says so a moment later.
      if (!socket.writable) continue;
      socket.removeListener("data", onUnasked);
      return connection;
    }
  }

  #open(): Connection {
    const socket = this.#connect();
    const destroy = () => {
      socket.destroy();
    };
    const connection: Connection = {
      socket,
      request: null,
      idleMs: IDLE_CONNECTION_MS,
      onUnasked: destroy,
    };
    const destroyIdle = () => {
      if (connection.request === null) destroy();
    };
    const onFree = () => this.#onFree(connection);
    const forget = () => {
      if (!this.#connections.delete(socket)) return;
      const at = this.#idle.indexOf(connection);
      if (at !== -1) this.#idle.splice(at, 1);
      socket.off("free", onFree).off("agentRemove", forget).off("close", forget);
      socket.off("timeout", destroyIdle).off("end", destroyIdle).off("error", ignore).off("data", destroy);
    };
    socket.on("free", onFree).on("agentRemove", forget).on("close", forget);
    // While idle, nobody else listens. Of an error, only its close matters then.
    socket.on("timeout", destroyIdle).on("end", destroyIdle).on("error", ignore);
    socket.setTimeout(IDLE_CONNECTION_MS);
    this.#connections.set(socket, connection);
    return connection;
  }

  #onFree(connection: Connection): void {
    const { socket, request, idleMs, onUnasked } = connection;
    connection.request = null;
    const isReusable =
      request?.shouldKeepAlive === true &&
      socket.writable &&
      !socket.readableEnded &&
      socket.readableLength === 0 &&
      idleMs > 0 &&
      this.#idle.length < IDLE_CONNECTIONS_MAX;
    if (!isReusable) {
      socket.destroy();
      return;
    }
    if (socket.timeout !== idleMs) socket.setTimeout(idleMs);
    // As Node's own agent does: an idle connection would keep all of its last request and the answer alive.
    socket._httpMessage = null;
    socket.on("data", onUnasked);
    this.#idle.push(connection);
  }
}

/** As long as the origin says that it keeps the connection, less a margin; null where it does not say. */
function announcedIdleMs(headers: readonly string[]): number | null {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at];
    if (name?.length !== KEEP_ALIVE.length || name.toLowerCase() !== KEEP_ALIVE) continue;
    const seconds = /^timeout=(\d+)/.exec(headers[at + 1] ?? "")?.[1];
    return seconds === undefined ? null : Math.max(0, Number(seconds) * 1_000 - ANNOUNCED_MARGIN_MS);
  }
  return null;
}

const KEEP_ALIVE = "keep-alive";

function ignore(): void {}
