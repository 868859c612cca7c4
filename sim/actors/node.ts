/** A node: one server process after another under one address. */
import type { World } from "../world/world.ts";
import type { FakeRegistry } from "./registry.ts";
import { ServerProcess, type ServerSettings } from "./server-process.ts";

export class Node {
  readonly name: string;
  /** Null while no process serves the address. */
  server: ServerProcess | null = null;
  readonly #world: World;
  readonly #registry: FakeRegistry;
  readonly #settings: ServerSettings;
  #boots = 0;

  constructor(world: World, registry: FakeRegistry, name: string, settings: ServerSettings) {
    this.#world = world;
    this.#registry = registry;
    this.#settings = settings;
    this.name = name;
    this.boot();
  }

  /** Starts a server process, if none runs. */
  boot(): void {
    if (this.server !== null) return;
    const name = this.#boots === 0 ? this.name : `${this.name}.${this.#boots}`;
    this.#boots++;
    this.server = new ServerProcess(this.#world, this.#registry, name, this.#settings, () => {
      this.server = null;
    });
    this.server.start();
  }
}
