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
import { PeerEnd, type PeerListener } from "../network/peer-line.ts";
import type { PathSettings } from "../scenario/scenario.ts";
import type { MachineLoop } from "../world/machine-loop.ts";
import type { Process } from "../world/process.ts";
import type { World } from "../world/world.ts";
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
    const origins = createOrigins({ limits: peerClientLimits(limits), basePaths: [], toPeers: true });
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
      find: () => listenerOf(this.#network.find(url)),
      dispatch: (event) => {
        if (event.type === "connection_closed") this.#lines.delete(connection);
        this.#loop.dispatch(event);
      },
      connection,
    });
    this.#lines.set(connection, end);
  }
}

function listenerOf(found: Reachable | null): PeerListener | null {
  const { process, listening, peerEdge } = found ?? NOBODY;
  if (process === null || peerEdge === null || !listening) return null;
  return { process, accept: (line) => peerEdge.accept(line, ADDRESS) };
}

const NOBODY = { process: null, listening: false, peerEdge: null };
