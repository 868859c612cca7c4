/**
 * A client id is served by one live tunnel at a node, the newest. Another one is open only where MoosicBox agents throw each
 * other out again and again: then the older one stands by, and gets no request while the newer is there. A tunnel that is
 * over takes its row with it, and changes nothing of its successor: no node asks for the row of a tunnel to be deleted that
 * it still serves.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { SocketId } from "../../core/ids.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property } from "../record/checker.ts";
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
    /** By process and client id: when a tunnel last took over from another one. */
    const takenOver = new WeakMap<Ledger, Map<string, number>>();
    /** Tunnels that stand by, with the one that took over. */
    const standby = new Map<LedgerSocket, LedgerSocket>();
    let callsMax = 0;
    let takeoverMs = 0;
    return {
      begun: ({ serverLimits }) => {
        callsMax = serverLimits.registryCallsMax;
        takeoverMs = serverLimits.takeoverMs;
      },
      sees: [
        "socket_send_text",
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
            const times = takenOver.get(ledger) ?? new Map<string, number>();
            takenOver.set(ledger, times);
            const lastMs = times.get(opened.clientId) ?? Number.NEGATIVE_INFINITY;
            const isAgain = ledger.nowMs - lastMs < takeoverMs;
            const others = othersOf(server, opened);
            const replaced = ledger.left.some(
              ({ kind, clientId }) => kind === "tunnel" && clientId === opened.clientId,
            );
            if (others.length > 0 || replaced) times.set(opened.clientId, ledger.nowMs);
            for (const other of others) {
              const mayStay = standby.has(other) || (isAgain && !other.native && !opened.native);
              if (mayStay) standby.set(other, opened);
              else
                violate(
                  "safety",
                  `${name} serves ${opened.clientId} through tunnels ${other.id} and ${opened.id}`,
                );
            }
          }
        }
        for (const { tunnel, id } of standby.size === 0 ? [] : ledger.asked) {
          const carrier = tunnel === null ? undefined : ledger.sockets.get(tunnel);
          const newer = carrier === undefined ? undefined : standby.get(carrier);
          if (newer?.phase !== "open") continue;
          judged();
          violate("safety", `${name} sends exchange ${id} over a tunnel that stands by`);
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

/** The other tunnels of the client id that are open and have said hello. */
function othersOf({ ledger }: SteppedServer, opened: LedgerSocket): LedgerSocket[] {
  if (opened.phase !== "open") return [];
  return [...ledger.sockets.values()].filter(
    (other) =>
      other !== opened &&
      other.kind === "tunnel" &&
      other.clientId === opened.clientId &&
      other.phase === "open" &&
      other.greeted,
  );
}

function operationOf(effect: ServerEffect | undefined) {
  if (effect?.type !== "registry_call") return null;
  const { operation } = effect;
  return operation.type === "upsert_connection" || operation.type === "delete_connection" ? operation : null;
}
