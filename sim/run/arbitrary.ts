/** Scenarios for fast-check: drawn as a seed draws them, and made smaller as `--shrink` does it. */
import { Arbitrary, type Random, type Stream, stream, Value } from "fast-check";
import { scenarioOf } from "../drawing/swarm.ts";
import { type FaultKind, faultKinds } from "../faults/index.ts";
import type { Scenario } from "../scenario/scenario.ts";
import { Place, smallerThan } from "./shrink.ts";

export class ScenarioArbitrary extends Arbitrary<Scenario> {
  readonly #kinds: readonly FaultKind[];

  /** `kinds` of fault are those that may act. */
  constructor(kinds: readonly FaultKind[] = faultKinds) {
    super();
    this.#kinds = kinds;
  }

  override generate(random: Random): Value<Scenario> {
    const seed = { high: random.nextInt() >>> 0, low: random.nextInt() >>> 0 };
    return new Value(scenarioOf(seed, this.#kinds), undefined);
  }

  /** Whatever comes from elsewhere stays as it is. */
  override canShrinkWithoutContext(_value: unknown): _value is Scenario {
    return false;
  }

  override shrink(scenario: Scenario, context: unknown): Stream<Value<Scenario>> {
    const place = context instanceof Place ? context : new Place();
    return stream(smallerThan(scenario, place)).map((smaller) => new Value(smaller.scenario, smaller.place));
  }
}
