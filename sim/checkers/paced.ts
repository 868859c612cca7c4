/**
 * Who is given answers that no home gave, more of them than one address gets as fast as it asks, gets on one request at a time.
 * Of an address that more may come from than from one visitor (a proxy's, a network's) nothing is judged.
 */
import type { EdgeLimits } from "../../core/edge/limits.ts";
import type { ConnectionId, ExchangeId } from "../../core/ids.ts";
import type { Property } from "../record/checker.ts";

type Bucket = {
  level: number;
  levelMs: number;
  /** Requests that were taken since it is full, and since when that is; null while there is room. */
  taken: number;
  fullMs: number | null;
};

export const paced: Property = {
  name: "paced",
  create: (violate, judged) => {
    let limits: EdgeLimits | null = null;
    /** Whether each address is that of one peer. */
    let isOfOne = false;
    /** By process and connection, or exchange; and by process and peer. */
    const peers = new Map<string, string>();
    const buckets = new Map<string, Bucket>();
    return {
      begun: ({ scenario, edgeLimits }) => {
        limits = edgeLimits;
        const isChanged = scenario.faults.some(({ kind }) => kind === "server_settings_change");
        isOfOne = !isChanged && (scenario.trustedProxies ?? []).length === 0;
      },
      sees: ["connection_accepted", "exchange_opened", "exchange_closed", "respond"],
      edgeStep: ({ name, nowMs }, event, effects, count) => {
        if (limits === null || !isOfOne) return;
        const { addressUnservedMax, addressUnservedMs } = limits;
        const leak = (bucket: Bucket): void => {
          bucket.level = Math.max(0, bucket.level - (nowMs - bucket.levelMs) / addressUnservedMs);
          bucket.levelMs = nowMs;
          if (bucket.level + 1 > addressUnservedMax) bucket.fullMs ??= nowMs;
          else bucket.fullMs = null;
          if (bucket.fullMs === null) bucket.taken = 0;
        };
        if (event.type === "connection_accepted") peers.set(ofConnection(name, event.connection), event.peer);
        if (event.type === "respond" && event.unserved === true) {
          const peer = peers.get(ofExchange(name, event.exchange));
          // It may be over.
          if (peer !== undefined) {
            const key = `${name} ${peer}`;
            const bucket = buckets.get(key) ?? { level: 0, levelMs: nowMs, taken: 0, fullMs: null };
            buckets.set(key, bucket);
            leak(bucket);
            bucket.level++;
            leak(bucket);
            if (bucket.fullMs !== null) judged();
          }
        }
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "exchange_closed") peers.delete(ofExchange(name, effect.exchange));
          if (effect?.type !== "exchange_opened") continue;
          const peer = peers.get(ofConnection(name, effect.connection)) ?? "";
          peers.set(ofExchange(name, effect.exchange), peer);
          const bucket = buckets.get(`${name} ${peer}`);
          // The head of a handshake was taken before.
          if (bucket === undefined || effect.upgrade) continue;
          leak(bucket);
          if (bucket.fullMs === null) continue;
          bucket.taken++;
          if (bucket.taken > 2 + (nowMs - bucket.fullMs) / addressUnservedMs) {
            violate("safety", `${name} takes request ${effect.exchange} of ${peer}, who asks too fast`);
          }
        }
      },
    };
  },
};

function ofConnection(process: string, connection: ConnectionId): string {
  return `${process} connection ${connection}`;
}

function ofExchange(process: string, exchange: ExchangeId): string {
  return `${process} exchange ${exchange}`;
}
