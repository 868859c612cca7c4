/**
 * A client id has one live tunnel at a node at most, the newest. A tunnel that is over takes its row with it, and changes
 * nothing of its successor: no node asks for the row of a tunnel to be deleted that it still serves.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { SocketId } from "../../core/ids.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property, Violate } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";

/** More calls than any run makes at once. */
const CALLS_MANY = 1_000;

export const oneOwner: Property = {
  name: "one_owner",
  create: (violate, judged) => {
    /** Tunnels whose row may be there. */
    const claimed = new Set<LedgerSocket>();
    /** Tunnels that were looked at when they became their home's. */
    const known = new WeakSet<LedgerSocket>();
    let callsMax = 0;
    return {
      begun: ({ serverLimits }) => {
        callsMax = serverLimits.registryCallsMax;
      },
      sees: [
        "socket_opened",
        "socket_bytes",
        "socket_closed",
        "registry_call",
        "upgrade_refuse",
        "socket_close",
        "socket_terminate",
      ],
      serverStep: (server, event, effects, count) => {
        const { ledger, name } = server;
        // The older tunnel serves until the newer one has said hello.
        if (event.type === "socket_opened" || event.type === "socket_bytes") {
          const opened = ledger.sockets.get(event.socket);
          const isNew = opened !== undefined && !known.has(opened);
          if (opened?.kind === "tunnel" && opened.greeted && isNew) {
            known.add(opened);
            judged();
            judgeOwners(server, opened, violate);
          }
        }
        let dropped: Set<SocketId> | null = null;
        for (let index = 0; index < count; index++) {
          const operation = operationOf(effects[index]);
          if (operation === null) continue;
          const id = (Number(operation.tunnel) - ledger.idBase) as SocketId;
          const socket = ledger.sockets.get(id);
          if (operation.type === "upsert_connection") {
            if (socket !== undefined) claimed.add(socket);
            continue;
          }
          judged();
          dropped ??= new Set();
          dropped.add(id);
          if (socket === undefined || socket.phase === "leaving") continue;
          violate(
            "safety",
            `${name} has the row of ${operation.clientId} deleted, whose tunnel ${id} is ${socket.phase}`,
          );
        }
        // A row that was found to be a successor's stays. Where few calls may be made, the lease's repair has to do it.
        const isForeign =
          event.type === "registry_answered" &&
          event.outcome.type === "connection_upserted" &&
          !event.outcome.current;
        if (isForeign || callsMax < CALLS_MANY) return;
        for (const socket of ledger.left) {
          if (!claimed.has(socket) || dropped?.has(socket.id)) continue;
          violate("safety", `${name} leaves the row of ${socket.clientId} behind`);
        }
      },
    };
  },
};

function judgeOwners({ name, ledger }: SteppedServer, opened: LedgerSocket, violate: Violate): void {
  for (const other of ledger.sockets.values()) {
    if (other === opened || other.kind !== "tunnel" || other.clientId !== opened.clientId) continue;
    if (other.phase !== "open" || opened.phase !== "open" || !other.greeted) continue;
    violate("safety", `${name} serves ${opened.clientId} through tunnels ${other.id} and ${opened.id}`);
  }
}

function operationOf(effect: ServerEffect | undefined) {
  if (effect?.type !== "registry_call") return null;
  const { operation } = effect;
  return operation.type === "upsert_connection" || operation.type === "delete_connection" ? operation : null;
}
