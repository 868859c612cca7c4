/**
 * The part of an agent's process that speaks to its home: the real state machine of `core/origins/`, and the sockets that
 * its adapter has.
 */
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import type { ConnectionFault } from "../../core/http1/events.ts";
import type { ConnectionId } from "../../core/ids.ts";
import {
  checkOrigins,
  createOrigins,
  type OriginFact,
  type OriginOrder,
  type Origins,
  type OriginsEffect,
  type OriginsEvent,
  originsDeadlineMs,
  stepOrigins,
} from "../../core/origins/origins.ts";
import type { ClientLimits } from "../../core/origins/state.ts";
import { OriginLedger } from "../ledger/origin-connections.ts";
import { HomeLine } from "../network/home-line.ts";
import type { MachineLoop } from "../world/machine-loop.ts";
import type { Process } from "../world/process.ts";
import type { World } from "../world/world.ts";
import type { Home } from "./home/home.ts";

export type AgentOriginsOptions = {
  readonly basePaths: readonly string[];
  readonly limits: ClientLimits;
  /** Whether its agent passes on what visitors' requests say in fields. */
  readonly passesFields: boolean;
  readonly tell: (fact: OriginFact) => void;
};

/** What passes between the two machines of the process: the agent's loop writes it down. */
const INNER: ReadonlySet<string> = new Set<(OriginOrder | OriginFact)["type"]>([
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

export class AgentOrigins {
  readonly #world: World;
  readonly #process: Process<AgentEvent, AgentEffect>;
  readonly #home: Home;
  readonly #options: AgentOriginsOptions;
  readonly #loop: MachineLoop<OriginsEvent, OriginsEffect>;
  readonly #lines = new Map<ConnectionId, HomeLine>();

  constructor(
    world: World,
    process: Process<AgentEvent, AgentEffect>,
    home: Home,
    options: AgentOriginsOptions,
  ) {
    this.#world = world;
    this.#process = process;
    this.#home = home;
    this.#options = options;
    const ledger = new OriginLedger();
    const { name } = process;
    const origins: Origins = createOrigins({ limits: options.limits, basePaths: options.basePaths });
    this.#loop = process.drive<OriginsEvent, OriginsEffect>({
      name: `origins:${process.name}`,
      machine: {
        step: (nowMs, event, out) => stepOrigins(origins, nowMs, event, out),
        deadlineMs: () => originsDeadlineMs(origins),
        check: () => checkOrigins(origins),
      },
      tick: { type: "tick" },
      perform: (effect) => this.#perform(effect),
      onStep: (event, effects, count) => {
        const { nowMs } = process;
        ledger.take(nowMs, event, effects, count);
        world.watch.originsStep({ name, nowMs, ledger, limits: options.limits }, event, effects, count);
      },
      inner: INNER,
    });
  }

  order(order: OriginOrder): void {
    this.#loop.dispatch(order);
  }

  change(basePaths: readonly string[]): void {
    this.#loop.dispatch({ type: "origins_changed", basePaths });
  }

  /** Its process stops of its own accord. */
  close(): void {
    this.#loop.dispatch({ type: "origins_close" });
  }

  /** Its process has died. */
  end(losesPower: boolean): void {
    for (const line of this.#lines.values()) {
      if (losesPower) line.vanish();
      else line.hangUp();
    }
    this.#lines.clear();
  }

  #perform(effect: OriginsEffect): void {
    switch (effect.type) {
      case "connection_open":
        this.#open(effect.connection);
        break;
      case "connection_write":
        this.#lines.get(effect.connection)?.write(effect.parts);
        break;
      case "connection_end":
        this.#lines.get(effect.connection)?.endAgent();
        break;
      case "connection_pause":
        this.#lines.get(effect.connection)?.pauseAgent(effect.paused);
        break;
      case "connection_close":
        this.#lines.get(effect.connection)?.close("end");
        break;
      case "connection_reset":
        this.#lines.get(effect.connection)?.close("reset");
        break;
      default:
        this.#options.tell(effect);
    }
  }

  #open(connection: ConnectionId): void {
    const name = `home line:${this.#process.name}:${connection}`;
    const dispatch = (event: OriginsEvent) => this.#loop.dispatch(event);
    const line = new HomeLine({
      world: this.#world,
      name,
      path: this.#home.path,
      host: this.#process,
      agent: {
        opened: () => dispatch({ type: "connection_opened", connection }),
        bytes: (bytes) => dispatch({ type: "connection_bytes", connection, bytes }),
        flushed: (bytes) => dispatch({ type: "connection_flushed", connection, bytes }),
        ended: () => dispatch({ type: "connection_ended", connection }),
        closed: (cause: ConnectionFault | null) => {
          this.#lines.delete(connection);
          dispatch({ type: "connection_closed", connection, cause });
        },
      },
      accept: (accepted) =>
        this.#home.accept(accepted, {
          name: `${name}:home`,
          agent: this.#process.name,
          passesFields: this.#options.passesFields,
        }),
    });
    this.#lines.set(connection, line);
  }
}
