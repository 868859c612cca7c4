/** Processes that die, at any point, and come back; and homes' own services in trouble. */
import type { HomeTrouble } from "../actors/home/request.ts";
import type { Random } from "../tools/random.ts";
import { type FaultContext, type FaultKind, noParameters, nothing } from "./fault.ts";

/** Of a step that has several effects, how many are still obeyed. */
const drawEffects = (random: Random) => ({ effects: random.between(1, 3) });

const DRAINED_AGAIN_US = 100_000;

export const processFaults: readonly FaultKind[] = [
  nodeFault("node_crashes", [10, 10_000], noParameters, (context) => {
    node(context).server?.process.kill();
  }),
  nodeFault("node_loses_power", [500, 15_000], noParameters, (context) => {
    const { server } = node(context);
    if (server === null) return;
    server.losesPower = true;
    server.process.kill();
  }),
  nodeFault("node_crashes_inside_a_step", [10, 8_000], drawEffects, (context) => {
    const process = node(context).server?.process;
    if (process !== undefined) process.crashAfterEffects = context.parameter("effects");
  }),
  // Its agents find no way back for as long, and their rows are there.
  {
    name: "node_restarts_before_its_agents",
    target: "node",
    lastsMs: [500, 15_000],
    draw: noParameters,
    begin: (context) => {
      const { server } = node(context);
      if (server === null) return nothing;
      const { sites } = context.scene;
      const paths = sites.filter((site) => site.node === context.fault.target).map(({ path }) => path);
      for (const path of paths) path.refusals++;
      server.process.kill();
      node(context).boot();
      context.fired();
      return () => {
        for (const path of paths) path.refusals--;
      };
    },
  },
  nodeFault("node_drains", [500, 20_000], noParameters, (context) => {
    node(context).server?.drain();
  }),
  nodeFault(
    "node_is_killed_while_draining",
    [500, 10_000],
    (random) => ({ afterMs: random.skewed(1, 8_000) }),
    (context) => {
      const { server } = node(context);
      server?.drain();
      context.agenda.after(context.parameter("afterMs") * 1000, () => server?.process.kill());
    },
  ),
  agentFault("agent_restarts", [5, 12_000], noParameters, (context) => context.site.agent.crash("process")),
  agentFault("agent_loses_power", [500, 20_000], noParameters, (context) =>
    context.site.agent.crash("power"),
  ),
  agentFault("agent_crashes_inside_a_step", [10, 8_000], drawEffects, (context) =>
    context.site.agent.crashMidStep(context.parameter("effects")),
  ),
  agentFault("agent_drains", [500, 15_000], noParameters, (context) => {
    const { agent } = context.site;
    agent.drain();
    const endsUs = Math.min(context.fault.toMs, context.scene.scenario.faultyMs) * 1000;
    // Somebody is impatient, and says it again, but never to the agent that is started anew.
    context.agenda.after(DRAINED_AGAIN_US, () => {
      if (context.world.nowUs < endsUs) agent.drain();
    });
  }),
  homeFault("home_refuses", "refused", (context, by) => {
    context.site.home.refusals += by;
  }),
  homeFault("home_says_nothing", "silent", (context, by) => {
    context.site.home.silences += by;
  }),
  homeFault("home_breaks_off", "broken", (context, by) => {
    context.site.home.breaks += by;
  }),
  {
    ...homeFault("home_runs_dry", "dry", (context, by) => {
      context.site.home.droughts += by;
    }),
    lastsMs: [500, 40_000],
  },
];

/** The process is gone when the fault ends, at the latest; then it is started anew. */
function nodeFault(
  name: string,
  lastsMs: readonly [number, number],
  draw: FaultKind["draw"],
  strike: (context: FaultContext) => void,
): FaultKind {
  return {
    name,
    target: "node",
    lastsMs,
    draw,
    begin: (context) => {
      if (node(context).server === null) return nothing;
      const struck = node(context).server;
      strike(context);
      context.fired();
      return () => {
        // A supervisor starts the next process only when the last is gone.
        if (node(context).server === struck) struck?.process.kill();
        node(context).boot();
      };
    },
  };
}

function agentFault(
  name: string,
  lastsMs: readonly [number, number],
  draw: FaultKind["draw"],
  strike: (context: FaultContext) => void,
): FaultKind {
  return {
    name,
    target: "home",
    lastsMs,
    draw,
    begin: (context) => {
      const { agent } = context.site;
      if (!agent.running) return nothing;
      strike(context);
      context.fired();
      return () => {
        agent.crash("process");
        agent.boot();
      };
    },
  };
}

function homeFault(
  name: string,
  trouble: HomeTrouble,
  change: (context: FaultContext, by: 1 | -1) => void,
): FaultKind {
  return {
    name,
    target: "home",
    lastsMs: [200, 12_000],
    draw: noParameters,
    begin: (context) => {
      const { home } = context.site;
      const before = home.onTrouble;
      home.onTrouble = (what) => {
        before(what);
        if (what === trouble) context.fired();
      };
      change(context, 1);
      return () => change(context, -1);
    },
  };
}

function node(context: FaultContext) {
  return context.scene.node(context.fault.target);
}
