/**
 * The load generator as a process of its own: takes a load over the channel, answers with its result. A paced load, a
 * crowd or strangers are answered when they are under way, and again with their result when they are told to stop.
 */
import { Crowd, type CrowdOrder, type CrowdResult } from "./crowd.ts";
import { type LeaversOrder, type LeaversResult, runLeavers } from "./leavers.ts";
import { type DownloadLoad, type LoadResult, type RequestLoad, runLoad } from "./load.ts";
import { PacedDownload, type PacedLoad, type PacedResult } from "./paced-load.ts";
import { Strangers, type StrangersOrder, type StrangersResult } from "./strangers.ts";
import { runUpload, type UploadLoad } from "./upload.ts";

export type LoadOrder =
  | RequestLoad
  | DownloadLoad
  | UploadLoad
  | PacedLoad
  | CrowdOrder
  | StrangersOrder
  | LeaversOrder
  | { readonly kind: "stop" };

/** What goes on until it is stopped. */
let lasting: PacedDownload | Crowd | Strangers | null = null;

process.on("message", async (order: LoadOrder) => process.send?.(await obey(order)));
process.on("disconnect", () => process.exit());
console.log("ready");

type Answer =
  | LoadResult
  | PacedResult
  | CrowdResult
  | StrangersResult
  | LeaversResult
  | { readonly ready: true };

async function obey(order: LoadOrder): Promise<Answer> {
  if (order.kind === "upload") return runUpload(order);
  if (order.kind === "leavers") return runLeavers(order);
  if (order.kind === "requests" || order.kind === "downloads") return runLoad(order);
  if (order.kind !== "stop") {
    lasting = begin(order);
    await lasting.ready;
    return { ready: true };
  }
  const result = lasting?.stop() ?? { bytesPerSecond: 0, fault: "there is nothing to stop" };
  lasting = null;
  return result;
}

function begin(order: PacedLoad | CrowdOrder | StrangersOrder): PacedDownload | Crowd | Strangers {
  switch (order.kind) {
    case "paced":
      return new PacedDownload(order);
    case "crowd":
      return new Crowd(order);
    case "strangers":
      return new Strangers(order);
  }
}
