/**
 * What a server process has for other nodes, as the shipped adapter does it: the real machine of `core/origins/` for what it asks
 * them, and the connections that both kernels carry. What they ask it comes by a second edge.
 */

import type { OriginEffect, ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { ConnectionId } from "../../core/ids.ts";
import type { ServerLimits } from "../../core/limits.ts";
import {
  checkOrigins,
  createOrigins,
  type OriginsEffect,
  type OriginsEvent,
  originsDeadlineMs,
  stepOrigins,
} from "../../core/origins/origins.ts";
import { peerClientLimits } from "../../core/server/peer/limits.ts";
import { Path } from "../network/path.ts";
import { VisitorLine } from "../network/visitor-line.ts";
import type { PathSettings } from "../scenario/scenario.ts";
import { newBytes } from "../tools/bytes.ts";
import type { MachineLoop } from "../world/machine-loop.ts";
import type { Process } from "../world/process.ts";
import type { Agenda, World } from "../world/world.ts";
import type { ServerEdge } from "./server-edge.ts";

/** A process that other nodes reach by its URL. */
export type Reachable = {
  readonly process: Process<ServerEvent, ServerEffect>;
  readonly listening: boolean;
  readonly peerEdge: ServerEdge | null;
};

/** How the nodes of a run reach each other. */
export type PeerNetwork = {
  readonly secrets: readonly string[];
  /** From one process, or to it. */
  readonly pathOf: (process: string) => Path;
  readonly find: (url: string) => Reachable | null;
};

/** Each process has a name of its own, and what it asks others goes over a path of its own. */
export function createPeerNetwork(
  world: World,
  settings: PathSettings,
  {
    paths,
    processes,
  }: {
    readonly paths: Map<string, Path>;
    /** All that there ever were, by name. */
    readonly processes: () => readonly ReadonlyMap<string, Reachable>[];
  },
): PeerNetwork {
  return {
    secrets: ["cluster secret"],
    pathOf: (name) => {
      const path = paths.get(name) ?? new Path(world, `peers:${name}`, settings);
      paths.set(name, path);
      return path;
    },
    find: (url) => {
      const name = url.replace("http://", "");
      const found = processes()
        .find((ofNode) => ofNode.has(name))
        ?.get(name);
      return found?.process.alive === true ? found : null;
    },
  };
}

type PeerOrder = OriginEffect | Extract<ServerEffect, { readonly type: "origin_set" }>;

const INNER: ReadonlySet<string> = new Set<string>([
  "origin_request",
  "origin_send",
  "origin_send_end",
  "origin_pause",
  "origin_abort",
  "origin_interim",
  "origin_flushed",
  "origin_head",
  "origin_body",
  "origin_ended",
  "origin_failed",
]);

/** Where all nodes come from, for each other. */
const ADDRESS = "10.0.0.1";

const KEEP_ALIVE_US = 15_000_000;

export class ServerPeers {
  readonly #world: World;
  readonly #process: Process<ServerEvent, ServerEffect>;
  readonly #network: PeerNetwork;
  readonly #loop: MachineLoop<OriginsEvent, OriginsEffect>;
  readonly #tell: (event: ServerEvent) => void;
  /** By the number that the machine of the origins has for them. */
  readonly #urls: string[] = [];
  readonly #lines = new Map<ConnectionId, PeerEnd>();

  constructor(
    world: World,
    process: Process<ServerEvent, ServerEffect>,
    network: PeerNetwork,
    limits: ServerLimits,
    tell: (event: ServerEvent) => void,
  ) {
    this.#world = world;
    this.#process = process;
    this.#network = network;
    this.#tell = tell;
    const origins = createOrigins({ limits: peerClientLimits(limits), basePaths: [], repeats: false });
    this.#loop = process.drive<OriginsEvent, OriginsEffect>({
      name: `${process.name}:peers`,
      machine: {
        step: (nowMs, event, out) => stepOrigins(origins, nowMs, event, out),
        deadlineMs: () => originsDeadlineMs(origins),
        check: () => checkOrigins(origins),
      },
      tick: { type: "tick" },
      perform: (effect) => this.#perform(effect),
      onStep: () => {},
      inner: INNER,
    });
  }

  /** How many connections there are. */
  get count(): number {
    return this.#lines.size;
  }

  order(order: PeerOrder): void {
    switch (order.type) {
      case "origin_set":
        this.#urls.push(order.url);
        this.#loop.dispatch({ type: "origin_changed", origin: order.origin, basePath: "" });
        return;
      case "origin_release":
        return;
      default:
        this.#loop.dispatch(order);
    }
  }

  /** Its process has died. */
  end(losesPower: boolean): void {
    for (const line of this.#lines.values()) line.die(losesPower);
    this.#lines.clear();
  }

  #perform(effect: OriginsEffect): void {
    switch (effect.type) {
      case "connection_open":
        return this.#open(effect.connection, this.#urls[effect.origin] ?? "");
      case "connection_write":
        return this.#lines.get(effect.connection)?.write(effect.parts);
      case "connection_end":
        return this.#lines.get(effect.connection)?.sayEnd();
      case "connection_pause":
        return this.#lines.get(effect.connection)?.pause(effect.paused);
      case "connection_close":
        return this.#lines.get(effect.connection)?.close(false);
      case "connection_reset":
        return this.#lines.get(effect.connection)?.close(true);
      default:
        this.#tell(effect);
    }
  }

  #open(connection: ConnectionId, url: string): void {
    const name = `peer line:${this.#process.name}:${connection}`;
    const end = new PeerEnd({
      world: this.#world,
      name,
      path: this.#network.pathOf(this.#process.name),
      process: this.#process,
      find: () => this.#network.find(url),
      dispatch: (event) => {
        if (event.type === "connection_closed") this.#lines.delete(connection);
        this.#loop.dispatch(event);
      },
      connection,
    });
    this.#lines.set(connection, end);
  }
}

