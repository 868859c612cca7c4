/** WsgiDAV with rclone: a large file up and down, and moves to names beyond ASCII, whose `Destination` is at the home's own name. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp, isWhole } from "./tools/app.ts";
import { fromDebian, fromPyPI } from "./tools/cache.ts";
import { MIB, sha256Of, writeRandomFile } from "./tools/files.ts";
import { freePort, run, serve } from "./tools/programs.ts";

const BYTES = isWhole ? 1_024 * MIB : 64 * MIB;

describeApp({
  name: "WsgiDAV",
  front: "nginx",
  install: async () => {
    await fromDebian({ rclone: "rclone" });
    return await fromPyPI("wsgidav==4.4.0", "cheroot==11.1.2");
  },
  use: async (programs, publish) => {
    const folder = temporaryFolder();
    const files = join(folder, "files");
    mkdirSync(files);
    const port = await freePort();
    const args = ["--host", "127.0.0.1", "--port", String(port), "--root", files, "--auth", "anonymous"];
    await serve(join(programs, "wsgidav"), args, port);
    const { url, environment } = await publish(port);
    const remote = { RCLONE_CONFIG_HOME_TYPE: "webdav", RCLONE_CONFIG_HOME_URL: url };
    const rclone = (...command: string[]) =>
      run("rclone", ["--config", join(folder, "none"), "--retries", "1", ...command], {
        environment: { ...environment, ...remote, RCLONE_CONFIG_HOME_VENDOR: "other" },
      });
    const sent = join(folder, "sent");
    writeRandomFile(sent, BYTES);
    await rclone("copyto", sent, "home:music/large");
    expect(await sha256Of(join(files, "music/large"))).toBe(await sha256Of(sent));
    await rclone("moveto", "home:music/large", "home:müsik/großes stück");
    const taken = join(folder, "taken");
    await rclone("copyto", "home:müsik/großes stück", taken);
    expect(await sha256Of(taken)).toBe(await sha256Of(sent));
    const listed = JSON.parse(await rclone("lsjson", "--recursive", "home:"));
    expect(listed.map(({ Path }: { Path: string }) => Path).toSorted()).toEqual([
      "music",
      "müsik",
      "müsik/großes stück",
    ]);
  },
});
