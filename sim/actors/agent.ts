/** Our agent as a program: one process after another, and the state file that outlives them. */
import type { World } from "../world/world.ts";
import { type AgentDisk, AgentProcess, type AgentSettings, type ChangedSettings } from "./agent-process.ts";
import type { Dialler } from "./dial.ts";
import type { Home } from "./home/home.ts";
import { NOTHING_HELD, type SessionHold } from "./session-hold.ts";

/** Any program that keeps a home's tunnel. */
export type AgentProgram = {
  /** Starts it, if it does not run. */
  readonly boot: () => void;
  readonly running: boolean;
  /** Ends it at once; with `power` the whole machine goes, and nobody is told. */
  readonly crash: (how: "process" | "power") => void;
  readonly drain: () => void;
  /** Reads its settings anew, where it can. */
  readonly change: (settings: ChangedSettings) => void;
  /** Does not run for a while; a sleeping machine's clock may stand still. */
  readonly stall: (durationUs: number, clockStops: boolean) => void;
  readonly wake: () => void;
  readonly setClockRate: (ratePermille: number) => void;
  readonly crashMidStep: (afterEffects: number) => void;
  /** What its session of the native protocol still holds. */
  readonly sessionHolds: SessionHold;
};

export class CulvertAgent implements AgentProgram {
  readonly #world: World;
  readonly #dialler: Dialler;
  readonly #home: Home;
  readonly #settings: AgentSettings;
  readonly #disk: AgentDisk;
  #run: AgentProcess | null = null;
  #boots = 0;

  constructor(world: World, dialler: Dialler, home: Home, settings: AgentSettings) {
    this.#world = world;
    this.#dialler = dialler;
    this.#home = home;
    this.#settings = settings;
    this.#disk = { clientToken: settings.clientToken };
    this.boot();
  }

  get running(): boolean {
    return this.#run !== null;
  }

  get sessionHolds(): SessionHold {
    return this.#run?.sessionHolds ?? NOTHING_HELD;
  }

  boot(): void {
    if (this.#run !== null) return;
    const { name } = this.#settings;
    this.#run = new AgentProcess(this.#world, this.#dialler, this.#home, {
      name: this.#boots === 0 ? name : `${name}.${this.#boots}`,
      settings: this.#settings,
      disk: this.#disk,
      onGone: () => {
        this.#run = null;
      },
    });
    this.#boots++;
    this.#world.trace?.started(this.#world.nowUs, this.#run.process.name, null);
    this.#run.process.dispatch({ type: "tick" });
  }

  crash(how: "process" | "power"): void {
    if (this.#run === null) return;
    this.#run.losesPower = how === "power";
    this.#run.process.kill();
  }

  drain(): void {
    this.#run?.process.dispatch({ type: "drain_requested" });
  }

  change(settings: ChangedSettings): void {
    this.#run?.change(settings);
  }

  stall(durationUs: number, clockStops: boolean): void {
    this.#run?.process.stall(durationUs, clockStops);
  }

  wake(): void {
    this.#run?.process.wake();
  }

  setClockRate(ratePermille: number): void {
    this.#run?.process.setClockRate(ratePermille);
  }

  crashMidStep(afterEffects: number): void {
    if (this.#run !== null) this.#run.process.crashAfterEffects = afterEffects;
  }
}
