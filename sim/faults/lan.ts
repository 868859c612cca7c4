/** What goes wrong between an agent and its home, on a network of their own. */
import type { HomeSpec } from "../scenario/scenario.ts";
import { type FaultContext, type FaultKind, noParameters } from "./fault.ts";

/** A connection that was cut is noticed at the home's end so much later, or sooner. */
const NOTICED_US_MAX = 2_000_000;

export const lanFaults: readonly FaultKind[] = [
  lanFault("home_connections_cut", null, ({ site, random, fired }) => {
    const { path } = site.home;
    if (path.cutAll(0, random.below(NOTICED_US_MAX)) > 0) fired();
    return () => {};
  }),
  lanFault("home_connections_stall", [5, 8_000], ({ site, fired }) => {
    const { path } = site.home;
    if (path.connections.size > 0) fired();
    path.up.hold();
    path.down.hold();
    return () => {
      path.up.release();
      path.down.release();
    };
  }),
  // Its machine is there and takes no connection: whoever tries waits.
  lanFault("home_takes_no_connection", [500, 15_000], ({ site, fired }) => {
    const { path } = site.home;
    const { made } = path;
    path.silences++;
    return () => {
      path.silences--;
      if (path.made > made) fired();
    };
  }),
];

type Struck = Pick<FaultContext, "site" | "random"> & { readonly fired: () => void };

function lanFault(
  name: string,
  lastsMs: FaultKind["lastsMs"],
  strike: (struck: Struck) => () => void,
): FaultKind {
  return {
    name,
    target: "home",
    suits: ({ agent }: HomeSpec) => agent === "culvert",
    lastsMs,
    draw: noParameters,
    begin: (context) => strike({ site: context.site, random: context.random, fired: () => context.fired() }),
  };
}
