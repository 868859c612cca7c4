/**
 * A TCP connection of an agent to a home's service, as two kernels and the agent's adapter carry it: bytes both ways, cut
 * anywhere, each way ended by itself, and resets, which are told apart from an end.
 */
import type { ConnectionFault } from "../../core/http1/events.ts";
import type { Random } from "../tools/random.ts";
import { attentive, type Host } from "../world/host.ts";
import type { Agenda, World } from "../world/world.ts";
import type { Connection, Direction, Path } from "./path.ts";
import { Pipe } from "./pipe.ts";
import { FIN, joined, RESET, type Segment, segmentsOf } from "./segments.ts";

/** What the agent's end tells of it. */
export type AgentEnd = {
  readonly opened: () => void;
  readonly bytes: (bytes: Uint8Array) => void;
  readonly flushed: (bytes: number) => void;
  /** The home has ended its side. */
  readonly ended: () => void;
  /** Last, and once, after an own close as well. */
  readonly closed: (cause: ConnectionFault | null) => void;
};

/** What the home's end tells of it. */
export type HomeEnd = {
  readonly bytes: (bytes: Uint8Array) => void;
  /** The agent has ended its side. */
  readonly ended: () => void;
  /** Nothing can be said or heard any more. */
  readonly closed: () => void;
  /** Something that was sent has left; nothing can take it back. */
  readonly left: () => void;
  /** All of it has. */
  readonly drained: () => void;
};

type Unasked = { readonly from: number; readonly heardBytes: number };

/** Of what waited unread, the rest is read so long after the first of it, or sooner. */
const READ_ON_US = 4_000;
const WRITTEN_US_MAX = 250_000;
/** A kernel gives up a peer that is gone after this long. */
const KEEP_ALIVE_US = 15_000_000;

export class HomeLine implements Connection {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #path: Path;
  readonly #host: Host;
  readonly #agent: AgentEnd;
  readonly #up: Pipe<Segment>;
  readonly #down: Pipe<Segment>;
  /** Null before it is connected, and when it never will be. */
  #home: HomeEnd | null = null;
  #waiting: Segment[] = [];
  /** What is written does not leave yet. */
  #delayed = false;
  /** Each end: it has said its last byte, and it takes nothing any more. */
  #agentEnded = false;
  #agentGone = false;
  #homeEnded = false;
  #homeGone = false;
  /** The agent's end has heard the last of the home's. */
  #heardAll = false;
  #pausedByAgent = false;
  /** What was left unread is not all read again. */
  #readsOn = false;
  /** Bytes of the agent that have left it, and that have reached the home. */
  #leftBytes = 0;
  #heardBytes = 0;

