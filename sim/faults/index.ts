/** Every kind of fault there is, by name. */
import type { Scene } from "../actors/scene.ts";
import type { Fault } from "../scenario/scenario.ts";
import { agentFaults } from "./agent.ts";
import { FaultContext, type FaultKind } from "./fault.ts";
import { frameFaults } from "./frames.ts";
import { handshakeFaults } from "./handshake.ts";
import { lanFaults } from "./lan.ts";
import { nativeFaults } from "./native.ts";
import { nativeNonsense } from "./native-nonsense.ts";
import { nativeReturnFaults } from "./native-return.ts";
import { networkFaults } from "./network.ts";
import { peerFaults } from "./peers.ts";
import { processFaults } from "./process.ts";
import { registryFaults } from "./registry.ts";
import { restartFaults } from "./restarts.ts";
import { revocationFaults } from "./revocation.ts";
import { serverFaults } from "./server.ts";
import { settingsFaults } from "./settings.ts";
import { strangerFaults } from "./strangers.ts";
import { thiefFaults } from "./thieves.ts";
import { timeFaults } from "./time.ts";
import { visitorFaults } from "./visitor.ts";

export type { FaultKind } from "./fault.ts";

export const faultKinds: readonly FaultKind[] = [
  ...networkFaults,
  ...handshakeFaults,
  ...frameFaults,
  ...agentFaults,
  ...nativeFaults,
  ...nativeNonsense,
  ...nativeReturnFaults,
  ...serverFaults,
  ...visitorFaults,
  ...strangerFaults,
  ...registryFaults,
  ...revocationFaults,
  ...thiefFaults,
  ...timeFaults,
  ...processFaults,
  ...peerFaults,
  ...restartFaults,
  ...settingsFaults,
  ...lanFaults,
];

const byName = new Map(faultKinds.map((kind) => [kind.name, kind]));

/** The faults of a scenario at work: each begins and ends at its time, or at the healing. */
export class Faults {
  readonly #scene: Scene;
  readonly #active = new Map<Fault, () => void>();
  #healed = false;

  constructor(scene: Scene) {
    this.#scene = scene;
    for (const fault of scene.scenario.faults) {
      scene.world.agenda(`begin:${fault.id}`).at(fault.fromMs * 1000, () => this.#begin(fault));
    }
  }

  /** Ends the faults that hit the chosen core; the others act for good. */
  heal(isCore: (fault: Fault) => boolean): void {
    this.#healed = true;
    for (const fault of [...this.#active.keys()]) if (isCore(fault)) this.#end(fault);
  }

  #begin(fault: Fault): void {
    if (this.#healed) return;
    const kind = byName.get(fault.kind);
    if (kind === undefined) throw new RangeError(`there is no fault ${fault.kind}`);
    const context = new FaultContext(this.#scene, fault);
    // A scenario may have been changed since it was drawn.
    if (kind.suits?.(context.site.spec) === false) return;
    this.#active.set(fault, kind.begin(context));
    context.agenda.at(fault.toMs * 1000, () => this.#end(fault));
  }

  #end(fault: Fault): void {
    const end = this.#active.get(fault);
    if (end === undefined) return;
    this.#active.delete(fault);
    end();
  }
}

/** What the target of a fault of that name counts. */
export function targetOf(kind: string): FaultKind["target"] {
  return byName.get(kind)?.target ?? "world";
}
