/**
 * A minute after the healing, and from then on, the registry's rows are the truth: every home that is back has one live
 * tunnel, and its row names that; one whose agent keeps several links has no more of them than that, each at a node of its own, and its
 * row names one of them. No row of a living node names a tunnel that is not there.
 */
import type { SocketId } from "../../core/ids.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property, Violate } from "../record/checker.ts";
import type { Finish } from "../record/finish.ts";
import type { Setting } from "../record/setting.ts";
import type { SteppedServer } from "../record/stepped.ts";
import type { HomeSpec } from "../scenario/scenario.ts";

export const rowsTrue: Property = {
  name: "rows_true",
  create: (violate, judged) => {
    let homes: Setting["scenario"]["homes"] = [];
    const judge = (finish: Finish) => {
      for (const home of homes) {
        if (!home.heals) continue;
        judged();
        judgeHome(home, finish, violate);
      }
      for (const [clientId, row] of finish.rows) {
        const node = finish.servers.find(({ name }) => name === row.node);
        if (node === undefined || tunnelNamed(node, row.tunnel) !== undefined) continue;
        violate("liveness", `the row of ${clientId} names ${row.tunnel}, which ${row.node} does not have`);
      }
    };
    return {
      begun: ({ scenario }) => {
        homes = scenario.homes;
      },
      settled: judge,
      finished: judge,
    };
  },
};

function judgeHome({ clientId, links = 1 }: HomeSpec, { servers, rows }: Finish, violate: Violate): void {
  const tunnels = servers.flatMap((server) =>
    [...server.ledger.sockets.values()]
      .filter(
        ({ kind, phase, clientId: whose }) => kind === "tunnel" && phase === "open" && whose === clientId,
      )
      .map((tunnel) => ({ server, tunnel })),
  );
  const [owner] = tunnels;
  const nodes = new Set(tunnels.map(({ server }) => server.name));
  if (owner === undefined || tunnels.length > links || nodes.size < tunnels.length) {
    violate("liveness", `${clientId} has ${tunnels.length} live tunnels`);
    return;
  }
  const row = rows.get(clientId);
  const isNamed = tunnels.some(({ server, tunnel }) => {
    return row?.tunnel === String(server.ledger.idBase + tunnel.id) && row.node === server.name;
  });
  if (isNamed) return;
  violate("liveness", `${clientId} is at ${owner.server.name}, its row says ${row?.node ?? "nothing"}`);
}

function tunnelNamed({ ledger }: SteppedServer, name: string): LedgerSocket | undefined {
  return ledger.sockets.get((Number(name) - ledger.idBase) as SocketId);
}
