/** Who may read answers across sites, as each server process was told last. */
import type { ServerEvent } from "../../core/events.ts";
import type { Scenario } from "../scenario/scenario.ts";

export class Readers {
  readonly #first: readonly string[] | null;
  readonly #changed = new Map<string, readonly string[] | null>();

  constructor({ corsOrigins }: Scenario) {
    this.#first = corsOrigins ?? null;
  }

  /** To be told of each event of a server's. */
  note(server: string, event: ServerEvent): void {
    if (event.type === "settings_changed") this.#changed.set(server, event.settings.corsOrigins);
  }

  isReader(server: string, origin: string): boolean {
    const changed = this.#changed.get(server);
    const origins = changed === undefined ? this.#first : changed;
    return origins === null || origins.includes(origin);
  }
}
