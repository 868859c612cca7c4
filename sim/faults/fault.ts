/**
 * What a kind of fault is. It hits one target, acts from one time to another, and what it needs to know was drawn when
 * the scenario was made, so that a scenario says all about it.
 */
import type { Scene, Site } from "../actors/scene.ts";
import type { Fault, FaultTarget, HomeSpec } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";
import type { Agenda, World } from "../world/world.ts";

export type FaultKind = {
  readonly name: string;
  readonly target: FaultTarget;
  /** The homes that it can hit; any where left out. */
  readonly suits?: (home: HomeSpec) => boolean;
  /** It meets a visit only while that sends its request body. */
  readonly ofUploads?: true;
  /** How long it acts, in milliseconds; null for what happens in an instant. */
  readonly lastsMs: readonly [shortest: number, longest: number] | null;
  /** Draws its parameters: whole numbers by name. */
  readonly draw: (random: Random) => Readonly<Record<string, number>>;
  /** Begins to act, and returns what ends it. */
  readonly begin: (context: FaultContext) => () => void;
};

export class FaultContext {
  readonly scene: Scene;
  readonly fault: Fault;
  /** Its own stream, for what is drawn while it acts. */
  readonly random: Random;
  readonly agenda: Agenda;

  constructor(scene: Scene, fault: Fault) {
    this.scene = scene;
    this.fault = fault;
    this.random = scene.world.random(`fault:${fault.id}`);
    this.agenda = scene.world.agenda(`fault:${fault.id}`);
  }

  get world(): World {
    return this.scene.world;
  }

  /** The home that it hits. */
  get site(): Site {
    return this.scene.site(this.fault.target);
  }

  /** A drawn parameter; a scenario written by hand may leave it out. */
  parameter(name: string): number {
    return this.fault.parameters[name] ?? 0;
  }

  /** Counts that it really did something. */
  fired(): void {
    this.world.faultFired(this.fault.kind);
  }
}

/** For what happens in an instant, and ends by itself. */
export function nothing(): void {}

export function noParameters(): Readonly<Record<string, number>> {
  return {};
}
