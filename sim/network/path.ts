/**
 * The network between one place and the server: how long it takes, how much it carries, and what is wrong with it now.
 *
 * A path outlives the connections that are made over it, so a fault on it also meets the connection that replaces the
 * one it broke. Conditions are counted, not switched: two faults may hold the same lane, and the later release frees it.
 */
import type { PathSettings } from "../scenario/scenario.ts";
import type { SocketFrame } from "../wire/frame.ts";
import type { Agenda, World } from "../world/world.ts";

/** Replaces a frame by any number of others; null leaves it as it is. */
export type FrameFilter = (frame: SocketFrame, link: FilteredLink) => readonly SocketFrame[] | null;

/** What a filter may do with the connection that it filters. */
export type FilteredLink = {
  /** Tells one connection of a path from the next. */
  readonly number: number;
  /** Puts a further frame into the client's queue, past all filters. */
  readonly inject: (frame: SocketFrame) => void;
};

/** The head of a WebSocket's handshake. */
export type HandshakeHead = { readonly target: string; readonly headers: readonly string[] };

/** Answers every request to the server with this. */
export type Portal = { readonly status: number; readonly body: string };

/** Whatever can be cut: a connection of any kind over the path. */
export type Connection = {
  /** Both ends lose it; each after its own time, and what is under way is lost. */
  readonly cut: (afterUs: { readonly near: number; readonly far: number }) => void;
  /** Nothing arrives any more in that direction, and nobody is told. */
  readonly lose: (direction: Direction) => void;
  /** The near end loses it and the far end does not hear of that for a while: what is under way arrives. */
  readonly leaveBehind?: (farUs: number) => void;
  /** A middlebox ends it with a close frame; only where its kind has one. */
  readonly hangUp?: (code: number) => void;
};

/** `up` leads to the server. */
export type Direction = "up" | "down";

export class Lane {
  /** Added to the latency. */
  extraUs = 0;
  readonly filters = new Set<FrameFilter>();
  readonly #agenda: Agenda;
  #holds = 0;
  #waiting: (() => void)[] = [];

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  get held(): boolean {
    return this.#holds > 0;
  }

  /** Nothing arrives until `release`; then everything does, in one burst. */
  hold(): void {
    this.#holds++;
  }

  release(): void {
    this.#holds--;
    if (this.#holds > 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const task of waiting) this.#agenda.after(0, task);
  }

  /** Runs the arrival now, or when the lane is free again. */
  arrive(task: () => void): void {
    if (this.held) this.#waiting.push(task);
    else task();
  }
}

export class Path {
  readonly name: string;
  readonly settings: PathSettings;
  readonly up: Lane;
  readonly down: Lane;
  /** New connections are refused while above 0. */
  refusals = 0;
  /** New connections get no answer while above 0. */
  silences = 0;
  /** What becomes of the handshakes of WebSockets on their way. */
  readonly rewriters = new Set<(head: HandshakeHead) => HandshakeHead>();
  /** Somebody who answers in the server's place, the first of them, and whom to tell that he did. */
  readonly portals = new Map<Portal, () => void>();
  /** Thousandths of the settings' bandwidth that each of these leaves; the least counts. */
  readonly slowdowns = new Set<{ readonly permille: number }>();
  readonly connections = new Set<Connection>();
  /** Connections made over it so far. */
  made = 0;

  constructor(world: World, name: string, settings: PathSettings) {
    this.name = name;
    this.settings = settings;
    this.up = new Lane(world.agenda(`up:${name}`));
    this.down = new Lane(world.agenda(`down:${name}`));
  }

  lane(direction: Direction): Lane {
    return direction === "up" ? this.up : this.down;
  }

  /** How long `size` bytes keep the line busy. */
  transferUs(size: number): number {
    let permille = 1000;
    // Most paths have none, and to go through nothing costs as well.
    if (this.slowdowns.size > 0)
      for (const slowdown of this.slowdowns) permille = Math.min(permille, slowdown.permille);
    const bytesPerMs = Math.max(1, Math.floor((this.settings.bytesPerMs * permille) / 1000));
    return Math.ceil((size * 1000) / bytesPerMs);
  }

  /** What a portal answers to a request that goes out now; null where there is none. */
  portal(): Portal | null {
    for (const [portal, fired] of this.portals) {
      fired();
      return portal;
    }
    return null;
  }

  cutAll(near: number, far: number): number {
    const connections = [...this.connections];
    for (const connection of connections) connection.cut({ near, far });
    return connections.length;
  }
}
