/** Restarts that are planned: a process is asked to stop, and the next one takes its address, beside it or after it. */
import type { Random } from "../tools/random.ts";
import { type FaultContext, type FaultKind, nothing } from "./fault.ts";

/** The next process is there for so long, mostly a moment, when the old one is asked to stop. */
const drawOverlap = (random: Random) => ({ afterMs: random.skewed(0, 1_500) });
/** What a supervisor and the start of a process take together. */
const drawGap = (random: Random) => ({ gapMs: random.skewed(50, 2_000) });

/** A supervisor looks so often whether the process is gone. */
const LOOK_US = 20_000;

export const restartFaults: readonly FaultKind[] = [
  {
    name: "node_is_replaced",
    target: "node",
    lastsMs: [500, 10_000],
    draw: drawOverlap,
    begin: (context) => {
      const node = nodeOf(context);
      const { server } = node;
      if (server === null || node.servers.length > 1) return nothing;
      node.bootNext();
      context.agenda.after(context.parameter("afterMs") * 1000, () => server.drain());
      context.fired();
      // Nobody ends it: it goes of its own accord.
      return nothing;
    },
  },
  {
    name: "node_restarts_in_order",
    target: "node",
    lastsMs: [12_000, 30_000],
    draw: drawGap,
    begin: (context) => {
      const node = nodeOf(context);
      const { server } = node;
      if (server === null) return nothing;
      const next = () => {
        if (server.process.alive) context.agenda.after(LOOK_US, next);
        else context.agenda.after(context.parameter("gapMs") * 1000, () => node.boot());
      };
      server.drain();
      next();
      context.fired();
      return () => {
        server.process.kill();
        node.boot();
      };
    },
  },
];

function nodeOf(context: FaultContext) {
  return context.scene.node(context.fault.target);
}
