/** The connections to one origin, which are kept between requests. */
import type { Socket } from "node:net";
import { type ConnectionKeeper, OriginConnection } from "./connection.ts";

/** What a burst opened beyond these is closed when it falls idle. */
const IDLE_CONNECTIONS_MAX = 256;

export class OriginPool implements ConnectionKeeper {
  readonly #connect: () => Socket;
  readonly #connections = new Set<OriginConnection>();
  /** The last to fall idle is the first to be used, so that the surplus of a burst grows old. */
  readonly #idle: OriginConnection[] = [];

  constructor(connect: () => Socket) {
    this.#connect = connect;
  }

  /** One that no request is on: it may still be about to connect. */
  take(): OriginConnection {
    const kept = this.#idle.pop();
    if (kept !== undefined) return kept;
    const connection = new OriginConnection(this.#connect(), this);
    this.#connections.add(connection);
    return connection;
  }

  keep(connection: OriginConnection): boolean {
    const { socket, idleMs } = connection;
    if (idleMs === 0 || this.#idle.length === IDLE_CONNECTIONS_MAX) return false;
    if (socket.timeout !== idleMs) socket.setTimeout(idleMs);
    this.#idle.push(connection);
    return true;
  }

  forget(connection: OriginConnection): void {
    this.#connections.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  /** Cuts every connection. */
  destroy(): void {
    for (const connection of [...this.#connections]) connection.destroy();
  }
}
