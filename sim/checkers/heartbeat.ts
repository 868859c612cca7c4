/**
 * Half-open peers are dropped in time: no socket stays open whose peer was silent for longer than the limit. And nobody else
 * is dropped: not for a silence that was the server's own.
 */
import type { ServerLimits } from "../../core/limits.ts";
import type { Property } from "../record/checker.ts";

export const heartbeat: Property = {
  name: "heartbeat",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    /** Of each process: its last step, until when its own stall may excuse a silence, and until when it surely does. */
    const steps = new Map<string, { lastMs: number; excusedMs: number; grantedMs: number }>();
    return {
      begun: (setting) => {
        limits = setting.serverLimits;
      },
      serverStep: ({ name, nowMs, ledger }, event, effects, count) => {
        if (limits === null) return;
        const { silenceMs, pingMs, stallMs, handshakeMs } = limits;
        const step = steps.get(name) ?? { lastMs: nowMs, excusedMs: 0, grantedMs: 0 };
        steps.set(name, step);
        const stalledMs = nowMs - step.lastMs;
        step.lastMs = nowMs;
        // Who was stalled knows nothing of its peers' silence, and grants them one more ping.
        if (stalledMs > stallMs / 2) step.excusedMs = nowMs + pingMs;
        if (stalledMs > stallMs + pingMs) step.grantedMs = nowMs + pingMs;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          const socket = effect?.type === "socket_terminate" ? ledger.sockets.get(effect.socket) : undefined;
          if (socket === undefined || socket.openedMs === null) continue;
          const silentMs = nowMs - socket.heardMs;
          if (silentMs >= silenceMs && nowMs >= step.grantedMs) continue;
          violate(
            "safety",
            `${name} drops socket ${socket.id}, which was silent for ${silentMs} ms while it listened`,
          );
        }
        if (event.type !== "tick") return;
        for (const socket of ledger.sockets.values()) {
          if (socket.phase === "accepted" && nowMs - socket.acceptedMs >= handshakeMs)
            violate(
              "liveness",
              `socket ${socket.id} of ${name} is not open ${handshakeMs} ms after its handshake`,
            );
          if (socket.phase !== "open") continue;
          judged();
          if (nowMs - socket.heardMs >= silenceMs && nowMs >= step.excusedMs) {
            violate(
              "liveness",
              `${name} keeps socket ${socket.id} of ${socket.clientId}, silent since ${nowMs - socket.heardMs} ms`,
            );
          }
          if (nowMs - socket.pingedMs >= pingMs)
            violate(
              "liveness",
              `${name} has not pinged socket ${socket.id} for ${nowMs - socket.pingedMs} ms`,
            );
        }
      },
    };
  },
};
