/** What networks do to connections: end them, lose them, hold them, slow them down, refuse them. */
import type { Direction } from "../network/path.ts";
import type { Random } from "../tools/random.ts";
import { type FaultContext, type FaultKind, noParameters, nothing } from "./fault.ts";

export const networkFaults: readonly FaultKind[] = [
  {
    name: "link_closed",
    target: "home",
    lastsMs: null,
    draw: (random) => ({ code: random.pick([1000, 1001, 1005, 1011, 1012]) }),
    begin: (context) => {
      for (const connection of [...context.site.path.connections]) {
        if (connection.hangUp === undefined) continue;
        connection.hangUp(context.parameter("code"));
        context.fired();
      }
      return nothing;
    },
  },
  {
    name: "link_reset",
    target: "home",
    lastsMs: null,
    draw: (random) => ({ nearUs: random.below(80_000), farUs: random.below(80_000) }),
    begin: (context) => cut(context, context.parameter("nearUs"), context.parameter("farUs")),
  },
  // An error and a close at one instant, at both ends.
  {
    name: "link_ends_together",
    target: "home",
    lastsMs: null,
    draw: noParameters,
    begin: (context) => cut(context, 0, 0),
  },
  // The server hears of the end while packets that were sent before are still under way, and lost with it.
  {
    name: "close_overtakes_data",
    target: "home",
    lastsMs: null,
    draw: (random) => ({ nearUs: 1_000_000 + random.below(9_000_000) }),
    begin: (context) => cut(context, context.parameter("nearUs"), 0),
  },
  // The agent is back on a new connection long before the server hears that the old one is gone.
  {
    name: "close_comes_late",
    target: "home",
    lastsMs: null,
    draw: (random) => ({ farUs: 500_000 + random.below(8_000_000) }),
    begin: (context) => cut(context, 0, context.parameter("farUs")),
  },
  halfOpen("half_open_up", ["up"]),
  halfOpen("half_open_down", ["down"]),
  halfOpen("half_open", ["up", "down"]),
  stall("stall_up", ["up"], [50, 8_000]),
  stall("stall_down", ["down"], [50, 8_000]),
  stall("burst_after_stall", ["up", "down"], [50, 15_000]),
  {
    name: "delay",
    target: "home",
    lastsMs: [200, 10_000],
    draw: (random) => ({ upUs: random.skewed(0, 2_000_000), downUs: random.skewed(0, 2_000_000) }),
    begin: (context) => {
      const { up, down } = context.site.path;
      const upUs = context.parameter("upUs");
      const downUs = context.parameter("downUs");
      up.extraUs += upUs;
      down.extraUs += downUs;
      context.fired();
      return () => {
        up.extraUs -= upUs;
        down.extraUs -= downUs;
      };
    },
  },
  {
    name: "slow_line",
    target: "home",
    lastsMs: [500, 10_000],
    draw: (random) => ({ permille: random.between(1, 200) }),
    begin: (context) => {
      const { path } = context.site;
      const slowdown = { permille: context.parameter("permille") };
      path.slowdowns.add(slowdown);
      context.fired();
      return () => {
        path.slowdowns.delete(slowdown);
      };
    },
  },
  {
    name: "connect_refused",
    target: "home",
    lastsMs: [100, 12_000],
    draw: noParameters,
    begin: (context) => {
      const { path } = context.site;
      path.refusals++;
      cut(context, 0, 0);
      return () => {
        path.refusals--;
      };
    },
  },
  {
    name: "connect_silent",
    target: "home",
    lastsMs: [100, 12_000],
    draw: noParameters,
    begin: (context) => {
      const { path } = context.site;
      path.silences++;
      cut(context, 0, 0);
      return () => {
        path.silences--;
      };
    },
  },
  {
    name: "flap",
    target: "home",
    lastsMs: [1_000, 12_000],
    draw: (random) => ({ everyMs: random.between(20, 3_000) }),
    begin: (context) => repeat(context, () => cut(context, 0, context.random.below(100_000))),
  },
  {
    name: "visitor_reset",
    target: "visit",
    lastsMs: null,
    draw: (random) => ({ farUs: random.below(100_000) }),
    begin: (context) => {
      const path = context.scene.visitPath(context.fault.target);
      if (path.cutAll(0, context.parameter("farUs")) > 0) context.fired();
      return nothing;
    },
  },
  {
    name: "visitor_stall_down",
    target: "visit",
    lastsMs: [100, 10_000],
    draw: noParameters,
    begin: (context) => {
      const { down } = context.scene.visitPath(context.fault.target);
      down.hold();
      context.fired();
      return () => down.release();
    },
  },
  // A name is led to another node, while the old tunnel still stands where it was until the balancer cuts it.
  {
    name: "led_elsewhere",
    target: "home",
    lastsMs: [1, 10_000],
    draw: (random) => ({ node: random.below(8) }),
    begin: (context) => {
      const { site, scene } = context;
      const node = context.parameter("node") % scene.nodes.length;
      if (node === site.node) return nothing;
      site.node = node;
      context.fired();
      return () => {
        site.path.cutAll(0, 3_000_000);
      };
    },
  },
];

function cut(context: FaultContext, nearUs: number, farUs: number): () => void {
  if (context.site.path.cutAll(nearUs, farUs) > 0) context.fired();
  return nothing;
}

function halfOpen(name: string, directions: readonly Direction[]): FaultKind {
  return {
    name,
    target: "home",
    lastsMs: null,
    draw: noParameters,
    begin: (context) => {
      for (const connection of context.site.path.connections) {
        for (const direction of directions) connection.lose(direction);
        context.fired();
      }
      return nothing;
    },
  };
}

function stall(
  name: string,
  directions: readonly Direction[],
  lastsMs: readonly [number, number],
): FaultKind {
  return {
    name,
    target: "home",
    lastsMs,
    draw: noParameters,
    begin: (context) => {
      const lanes = directions.map((direction) => context.site.path.lane(direction));
      for (const lane of lanes) lane.hold();
      context.fired();
      return () => {
        for (const lane of lanes) lane.release();
      };
    },
  };
}

/** Does it now and again and again until the fault ends; `everyMs` is a parameter. */
export function repeat(context: FaultContext, act: () => void): () => void {
  let over = false;
  const again = () => {
    if (over) return;
    act();
    context.agenda.after(Math.max(1, context.parameter("everyMs")) * 1000, again);
  };
  again();
  return () => {
    over = true;
  };
}

/** How many calls or frames out of 1000 a fault hits: sometimes few, sometimes all. */
export function drawPermille(random: Random): number {
  return random.weighted([
    [1, random.between(1, 100)],
    [2, random.between(100, 600)],
    [1, 1_000],
  ]);
}
