/** A TCP connection of one node to another, as the node has it that asks: what the adapter of origins and two kernels make of it. */

import type { ConnectionId } from "../../core/ids.ts";
import type { OriginsEvent } from "../../core/origins/origins.ts";
import { newBytes } from "../tools/bytes.ts";
import type { Random } from "../tools/random.ts";
import type { Host } from "../world/host.ts";
import type { Agenda, World } from "../world/world.ts";
import type { Path } from "./path.ts";
import { type ServerSide, VisitorLine } from "./visitor-line.ts";

/** A process that takes connections of other nodes in. */
export type PeerListener = { readonly process: Host; readonly accept: (line: VisitorLine) => ServerSide };

const KEEP_ALIVE_US = 15_000_000;

/** A busy process takes connections in so late. */
const QUEUED_US_MAX = 100_000;

type PeerEndOptions = {
  readonly world: World;
  readonly name: string;
  readonly path: Path;
  readonly process: Host;
  readonly find: () => PeerListener | null;
  readonly dispatch: (event: Extract<OriginsEvent, { readonly connection: ConnectionId }>) => void;
  readonly connection: ConnectionId;
};

/** The end of a connection that asks: as the adapter of origins has it. */
export class PeerEnd {
  readonly #options: PeerEndOptions;
  readonly #agenda: Agenda;
  readonly #random: Random;
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
    this.#random = world.random(name);
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

  /** The other kernel completes the connection, whatever its process does meanwhile. */
  #arrive(): void {
    const { find, path, process } = this.#options;
    if (find() === null || path.refusals > 0) {
      this.#agenda.after(path.settings.latencyUs, () => this.#closed("refused"));
      return;
    }
    if (this.#over) return;
    this.#agenda.after(path.settings.latencyUs, () => process.run(() => this.#open()));
    const queuedUs = this.#random.chance(1, 4) ? this.#random.below(QUEUED_US_MAX) : 0;
    this.#agenda.after(queuedUs, () => this.#accept());
  }

  /** The other process takes it out of the queue of its listener, which is reset with the listener. */
  #accept(): void {
    const { find, path, world, name } = this.#options;
    const peer = find();
    if (peer === null) {
      this.#agenda.after(path.settings.latencyUs, () => this.#closed("reset"));
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
      accept: peer.accept,
    });
    if (this.#opened) this.#sendWaiting(this.#line);
  }

  #open(): void {
    if (this.#over) return;
    this.#opened = true;
    this.#options.dispatch({ type: "connection_opened", ...this.#own });
    if (this.#line !== null) this.#sendWaiting(this.#line);
  }

  #sendWaiting(line: VisitorLine): void {
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
