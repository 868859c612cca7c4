/** What can meet an agent of the native protocol that has lost its tunnel and is on its way back to its session. */
import type { Path } from "../network/path.ts";
import { isNative } from "../scenario/scenario.ts";
import { KIND } from "../wire/native.ts";
import { type FaultKind, noParameters } from "./fault.ts";
import { filter } from "./frames.ts";

/** The server thinks that the old connection is there until long after the agent is back. */
const UNNOTICED_US = 20_000_000;

export const nativeReturnFaults: readonly FaultKind[] = [
  // The answer to a hello waits, maybe until the grace time of the session, a second or more, is over at the agent only.
  {
    name: "native_welcome_late",
    target: "home",
    suits: isNative,
    lastsMs: [1_100, 6_000],
    draw: noParameters,
    begin: (context) => {
      const { path } = context.site;
      const { up, down } = path;
      let holds = false;
      const endFilter = filter(up, (frame) => {
        if (holds || frame.kind !== "bytes" || frame.bytes[0] !== KIND.hello) return null;
        holds = true;
        down.hold();
        context.fired();
        return null;
      });
      loseTunnels(path);
      return () => {
        endFilter();
        if (holds) down.release();
      };
    },
  },
  // The handshake of the first that returns is just over when its server is asked to stop, and its hello is still to come.
  {
    name: "native_node_drains_at_return",
    target: "node",
    lastsMs: [1_000, 10_000],
    draw: noParameters,
    begin: (context) => {
      const { scene, fault } = context;
      const node = scene.node(fault.target);
      const { server } = node;
      let drains = false;
      const endings = scene.sites
        .filter((site) => site.node === fault.target && isNative(site.spec))
        .map(({ path }) => {
          const ending = filter(path.down, (frame) => {
            if (drains || frame.kind !== "accepted" || server === null) return null;
            drains = true;
            server.drain();
            context.fired();
            return null;
          });
          loseTunnels(path);
          return ending;
        });
      return () => {
        for (const end of endings) end();
        if (!drains) return;
        // A supervisor starts the next process only when the last is gone.
        if (node.server === server) server?.process.kill();
        node.boot();
      };
    },
  },
];

function loseTunnels(path: Path): void {
  for (const connection of [...path.connections]) connection.leaveBehind?.(UNNOTICED_US);
}