type PeerEndOptions = {
  readonly world: World;
  readonly name: string;
  readonly path: Path;
  readonly process: Process<ServerEvent, ServerEffect>;
  readonly find: () => Reachable | null;
  readonly dispatch: (event: Extract<OriginsEvent, { readonly connection: ConnectionId }>) => void;
  readonly connection: ConnectionId;
};

/** The end of a connection that asks: as the adapter of origins has it. */
class PeerEnd {
  readonly #options: PeerEndOptions;
  readonly #agenda: Agenda;
  #line: VisitorLine | null = null;
  /** Its process knows that it is connected; until then nothing leaves it. */
  #opened = false;
  #waiting: Uint8Array[] = [];
  #ended = false;
  #heardAll = false;
  #over = false;

  constructor(options: PeerEndOptions) {
    this.#options = options;
    const { world, name, path } = options;
    this.#agenda = world.agenda(name);
    path.made++;
    if (path.silences > 0) return;
    this.#agenda.after(path.settings.latencyUs + path.up.extraUs, () => path.up.arrive(() => this.#arrive()));
  }

  write(parts: readonly (string | Uint8Array)[]): void {
    for (const bytes of parts.map(bytesOf)) {
      if (this.#line === null || !this.#opened) this.#waiting.push(bytes);
      else this.#send(this.#line, bytes);
    }
  }

  sayEnd(): void {
    this.#ended = true;
    if (this.#opened) this.#line?.sayEnd();
    this.#closeIfOver();
  }

  pause(paused: boolean): void {
    this.#line?.pauseReading(paused);
  }

  close(resets: boolean): void {
    if (this.#over) return;
    this.#over = true;
    if (resets) this.#line?.abort();
    else this.#line?.leave();
    this.#agenda.after(0, () => this.#tell({ type: "connection_closed", ...this.#own, cause: null }));
  }

  die(losesPower: boolean): void {
    this.#over = true;
    const line = this.#line;
    if (line === null) return;
    if (!losesPower) return line.abort();
    // The other node's kernel finds out by its own keep-alive.
    line.lose("up");
    this.#agenda.after(KEEP_ALIVE_US, () => line.abort());
  }

  get #own(): { readonly connection: ConnectionId } {
    return { connection: this.#options.connection };
  }

  #arrive(): void {
    const { find, path, world, name, process } = this.#options;
    const peer = find();
    const edge = peer?.listening === true && path.refusals === 0 ? peer.peerEdge : null;
    if (peer === null || edge === null) {
      this.#agenda.after(path.settings.latencyUs, () => this.#closed("refused"));
      return;
    }
    if (this.#over) return;
    this.#line = new VisitorLine({
      world,
      path,
      name: `${name}:line`,
      host: peer.process,
      visitor: {
        bytes: (bytes) => this.#tell({ type: "connection_bytes", ...this.#own, bytes }),
        ended: (how) => this.#onEnded(how),
      },
      accept: (line) => edge.accept(line, ADDRESS),
    });
    const line = this.#line;
    this.#agenda.after(path.settings.latencyUs, () => process.run(() => this.#open(line)));
  }

  #open(line: VisitorLine): void {
    if (this.#over) return;
    this.#opened = true;
    this.#options.dispatch({ type: "connection_opened", ...this.#own });
    for (const bytes of this.#waiting.splice(0)) this.#send(line, bytes);
    if (this.#ended) line.sayEnd();
  }

  /** The kernel has it at once: how much of it the other side takes is seen by what its own buffers take. */
  #send(line: VisitorLine, bytes: Uint8Array): void {
    line.send(bytes, () => this.#tell({ type: "connection_flushed", ...this.#own, bytes: bytes.length }));
  }

  #onEnded(how: "in_order" | "reset"): void {
    if (how === "reset") return this.#closed("reset");
    this.#heardAll = true;
    this.#tell({ type: "connection_ended", ...this.#own });
    this.#closeIfOver();
  }

  #closeIfOver(): void {
    if (this.#ended && this.#heardAll) this.#closed(null);
  }

  #closed(cause: "refused" | "reset" | null): void {
    if (this.#over) return;
    this.#options.process.run(() => {
      if (this.#over) return;
      this.#over = true;
      this.#options.dispatch({ type: "connection_closed", ...this.#own, cause });
    });
  }

  #tell(event: Extract<OriginsEvent, { readonly connection: ConnectionId }>): void {
    this.#options.process.run(() => {
      if (!this.#over || event.type === "connection_closed") this.#options.dispatch(event);
    });
  }
}

/** As they go on the line, in memory of their own. Text is Latin-1. */
function bytesOf(part: string | Uint8Array): Uint8Array {
  const bytes = newBytes(part.length);
  if (typeof part === "string")
    for (let index = 0; index < part.length; index++) bytes[index] = part.charCodeAt(index);
  else bytes.set(part);
  return bytes;
}
