/** An agent that goes on sending for an exchange that is over, or never was, is told to stop: again, but not each time. */
import type { ServerLimits } from "../../core/limits.ts";
import type { Property } from "../record/checker.ts";

export const toldAgain: Property = {
  name: "told_again",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    /** By process, tunnel and request id: when it was told. */
    const told = new Map<string, number>();
    /** By process and tunnel: when it was told of any of them, oldest first. */
    const times = new Map<string, number[]>();
    return {
      begun: (setting) => {
        limits = setting.serverLimits;
      },
      sees: ["socket_bytes", "socket_send_text"],
      serverStep: ({ name, nowMs, ledger }, event) => {
        if (limits === null) return;
        for (const abort of ledger.aborts) {
          const tunnel = `${name} ${abort.split(" ")[0]}`;
          const before = told.get(`${name} ${abort}`);
          const isOwn = ledger.touched.some(({ requestId }) => abort.endsWith(` ${requestId}`));
          if (!isOwn && before !== undefined && nowMs - before < limits.abortRepeatMs)
            violate("safety", `${name} told an agent twice in ${nowMs - before} ms to stop`);
          told.set(`${name} ${abort}`, nowMs);
          times.set(tunnel, [...(times.get(tunnel) ?? []), nowMs].slice(-limits.abortedIdsMax));
        }
        if (event.type !== "socket_bytes") return;
        const { packet } = ledger;
        const socket = ledger.sockets.get(event.socket);
        if (packet === null || socket?.kind !== "tunnel" || socket.phase !== "open") return;
        const exchange = ledger.exchangeOf(packet.requestId);
        const isStray = exchange === undefined || exchange.tunnel !== socket.id;
        if (!isStray || !Number.isSafeInteger(packet.requestId)) return;
        judged();
        const key = `${name} ${socket.id} ${packet.requestId}`;
        if (nowMs - (told.get(key) ?? Number.NEGATIVE_INFINITY) < limits.abortRepeatMs) return;
        // Who is told of very many is not told of each.
        const recent = times.get(`${name} ${socket.id}`) ?? [];
        if (recent.length >= limits.abortedIdsMax && nowMs - (recent[0] ?? 0) < limits.abortRepeatMs) return;
        violate("safety", `${name} lets an agent send for ${packet.requestId}, which is nobody's`);
      },
    };
  },
};
