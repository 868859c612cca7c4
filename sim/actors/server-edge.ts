/**
 * The visitors' connections of one server process: the real edge machine of `core/edge/` in front of the server machine, put
 * together as the shipped HTTP adapter does it. Bodies that the shipped one compresses pass as they are.
 */

import { checkEdge } from "../../core/edge/check.ts";
import { createEdge, type Edge, edgeDeadlineMs, stepEdge } from "../../core/edge/edge.ts";
import type { EdgeEffect, EdgeEvent, EdgeFact, EdgeOrder } from "../../core/edge/events.ts";
import type { EdgeLimits } from "../../core/edge/limits.ts";
import type { ServerEffect } from "../../core/effects.ts";
import { NONCE_BYTES, type ServerEvent } from "../../core/events.ts";
import { parseIpBlock } from "../../core/http/ip.ts";
import type { ConnectionId, ExchangeId, SocketId } from "../../core/ids.ts";
import { ASTRAY } from "../../core/server/peer/mark.ts";
import { ConnectionLedger } from "../ledger/connections.ts";
import type { ServerSide, VisitorLine } from "../network/visitor-line.ts";
import { newBytes } from "../tools/bytes.ts";
import type { Random } from "../tools/random.ts";
import { latin1Bytes } from "../tools/text.ts";
import type { MachineLoop } from "../world/machine-loop.ts";
import type { Process } from "../world/process.ts";
import type { Agenda, World } from "../world/world.ts";

export type ServerEdgeOptions = {
  readonly process: Process<ServerEvent, ServerEffect>;
  readonly random: Random;
  readonly limits: EdgeLimits;
  /** Addresses and blocks, as text. */
  readonly trustedProxies: readonly string[];
  /** Exchanges of all edges of the process have one count. */
  readonly nextExchange: () => ExchangeId;
  /** Whether other nodes connect to it, who are no visitors to be held against what visitors see. */
  readonly forPeers?: true;
  readonly dispatch: (event: ServerEvent) => void;
  /** The handle of a socket whose handshake has come. */
  readonly newSocket: () => SocketId;
};

type Refusal = Extract<ServerEffect, { readonly type: "upgrade_refuse" }>;

/** A handshake that was handed over and is nobody's yet. */
type Handshake = { readonly connection: ConnectionId; readonly rest: Uint8Array };

export class ServerEdge {
  readonly ledger = new ConnectionLedger();
  readonly #edge: Edge;
  readonly #world: World;
  readonly #agenda: Agenda;
  readonly #options: ServerEdgeOptions;
  readonly #loop: MachineLoop<EdgeEvent, EdgeEffect>;
  readonly #lines = new Map<ConnectionId, VisitorLine>();
  readonly #peers = new Map<ConnectionId, string>();
  readonly #handshakes = new Map<SocketId, Handshake>();
  readonly #socketOf = new Map<ConnectionId, SocketId>();
  #accepted = 0;

