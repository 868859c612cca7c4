/**
 * The load generator as a process of its own: takes a load over the channel, answers with its result. A paced load, or a
 * crowd, is answered when it is under way, and again with its result when it is told to stop.
 */
import { Crowd, type CrowdOrder, type CrowdResult } from "./crowd.ts";
import { type DownloadLoad, type LoadResult, type RequestLoad, runLoad } from "./load.ts";
import { PacedDownload, type PacedLoad, type PacedResult } from "./paced-load.ts";
import { runUpload, type UploadLoad } from "./upload.ts";

export type LoadOrder =
  | RequestLoad
  | DownloadLoad
  | UploadLoad
  | PacedLoad
  | CrowdOrder
  | { readonly kind: "stop" };

/** What goes on until it is stopped. */
let lasting: PacedDownload | Crowd | null = null;

process.on("message", async (order: LoadOrder) => process.send?.(await obey(order)));
process.on("disconnect", () => process.exit());
console.log("ready");

type Answer = LoadResult | PacedResult | CrowdResult | { readonly ready: true };

async function obey(order: LoadOrder): Promise<Answer> {
  if (order.kind === "paced" || order.kind === "crowd") {
    lasting = order.kind === "paced" ? new PacedDownload(order) : new Crowd(order);
    await lasting.ready;
    return { ready: true };
  }
  if (order.kind === "upload") return runUpload(order);
  if (order.kind !== "stop") return runLoad(order);
  const result = lasting?.stop() ?? { bytesPerSecond: 0, fault: "there is nothing to stop" };
  lasting = null;
  return result;
}
