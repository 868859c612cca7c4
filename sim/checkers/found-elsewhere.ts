/**
 * In a cluster nobody is told that a home is away while it is at some node: once the registry has named its live tunnel for a moment,
 * visitors reach it wherever they come. Held against runs in which nothing is wrong with nodes, or with the registry.
 */
import type { Ledger } from "../ledger/ledger.ts";
import type { Property } from "../record/checker.ts";
import type { Setting } from "../record/setting.ts";
import { isTight } from "../scenario/tight-limits.ts";
import { latin1Text } from "../tools/text.ts";

/** So long after its row was written a home is found, whatever was known of it before. */
const BOUND_US = 4_000_000;

export const foundElsewhere: Property = {
  name: "found_elsewhere",
  create: (violate, judged) => {
    let isHeld = false;
    const ledgers = new Map<string, Ledger>();
    /** By client id: which tunnel the registry names, and since when. */
    const rows = new Map<
      string,
      { readonly tunnel: string; readonly node: string; readonly sinceUs: number }
    >();
    return {
      begun: (setting) => {
        isHeld =
          setting.scenario.peerPath !== undefined && !isTight(setting.serverLimits) && !isDisturbed(setting);
      },
      sees: ["socket_opened"],
      serverStep: ({ name, ledger }) => {
        ledgers.set(name, ledger);
      },
      registryChanged: ({ clientId, after, atUs }) => {
        if (after === null) rows.delete(clientId);
        else if (rows.get(clientId)?.tunnel !== after.tunnel)
          rows.set(clientId, { tunnel: after.tunnel, node: after.node, sinceUs: atUs });
      },
      visitBody: (visit, bytes) => {
        if (!isHeld || (visit.status !== 424 && visit.status !== 503)) return;
        const text = latin1Text(bytes);
        if (!text.includes("agent_not_connected") || text.includes("has changed who may visit it")) return;
        judged();
        const row = rows.get(visit.clientId);
        if (row === undefined || row.sinceUs > visit.startedUs - BOUND_US) return;
        const ledger = ledgers.get(row.node);
        if (ledger === undefined || !isServing(ledger, row.tunnel)) return;
        const { id } = visit.operation;
        violate("liveness", `visit ${id} is told that ${visit.clientId} is away, which ${row.node} has`);
      },
    };
  },
};

function isServing({ sockets, idBase, drainAskedMs }: Ledger, tunnel: string): boolean {
  if (drainAskedMs !== null) return false;
  for (const { id, phase, greeted } of sockets.values()) {
    if (String(idBase + id) === tunnel) return phase === "open" && greeted;
  }
  return false;
}

function isDisturbed({ scenario, targetOf }: Setting): boolean {
  return scenario.faults.some(({ kind }) => targetOf(kind) === "node" || targetOf(kind) === "world");
}
