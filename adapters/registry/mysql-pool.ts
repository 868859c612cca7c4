/**
 * Connections to MySQL, and a queue in front of them.
 *
 * A call has one deadline, from the moment it is made. Until a connection is free it waits, and may be given up with nothing
 * done; from the moment its statement is sent, only an answer tells what has become of it. A connection that missed a deadline
 * is destroyed, so that a server which hangs never holds the pool, and the idle ones go with it: whatever silenced one of them
 * (a failover, a firewall that forgot them) silenced all, and finding out one by one would cost a call each.
 *
 * mysql2 has a pool as well. It cannot give up a wait, keeps a connection whose statement timed out, and a second error
 * on a connection that is being opened finds nobody listening, which ends the process.
 */
import { connect, type Socket } from "node:net";
import { type Connection, type ConnectionOptions, createConnection } from "mysql2";
import type { RegistryFault } from "../../core/registry.ts";
import { isUsableAfter, mysqlFaultOf } from "./mysql-fault.ts";

/**
 * By name, for the `:name` placeholders of a statement. Null for one that has none: mysql2 remembers the texts of those that
 * could have some, and one that was made for the occasion would stay.
 */
export type Values = Readonly<Record<string, Buffer | number | null>> | null;

export type Row = Readonly<Record<string, unknown>>;

export type Reply =
  | { readonly type: "done"; readonly rows: readonly Row[]; readonly affectedRows: number }
  /** `error` is null where a deadline or the queue's limit was reached. */
  | { readonly type: "failed"; readonly fault: RegistryFault; readonly error: unknown };

export type MysqlPoolOptions = {
  /** Without the socket, which the pool opens itself. */
  readonly connection: ConnectionOptions & { readonly host: string; readonly port: number };
  readonly connectionsMax: number;
  /** From a call to its reply. */
  readonly queryMs: number;
};

type Job = {
  readonly sql: string;
  readonly values: Values;
  readonly answer: (reply: Reply) => void;
  readonly timer: NodeJS.Timeout;
};

/** One connection, from the first packet of its opening until it is lost or destroyed. */
type Link = {
  readonly connection: Connection;
  readonly socket: Socket;
  phase: "opening" | "idle" | "busy";
  /** What was sent on it and not answered yet. */
  job: Job | null;
};

/** The core has no more calls than this under way; further ones would be a bug's. */
const WAITING_MAX = 2_048;

/** A connection that somebody in between forgot is noticed by then. */
const KEEP_ALIVE_MS = 30_000;

export class MysqlPool {
  readonly #options: MysqlPoolOptions;
  readonly #links = new Set<Link>();
  /** The last used one at the end, from where they are taken: the rest stay cold. */
  #idle: Link[] = [];
  #opening = 0;
  /** In the order of their coming. */
  readonly #waiting = new Set<Job>();
  #isClosed = false;

  constructor(options: MysqlPoolOptions) {
    this.#options = options;
  }

  /** Runs one statement, a transaction of its own. Answers exactly once, at the latest after `queryMs`. */
  query(sql: string, values: Values, answer: (reply: Reply) => void): void {
    const timer = setTimeout(() => this.#onDeadline(job), this.#options.queryMs);
    const job: Job = { sql, values, answer, timer };
    if (this.#isClosed || this.#waiting.size >= WAITING_MAX) return fail(job, "unavailable", null);
    this.#waiting.add(job);
    this.#serve();
  }

  /** Says goodbye where nothing runs. What waits or runs fails. */
  close(): void {
    this.#isClosed = true;
    for (const link of this.#idle.splice(0)) {
      this.#links.delete(link);
      link.connection.end();
      // The goodbye is on its way; nobody waits for a server that does not take it.
      link.socket.unref();
    }
    for (const link of [...this.#links]) this.#drop(link, null);
    for (const job of this.#waiting) fail(job, "unavailable", null);
    this.#waiting.clear();
  }

  /** Gives waiting calls to free connections, and opens more while there are too few. */
  #serve(): void {
    for (const job of this.#waiting) {
      const link = this.#idle.pop();
      if (link === undefined) break;
      this.#waiting.delete(job);
      this.#send(link, job);
    }
    while (this.#opening < this.#waiting.size && this.#links.size < this.#options.connectionsMax) {
      this.#open();
    }
  }

  #open(): void {
    const { host, port } = this.#options.connection;
    const socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    const connection = createConnection({ ...this.#options.connection, stream: socket });
    const link: Link = { connection, socket, phase: "opening", job: null };
    this.#links.add(link);
    this.#opening++;
    connection.once("connect", () => this.#free(link));
    // For as long as the connection lives: an error that nobody hears would end the process.
    connection.on("error", (error: unknown) => this.#onLost(link, error));
    connection.on("end", () => this.#onLost(link, new HungUp()));
  }

  #free(link: Link): void {
    if (!this.#links.has(link)) return;
    if (link.phase === "opening") this.#opening--;
    link.phase = "idle";
    link.job = null;
    this.#idle.push(link);
    this.#serve();
  }

  #send(link: Link, job: Job): void {
    link.phase = "busy";
    link.job = job;
    link.connection.query({ sql: job.sql, values: job.values ?? [] }, (error, result: unknown) => {
      // Given up, and the connection with it.
      if (link.job !== job) return;
      if (error === null) {
        this.#free(link);
        succeed(job, result);
      } else if (isUsableAfter(error)) {
        this.#free(link);
        fail(job, mysqlFaultOf(error, true), error);
      } else {
        this.#onLost(link, error);
      }
    });
  }

  #onDeadline(job: Job): void {
    if (this.#waiting.delete(job)) return fail(job, "unavailable", null);
    for (const link of this.#links) if (link.job === job) this.#onLost(link, null);
  }

  #onLost(link: Link, error: unknown): void {
    if (!this.#links.has(link)) return;
    const wasOpening = link.phase === "opening";
    const wasBusy = link.phase === "busy";
    this.#drop(link, error);
    if (wasBusy) for (const idle of [...this.#idle]) this.#drop(idle, null);
    // A connection is opened for one call; where that fails, the call that has waited longest hears of it.
    const [first] = this.#waiting;
    if (wasOpening && first !== undefined) {
      this.#waiting.delete(first);
      fail(first, mysqlFaultOf(error, false), error);
    }
    this.#serve();
  }

  /** Destroys a connection, and fails what was sent on it. */
  #drop(link: Link, error: unknown): void {
    const { connection, socket, phase, job } = link;
    this.#links.delete(link);
    if (phase === "opening") this.#opening--;
    if (phase === "idle") this.#idle = this.#idle.filter((other) => other !== link);
    link.job = null;
    connection.destroy();
    // mysql2 closes its half only, and a server that hangs never does the other.
    socket.destroy();
    if (job !== null) fail(job, mysqlFaultOf(error, true), error);
  }
}

class HungUp extends Error {
  readonly code = "CONNECTION_CLOSED";

  constructor() {
    super("the server closed the connection");
  }
}

function succeed(job: Job, result: unknown): void {
  clearTimeout(job.timer);
  const rows = Array.isArray(result) ? result : [];
  const isHeader = typeof result === "object" && result !== null && "affectedRows" in result;
  job.answer({ type: "done", rows, affectedRows: isHeader ? Number(result.affectedRows) : 0 });
}

function fail(job: Job, fault: RegistryFault, error: unknown): void {
  clearTimeout(job.timer);
  job.answer({ type: "failed", fault, error });
}
