/** Settings that a person changes while the programs run. */
import type { AgentProgram } from "../actors/agent.ts";
import { PROXIES } from "../scenario/forwarding.ts";
import { PLAYER_ORIGIN } from "../scenario/quirks.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import { type FaultKind, nothing } from "./fault.ts";

export const settingsFaults: readonly FaultKind[] = [
  {
    name: "server_settings_change",
    target: "node",
    lastsMs: [500, 20_000],
    draw: (random) => ({ origins: random.between(0, 1), proxies: random.between(0, PROXIES.length) }),
    begin: (context) => {
      const node = context.scene.node(context.fault.target);
      const { server } = node;
      if (server === null) return nothing;
      server.change({
        corsOrigins: context.parameter("origins") === 0 ? null : [PLAYER_ORIGIN],
        trustedProxies: PROXIES.slice(0, context.parameter("proxies")),
      });
      context.fired();
      return () => {
        if (node.server === server) server.change({});
      };
    },
  },
  // One more service than before, in front of the others, so that each has another number.
  agentFault("agent_services_change", isOurs, (agent, salt) => agent.change({ salt, access: false })),
  // Another salt of the same password: what the server was told is not what it is to be told, and the visitors are as before.
  agentFault(
    "agent_access_changes",
    (home) => isOurs(home) && home.access === "basic",
    (agent, salt) => agent.change({ salt, access: true }),
  ),
];

function isOurs({ agent }: HomeSpec): boolean {
  return agent === "culvert";
}

/** Somebody tries this and that, at intervals. */
function agentFault(
  name: string,
  suits: (home: HomeSpec) => boolean,
  change: (agent: AgentProgram, salt: string) => void,
): FaultKind {
  return {
    name,
    target: "home",
    suits,
    lastsMs: [200, 20_000],
    draw: (random) => ({ everyMs: random.skewed(100, 10_000) }),
    begin: (context) => {
      const { agent } = context.site;
      let times = 0;
      let isOver = false;
      const again = (): void => {
        if (isOver) return;
        if (agent.running) {
          change(agent, `salt ${context.fault.id}.${++times}`);
          context.fired();
        }
        context.agenda.after(context.parameter("everyMs") * 1000, again);
      };
      again();
      return () => {
        isOver = true;
      };
    },
  };
}
