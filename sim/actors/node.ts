/** A node: one server process after another under one address, two of them at a time while one replaces the other. */
import type { Random } from "../tools/random.ts";
import type { World } from "../world/world.ts";
import type { FakeRegistry } from "./registry.ts";
import { ServerProcess, type ServerSettings } from "./server-process.ts";

export class Node {
  readonly name: string;
  /** The newest; null where that is gone, although one that it replaced may still be leaving. */
  server: ServerProcess | null = null;
  /** All that there ever were, by name. */
  readonly processes = new Map<string, ServerProcess>();
  readonly #world: World;
  readonly #registry: FakeRegistry;
  readonly #settings: ServerSettings;
  readonly #random: Random;
  /** All that run, the newest last. */
  readonly #servers = new Set<ServerProcess>();
  #boots = 0;

  constructor(world: World, registry: FakeRegistry, name: string, settings: ServerSettings) {
    this.#world = world;
    this.#registry = registry;
    this.#settings = settings;
    this.#random = world.random(`listeners:${name}`);
    this.name = name;
    this.boot();
  }

  get servers(): readonly ServerProcess[] {
    return [...this.#servers];
  }

  /** Starts a server process, if none runs. */
  boot(): void {
    if (this.server === null) this.#start();
  }

  /** Starts a further process beside the one that runs, with a listener of its own on the same address. */
  bootNext(): void {
    this.#start();
  }

  /** Whose listener the kernel gives a connection to; null where nobody listens. `kept`: also one that listens no more. */
  listener(kept: boolean): ServerProcess | null {
    const takers = this.servers.filter(({ listening }) => listening || kept);
    return takers.length > 1 ? this.#random.pick(takers) : (takers[0] ?? null);
  }

  #start(): void {
    const name = this.#boots === 0 ? this.name : `${this.name}.${this.#boots}`;
    this.#boots++;
    const server = new ServerProcess(this.#world, this.#registry, name, this.#settings, () => {
      this.#servers.delete(server);
      if (this.server === server) this.server = null;
    });
    this.#servers.add(server);
    this.server = server;
    this.processes.set(name, server);
    server.start();
  }
}