  constructor(world: World, options: ServerEdgeOptions) {
    const { process, limits } = options;
    const trustedProxies = options.trustedProxies.map(parseIpBlock).filter((block) => block !== null);
    const { nextExchange, forPeers } = options;
    const edge = createEdge({
      limits,
      trustedProxies,
      date: () => DATE,
      nextExchange,
      ...(forPeers === true ? { forPeers: { farewell: ASTRAY } } : {}),
    });
    const name = forPeers === true ? `${process.name}:peer-edge` : `${process.name}:edge`;
    this.#edge = edge;
    this.#world = world;
    this.#agenda = world.agenda(name);
    this.#options = options;
    this.#loop = process.drive<EdgeEvent, EdgeEffect>({
      name,
      machine: {
        step: (nowMs, event, out) => stepEdge(edge, nowMs, event, out),
        deadlineMs: () => edgeDeadlineMs(edge),
        check: () => checkEdge(edge),
      },
      tick: { type: "tick" },
      perform: (effect) => this.#perform(effect),
      onStep: (event, effects, count) => {
        if (forPeers === true) return;
        this.ledger.take(process.nowMs, event, effects, count);
        const { nowMs } = process;
        world.watch.edgeStep({ name: process.name, nowMs, ledger: this.ledger }, event, effects, count);
      },
      inner: BETWEEN_MACHINES,
    });
  }

  /** Whether the exchange came here, and has not ended. */
  has(exchange: ExchangeId): boolean {
    return this.#edge.turns.has(exchange);
  }

  /** How many connections there are. */
  get count(): number {
    return this.#lines.size;
  }

  /** A visitor has connected: the server's end of the line from here on. */
  accept(line: VisitorLine, peer: string): ServerSide {
    const connection = ++this.#accepted as ConnectionId;
    const dispatch = (event: EdgeEvent) => this.#loop.dispatch(event);
    this.#lines.set(connection, line);
    this.#peers.set(connection, peer);
    this.#options.process.run(() => dispatch({ type: "connection_accepted", connection, peer }));
    let readBytes = 0;
    let pieces = 0;
    return {
      bytes: (bytes) => {
        readBytes += bytes.length;
        pieces++;
        dispatch({ type: "connection_bytes", connection, bytes });
      },
      flushed: (bytes) => dispatch({ type: "connection_flushed", connection, bytes }),
      ended: () => dispatch({ type: "connection_ended", connection }),
      left: (unreadBytes) => {
        const atMs = this.#world.nowUs / 1000;
        const { forPeers, process } = this.#options;
        const { name } = process;
        if (forPeers === true) return;
        this.#world.watch.visitorGone({ process: name, connection, pieces, readBytes, unreadBytes, atMs });
      },
      closed: (cause) => {
        this.#lines.delete(connection);
        this.#peers.delete(connection);
        this.#endHandshake(connection);
        dispatch({ type: "connection_closed", connection, cause });
      },
    };
  }

  obey(order: EdgeOrder): void {
    this.#loop.dispatch(order);
  }

  /** The handshake is a visitor's with a home, and its connection goes on as an exchange. */
  forward(socket: SocketId): void {
    const handshake = this.#takeHandshake(socket);
    if (handshake === null) return;
    const { connection, rest } = handshake;
    this.#lines.get(connection)?.pause(false);
    this.#loop.dispatch({ type: "connection_returned", connection });
    if (rest.length > 0) this.#loop.dispatch({ type: "connection_bytes", connection, bytes: rest });
  }

  /** Answers a handshake as the shipped WebSocket adapter does, past the edge. */
  refuse({ socket, status, headers, body }: Refusal): void {
    const handshake = this.#takeHandshake(socket);
    if (handshake === null) return;
    this.#loop.dispatch({ type: "connection_refused", connection: handshake.connection });
    const line = this.#lines.get(handshake.connection);
    const fields = [...headers, "connection", "close", "date", DATE];
    let head = `HTTP/1.1 ${status} Refused\r\n`;
    for (let index = 0; index + 1 < fields.length; index += 2)
      head += `${fields[index]}: ${fields[index + 1]}\r\n`;
    line?.write(latin1Bytes(`${head}\r\n`));
    line?.write(body);
    line?.end();
    line?.pause(false);
    this.#agenda.after(LINGER_US, () => this.#lines.get(handshake.connection)?.close());
    this.#options.dispatch({ type: "socket_closed", socket, code: 1006, reason: "" });
  }

  /** The process has died, or with its power the whole machine. */
  end(losesPower: boolean): void {
    for (const line of this.#lines.values()) {
      if (losesPower) line.vanish();
      else line.abandon();
    }
  }

  #perform(effect: EdgeEffect): void {
    switch (effect.type) {
      case "exchange_opened":
        return this.#tell({ ...effect, nonce: this.#options.random.bytes(NONCE_BYTES) });
      case "exchange_body":
      case "exchange_body_ended":
      case "exchange_flushed":
      case "exchange_closed":
      case "visitors_gone":
        return this.#tell(effect);
      case "connection_fault":
        return this.#world.sometimes("a request cannot be read");
      case "connection_write": {
        const bytes = bytesOf(effect.parts);
        if (effect.lastUse) spoil(effect.parts);
        return this.#lines.get(effect.connection)?.write(bytes);
      }
      case "connection_end":
        return this.#lines.get(effect.connection)?.end();
      case "connection_pause":
        return this.#lines.get(effect.connection)?.pause(effect.paused);
      case "connection_probe":
        return this.#lines.get(effect.connection)?.probe();
      case "connection_close":
        return this.#lines.get(effect.connection)?.close();
      case "connection_reset":
        return this.#lines.get(effect.connection)?.reset();
      case "connection_hand_over":
        return this.#takeOver(effect);
    }
  }

  #tell(fact: EdgeFact): void {
    this.#options.dispatch(fact);
  }

  #takeOver({
    connection,
    target,
    headers,
    rest,
  }: Extract<EdgeEffect, { readonly type: "connection_hand_over" }>): void {
    this.#lines.get(connection)?.pause(true, true);
    const socket = this.#options.newSocket();
    this.#handshakes.set(socket, { connection, rest });
    this.#socketOf.set(connection, socket);
    const peer = this.#peers.get(connection) ?? "";
    this.#options.dispatch({ type: "upgrade_requested", socket, target, headers, peer });
  }

  #takeHandshake(socket: SocketId): Handshake | null {
    const handshake = this.#handshakes.get(socket);
    if (handshake === undefined) return null;
    this.#handshakes.delete(socket);
    this.#socketOf.delete(handshake.connection);
    return handshake;
  }

  #endHandshake(connection: ConnectionId): void {
    const socket = this.#socketOf.get(connection);
    if (socket === undefined) return;
    this.#takeHandshake(socket);
    this.#options.dispatch({ type: "socket_closed", socket, code: 1006, reason: "" });
  }
}

/** As long as the shipped adapter lets who was refused read why. */
const LINGER_US = 5_000_000;

const DATE = "Thu, 01 Jan 1970 00:00:00 GMT";

/** What the edge tells the server, and what it is ordered. */
const BETWEEN_MACHINES: ReadonlySet<EdgeFact["type"] | EdgeOrder["type"]> = new Set([
  "exchange_opened",
  "exchange_body",
  "exchange_body_ended",
  "exchange_flushed",
  "exchange_closed",
  "exchange_read",
  "exchange_pause",
  "respond",
  "respond_interim",
  "respond_upgrade",
  "respond_head",
  "respond_body",
  "respond_end",
  "respond_cut",
  "visitors_gone",
  "responses_close",
  "listener_close",
] as const);

/** The shipped adapter frees their memory: whoever still needed any of it would pass these on instead, and be seen. */
function spoil(parts: readonly (string | Uint8Array)[]): void {
  for (const part of parts) if (typeof part !== "string") part.fill(0xdd);
}

/** As they go on the line, in memory of their own. */
function bytesOf(parts: readonly (string | Uint8Array)[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = newBytes(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part !== "string") bytes.set(part, at);
    else for (let index = 0; index < part.length; index++) bytes[at + index] = part.charCodeAt(index);
    at += part.length;
  }
  return bytes;
}
