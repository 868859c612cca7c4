/**
 * Preloaded into a server that is watched (`node --expose-gc --import`). `watch` forgets what was seen before; `measure`
 * tells how long the loop stood at most since then, and what is resident after a collection of all garbage, so that it does
 * not depend on when V8 last collected.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

export type ProbeOrder = { readonly type: "watch" } | { readonly type: "measure" };

export type ProbeAnswer = { readonly rss: number; readonly heapUsed: number; readonly loopMs: number };

/** A pause of this length between two looks is none. */
const RESOLUTION_MS = 10;

const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();

process.on("message", async (order: ProbeOrder) => {
  const loopMs = Math.max(0, delays.max / 1e6 - RESOLUTION_MS);
  if (order.type === "measure") await collect();
  // Collecting stops the loop.
  delays.reset();
  const { rss, heapUsed } = process.memoryUsage();
  process.send?.({ rss, heapUsed, loopMs } satisfies ProbeAnswer);
});
// The channel must not keep the server alive when it has drained.
process.channel?.unref();

/** Twice, with a pause: finalizers of the first make garbage for the second, and pages go back to the kernel late. */
async function collect(): Promise<void> {
  for (let times = 0; times < 2; times++) {
    await globalThis.gc?.({ type: "major", execution: "async" });
    await delay(SETTLE_MS);
  }
}

const SETTLE_MS = 400;
