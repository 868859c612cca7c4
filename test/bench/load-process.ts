/** The load generator as a process of its own: takes a load over the channel, answers with its result. */
import { type DownloadLoad, type RequestLoad, runLoad } from "./load.ts";

process.on("message", async (load: RequestLoad | DownloadLoad) => {
  process.send?.(await runLoad(load));
});
process.on("disconnect", () => process.exit());
console.log("ready");
