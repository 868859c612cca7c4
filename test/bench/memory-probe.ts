/**
 * Preloaded into the server where idle memory is measured (`node --expose-gc --import`): collects all garbage when asked
 * over the channel and answers with what remains, so that the measure does not depend on when V8 last collected.
 */
import { setTimeout as delay } from "node:timers/promises";

export type MemoryAnswer = { readonly rss: number; readonly heapUsed: number };

process.on("message", async () => {
  // Twice, with a pause: finalizers of the first make garbage for the second, and pages go back to the kernel late.
  await globalThis.gc?.({ type: "major", execution: "async" });
  await delay(SETTLE_MS);
  await globalThis.gc?.({ type: "major", execution: "async" });
  await delay(SETTLE_MS);
  const { rss, heapUsed } = process.memoryUsage();
  process.send?.({ rss, heapUsed } satisfies MemoryAnswer);
});
// The channel must not keep the server alive when it has drained.
process.channel?.unref();

const SETTLE_MS = 400;
