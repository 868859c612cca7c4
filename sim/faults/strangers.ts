/** Strangers who come in numbers, from few addresses or from many, and want to keep others out. */
import { STRANGE_WAYS, Stranger, type StrangeWay } from "../actors/stranger.ts";
import { Path } from "../network/path.ts";
import type { FaultContext, FaultKind } from "./fault.ts";

const COUNT_MAX = 24;

export const strangerFaults: readonly FaultKind[] = STRANGE_WAYS.map((way) => ({
  name: `strangers_${way}`,
  target: "nobody",
  lastsMs: [1_000, 15_000],
  draw: (random) => {
    const count = random.skewed(4, COUNT_MAX);
    return {
      count,
      addresses: random.pick([1, 3, count]),
      node: random.below(4),
      home: random.below(8),
      // What fits on the way to who reads nothing.
      windowBytes: random.skewed(512, 16 * 1024),
    };
  },
  begin: (context) => {
    const strangers = Array.from({ length: context.parameter("count") }, (_, index) =>
      strangerOf(context, way, index),
    );
    context.fired();
    return () => {
      for (const stranger of strangers) stranger.stop();
    };
  },
}));

function strangerOf(context: FaultContext, way: StrangeWay, index: number): Stranger {
  const { world, scene, fault } = context;
  const name = `stranger:${fault.id}:${index}`;
  const { scenario, nodes } = scene;
  const { clientId } = scene.site(context.parameter("home") % scenario.homes.length).spec;
  const settings = { ...scenario.visitorPath, windowBytes: Math.max(1, context.parameter("windowBytes")) };
  const path = new Path(world, name, settings);
  const node = () => scene.node(context.parameter("node") % nodes.length);
  // No visitor has such an address.
  const address = fault.id * COUNT_MAX + (index % Math.max(1, context.parameter("addresses")));
  const peer = `198.18.${(address >> 8) & 255}.${address & 255}`;
  return new Stranger({ world, path, node }, { name, way, peer, clientId });
}
