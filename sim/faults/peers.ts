/** What becomes of the connections between nodes: cut, held, refused, or met by silence. */
import type { Path } from "../network/path.ts";
import { type FaultContext, type FaultKind, noParameters, nothing } from "./fault.ts";

export const peerFaults: readonly FaultKind[] = [
  {
    name: "peer_links_cut",
    target: "node",
    lastsMs: null,
    draw: (random) => ({ nearUs: random.below(80_000), farUs: random.below(80_000) }),
    begin: (context) => {
      for (const path of pathsOf(context)) {
        if (path.cutAll(context.parameter("nearUs"), context.parameter("farUs")) > 0) context.fired();
      }
      return nothing;
    },
  },
  {
    name: "peer_links_stall",
    target: "node",
    lastsMs: [50, 8_000],
    draw: noParameters,
    begin: (context) => {
      const paths = pathsOf(context);
      for (const { up, down } of paths) {
        up.hold();
        down.hold();
        context.fired();
      }
      return () => {
        for (const { up, down } of paths) {
          up.release();
          down.release();
        }
      };
    },
  },
  {
    name: "peer_refused",
    target: "node",
    lastsMs: [50, 8_000],
    draw: noParameters,
    begin: (context) => {
      const paths = pathsOf(context);
      for (const path of paths) {
        path.refusals++;
        context.fired();
      }
      return () => {
        for (const path of paths) path.refusals--;
      };
    },
  },
  {
    name: "peer_silent",
    target: "node",
    lastsMs: [50, 8_000],
    draw: noParameters,
    begin: (context) => {
      const paths = pathsOf(context);
      for (const path of paths) {
        path.silences++;
        context.fired();
      }
      return () => {
        for (const path of paths) path.silences--;
      };
    },
  },
];

/** Of what the node's processes ask others. */
function pathsOf({ scene, fault }: FaultContext): Path[] {
  const names = [...scene.node(fault.target).processes.keys()];
  return names.map((name) => scene.peerPaths.get(name)).filter((path) => path !== undefined);
}
