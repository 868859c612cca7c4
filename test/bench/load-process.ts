/**
 * The load generator as a process of its own: takes a load over the channel, answers with its result. A paced load is
 * answered when it is under way, and again with its result when it is told to stop.
 */
import { type DownloadLoad, type LoadResult, type RequestLoad, runLoad } from "./load.ts";
import { PacedDownload, type PacedLoad, type PacedResult } from "./paced-load.ts";

export type LoadOrder = RequestLoad | DownloadLoad | PacedLoad | { readonly kind: "stop" };

let paced: PacedDownload | null = null;

process.on("message", async (order: LoadOrder) => process.send?.(await obey(order)));
process.on("disconnect", () => process.exit());
console.log("ready");

async function obey(order: LoadOrder): Promise<LoadResult | PacedResult | { readonly ready: true }> {
  if (order.kind === "paced") {
    paced = new PacedDownload(order);
    await paced.ready;
    return { ready: true };
  }
  if (order.kind !== "stop") return runLoad(order);
  const result = paced?.stop() ?? { bytesPerSecond: 0, fault: "there is no paced load to stop" };
  paced = null;
  return result;
}