  constructor(options: {
    readonly world: World;
    /** Of its streams; unique in a run. */
    readonly name: string;
    readonly path: Path;
    readonly agent: AgentEnd;
    /** The agent's process, which may be stalled. */
    readonly host: Host;
    /** Null where the home refuses it. */
    readonly accept: (line: HomeLine) => HomeEnd | null;
  }) {
    const { world, name, path, host } = options;
    const random = world.random(name);
    const agenda = world.agenda(name);
    const shared = { world, agenda, path, random, order: "fifo", unrecorded: true } as const;
    this.#agenda = agenda;
    this.#random = random;
    this.#path = path;
    this.#host = host;
    this.#agent = options.agent;
    this.#up = new Pipe<Segment>({
      ...shared,
      direction: "up",
      server: attentive,
      reader: attentive,
      sent: (segment) => this.#onLeft(segment),
      arrived: (segment) => this.#onUp(segment),
    });
    this.#down = new Pipe<Segment>({
      ...shared,
      direction: "down",
      server: attentive,
      reader: host,
      sent: (segment) => this.#onSent(segment),
      arrived: (segment) => this.#onDown(segment),
      takes: ({ unaskedAt }) => unaskedAt === null || this.#leftBytes <= unaskedAt,
    });
    path.connections.add(this);
    path.made++;
    if (path.silences > 0) return;
    agenda.after(this.#tripUs("up"), () => path.up.arrive(() => this.#connect(options.accept)));
  }

  // The agent's end.

  /** In one go; text is Latin-1. */
  write(parts: readonly (string | Uint8Array)[]): void {
    // Now and then the kernel takes it later, with all that is written meanwhile: what came meanwhile came before it.
    if (!this.#delayed && this.#random.chance(1, 8)) {
      this.#delayed = true;
      this.#agenda.after(this.#random.below(WRITTEN_US_MAX), () => {
        this.#delayed = false;
        this.#release();
      });
    }
    for (const segment of segmentsOf(joined(parts), this.#random)) this.#toHome(segment);
  }

  endAgent(): void {
    this.#agentEnded = true;
    this.#toHome(FIN);
    this.#closeEnded();
  }

  pauseAgent(paused: boolean): void {
    this.#pausedByAgent = paused;
    this.#readsOn = !paused && this.#down.waits;
    this.#down.pause(paused);
  }

  /** Destroys it, whatever is still to be sent. Where what the home sent was not read, it hears a reset all the same. */
  close(how: "end" | "reset"): void {
    if (this.#agentGone) return;
    if (how === "reset" || this.#down.waits || this.#home === null) this.hangUp();
    else {
      this.#leaveAgent();
      this.#up.send(FIN);
    }
    this.#agenda.after(0, () => this.#host.run(() => this.#agent.closed(null)));
  }

  /** Its process has died, or does not want it any more. */
  hangUp(): void {
    this.#leaveAgent();
    this.#loseHome();
  }

  /** Its machine has died: the home finds out by its own keep-alive. */
  vanish(): void {
    this.#leaveAgent();
    this.#agenda.after(KEEP_ALIVE_US, () => this.#homeLost());
  }

  // The home's end.

  /**
   * From `unasked.from` on they answer nothing, since nothing was asked beyond so many bytes that were heard. Where the next
   * request is on its way when such bytes arrive, and nothing before them comes with them, nobody could tell what they
   * answer: there they are lost.
   */
  send(bytes: Uint8Array, unasked: Unasked | null = null): void {
    if (this.#homeGone || this.#homeEnded) return;
    // Nobody reads it any more, which the agent's kernel says.
    if (this.#agentGone) return this.#loseHome();
    let at = 0;
    for (const segment of segmentsOf(bytes, this.#random)) {
      const isUnasked = unasked !== null && at >= unasked.from;
      this.#down.send(isUnasked ? { ...segment, unaskedAt: unasked.heardBytes } : segment);
      at += segment.size;
    }
  }

  /** Of the agent, by the home. */
  get heardBytes(): number {
    return this.#heardBytes;
  }

  endHome(): void {
    if (this.#homeGone || this.#homeEnded) return;
    this.#homeEnded = true;
    this.#down.send(FIN);
  }

  pauseHome(paused: boolean): void {
    this.#up.pause(paused);
  }

  /** The home takes nothing more; what it has said still arrives. What comes then is answered with a reset. */
  closeHome(): void {
    this.endHome();
    this.#homeGone = true;
    this.#up.pause(false);
  }

  resetHome(): void {
    if (this.#homeGone) return;
    this.#homeGone = true;
    this.#up.pause(false);
    this.#down.dropUnsent();
    this.#down.send(RESET);
  }

  // The network's part.

  cut({ near, far }: { readonly near: number; readonly far: number }): void {
    this.#up.kill();
    this.#down.kill();
    this.#path.connections.delete(this);
    this.#agenda.after(near, () => this.#host.run(() => this.#closeAgent("broken")));
    this.#agenda.after(far, () => this.#homeLost());
  }

  lose(direction: Direction): void {
    if (direction === "up") this.#up.lose();
    else this.#down.lose();
  }

  #tripUs(direction: Direction): number {
    return this.#path.settings.latencyUs + this.#path.lane(direction).extraUs;
  }

  #connect(accept: (line: HomeLine) => HomeEnd | null): void {
    if (this.#agentGone) return;
    const home = this.#path.refusals > 0 ? null : accept(this);
    if (home === null) this.#homeGone = true;
    this.#agenda.after(this.#tripUs("down"), () =>
      this.#path.down.arrive(() => this.#host.run(() => this.#onConnected(home))),
    );
  }

  #onConnected(home: HomeEnd | null): void {
    if (this.#agentGone) {
      home?.closed();
      return;
    }
    if (home === null) {
      this.#closeAgent("refused");
      return;
    }
    this.#home = home;
    this.#agent.opened();
    this.#release();
  }

  #release(): void {
    if (this.#home === null || this.#delayed || this.#agentGone) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const segment of waiting) this.#up.send(segment);
    this.#closeEnded();
  }

  #toHome(segment: Segment): void {
    if (this.#agentGone) return;
    if (this.#home === null || this.#delayed) this.#waiting.push(segment);
    else this.#up.send(segment);
  }

  #onLeft({ size }: Segment): void {
    if (size === 0) {
      this.#host.run(() => this.#closeEnded());
      return;
    }
    this.#leftBytes += size;
    this.#host.run(() => {
      if (!this.#agentGone) this.#agent.flushed(size);
    });
  }

  #onSent({ kind }: Segment): void {
    if (kind === "bytes") this.#home?.left();
    if (this.#down.isSent) this.#home?.drained();
  }

  #onUp({ kind, bytes }: Segment): void {
    if (this.#homeGone) {
      // Nobody is there any more to read it.
      if (kind === "bytes") this.#down.send(RESET);
      return;
    }
    this.#heardBytes += bytes.length;
    if (kind === "bytes") this.#home?.bytes(bytes);
    else this.#home?.ended();
  }

  #onDown({ kind, bytes }: Segment): void {
    if (this.#agentGone) return;
    if (kind === "bytes") {
      if (this.#readsOn) this.#readOnLater();
      this.#agent.bytes(bytes);
    } else if (kind === "fin") {
      this.#heardAll = true;
      this.#agent.ended();
      this.#closeEnded();
    } else {
      this.#closeAgent("reset");
    }
  }

  /** One turn of the loop reads so much of a socket and no more; other sockets come between. */
  #readOnLater(): void {
    this.#readsOn = false;
    this.#down.pause(true);
    this.#agenda.after(this.#random.below(READ_ON_US), () => {
      if (!this.#pausedByAgent) this.#down.pause(false);
    });
  }

  /** Where both sides have ended, and all has left, nothing more can come of it. */
  #closeEnded(): void {
    const isSent = this.#waiting.length === 0 && this.#up.isSent;
    if (this.#agentEnded && this.#heardAll && isSent) this.#closeAgent(null);
  }

  #closeAgent(cause: ConnectionFault | null): void {
    if (this.#agentGone) return;
    this.#leaveAgent();
    this.#agent.closed(cause);
  }

  #leaveAgent(): void {
    this.#agentGone = true;
    this.#path.connections.delete(this);
    this.#down.kill();
    this.#up.dropUnsent();
  }

  #loseHome(): void {
    this.#agenda.after(this.#tripUs("up"), () => this.#path.up.arrive(() => this.#homeLost()));
  }

  #homeLost(): void {
    this.#up.kill();
    if (this.#homeGone) return;
    this.#homeGone = true;
    this.#home?.closed();
  }
}
