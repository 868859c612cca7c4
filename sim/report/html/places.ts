/**
 * Where things happen. A run names the same place in several ways: a path by its outer end, a process by how often it
 * was started. The picture has one name for each, and a lane.
 */
import { targetOf } from "../../faults/index.ts";
import type { Fault, Scenario } from "../../scenario/scenario.ts";

export type LaneKind = "visitors" | "node" | "registry" | "agent" | "home";

export type Lane = {
  readonly kind: LaneKind;
  readonly title: string;
  /** What there is to know about it in a few words. */
  readonly subtitle: string;
  readonly clientId: string | null;
};

/** What concerns everybody. */
export const WORLD = "world";

export class Places {
  readonly lanes: readonly Lane[];
  readonly #laneOf = new Map<string, number>();
  readonly #clientOf = new Map<string, string>();

  constructor(scenario: Scenario) {
    const lanes: Lane[] = [
      { kind: "visitors", title: "visitors", subtitle: "requests and sockets", clientId: null },
    ];
    const add = (place: string, lane: Lane) => {
      this.#laneOf.set(place, lanes.push(lane) - 1);
      if (lane.clientId !== null) this.#clientOf.set(place, lane.clientId);
    };
    for (let index = 0; index < scenario.nodes; index++) {
      add(`node-${index}`, { kind: "node", title: `node-${index}`, subtitle: "server", clientId: null });
    }
    add("registry", { kind: "registry", title: "registry", subtitle: "database", clientId: null });
    scenario.homes.forEach(({ clientId, agent, node, heals }, index) => {
      const healing = heals ? "" : ", never heals";
      add(`agent:${clientId}`, {
        kind: "agent",
        title: `${clientId} agent`,
        subtitle: `${agent}, to node-${node}${healing}`,
        clientId,
      });
      for (const { id, kind, target } of scenario.faults) {
        if (kind !== "agent_has_a_twin" || target !== index) continue;
        add(`twin:${id}`, { kind: "agent", title: `twin ${id}`, subtitle: `of ${clientId}`, clientId });
      }
      add(`home:${clientId}`, { kind: "home", title: `${clientId} service`, subtitle: "at home", clientId });
    });
    this.lanes = lanes;
  }

  /** The picture's name for a name of the run. */
  placeOf(name: string): string {
    if (this.#laneOf.has(`home:${name}`)) return `home:${name}`;
    const [, kind = "", rest = ""] = /^(visit|socket|home|agent|moosicbox|twin)[ :](.+)$/.exec(name) ?? [];
    switch (kind) {
      case "visit":
      case "socket":
        return `${kind}:${rest}`;
      case "home":
        // The path of a home ends at its agent.
        return `agent:${rest}`;
      case "agent":
      case "moosicbox":
      case "twin": {
        const prefix = kind === "twin" ? kind : "agent";
        const whole = `${prefix}:${rest}`;
        return this.#laneOf.has(whole) ? whole : whole.replace(/[.:]\d+$/, "");
      }
      default:
        return name.replace(/\.\d+$/, "");
    }
  }

  /** Of the places that have none of their own, visitors share the first lane; -1 stands for the whole world. */
  laneOf(place: string): number {
    if (place.startsWith("visit:") || place.startsWith("socket:")) return 0;
    return this.#laneOf.get(place) ?? -1;
  }

  clientOf(place: string): string | null {
    return this.#clientOf.get(place) ?? null;
  }

  faultPlace(scenario: Scenario, { kind, target }: Fault): string {
    switch (targetOf(kind)) {
      case "home": {
        const clientId = scenario.homes[target]?.clientId ?? "";
        return kind.startsWith("home_") ? `home:${clientId}` : `agent:${clientId}`;
      }
      case "node":
        return `node-${target}`;
      case "visit":
        return `visit:${target}`;
      case "world":
        return kind.startsWith("registry_") ? "registry" : WORLD;
      case "nobody":
        return WORLD;
    }
  }
}
