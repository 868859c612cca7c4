/** Clocks that are wrong, event loops that do not turn, machines that sleep, and things that happen at one instant. */
import { type FaultKind, noParameters, nothing } from "./fault.ts";

export const timeFaults: readonly FaultKind[] = [
  {
    name: "registry_clock_jumps_forward",
    target: "world",
    lastsMs: null,
    draw: (random) => ({ byMs: random.skewed(1_000, 3_600_000) }),
    begin: (context) => {
      context.scene.registry.clock.jump(context.parameter("byMs") * 1000);
      context.fired();
      return nothing;
    },
  },
  {
    name: "registry_clock_jumps_back",
    target: "world",
    lastsMs: null,
    draw: (random) => ({ byMs: random.skewed(1_000, 3_600_000) }),
    begin: (context) => {
      context.scene.registry.clock.jump(-context.parameter("byMs") * 1000);
      context.fired();
      return nothing;
    },
  },
  {
    name: "node_clock_runs_wrong",
    target: "node",
    lastsMs: [2_000, 30_000],
    draw: (random) => ({ permille: random.pick([900, 950, 990, 999, 1_001, 1_010, 1_050, 1_100]) }),
    begin: (context) => {
      const process = context.scene.node(context.fault.target).server?.process;
      process?.setClockRate(context.parameter("permille"));
      context.fired();
      return () => process?.setClockRate(1000);
    },
  },
  {
    name: "agent_clock_runs_wrong",
    target: "home",
    lastsMs: [2_000, 30_000],
    draw: (random) => ({ permille: random.pick([900, 950, 990, 999, 1_001, 1_010, 1_050, 1_100]) }),
    begin: (context) => {
      const { agent } = context.site;
      agent.setClockRate(context.parameter("permille"));
      context.fired();
      return () => agent.setClockRate(1000);
    },
  },
  {
    name: "node_stalls",
    target: "node",
    lastsMs: [50, 12_000],
    draw: noParameters,
    begin: (context) => {
      const { fault, scene } = context;
      const process = scene.node(fault.target).server?.process;
      process?.stall((fault.toMs - fault.fromMs) * 1000, false);
      context.fired();
      return () => process?.wake();
    },
  },
  {
    name: "agent_stalls",
    target: "home",
    lastsMs: [50, 12_000],
    draw: noParameters,
    begin: (context) => {
      const { fault, site } = context;
      site.agent.stall((fault.toMs - fault.fromMs) * 1000, false);
      context.fired();
      return () => site.agent.wake();
    },
  },
  // A laptop's lid: minutes pass for everybody else, and its own monotonic clock may not know it.
  {
    name: "agent_sleeps",
    target: "home",
    lastsMs: [20_000, 240_000],
    draw: (random) => ({ clockStops: random.below(2) }),
    begin: (context) => {
      const { fault, site } = context;
      site.agent.stall((fault.toMs - fault.fromMs) * 1000, context.parameter("clockStops") === 1);
      context.fired();
      return () => site.agent.wake();
    },
  },
  {
    name: "exact_ties",
    target: "world",
    lastsMs: [1_000, 60_000],
    draw: (random) => ({ gridUs: random.pick([1_000, 5_000, 50_000, 250_000]) }),
    begin: (context) => {
      context.world.gridUs = context.parameter("gridUs");
      context.fired();
      return () => {
        context.world.gridUs = 1;
      };
    },
  },
];
