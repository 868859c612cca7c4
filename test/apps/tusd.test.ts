/** tusd with tus-js-client: an upload that breaks off goes on where it was, at the place that the server gave it. */
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp, isWhole } from "./tools/app.ts";
import { fromGo, fromNpm } from "./tools/cache.ts";
import { MIB, sha256Of, writeRandomFile } from "./tools/files.ts";
import { freePort, run, serve } from "./tools/programs.ts";

const BYTES = isWhole ? 100 * MIB : 35 * MIB;

describeApp({
  name: "tusd",
  front: "nginx",
  install: async () => ({
    service: join(await fromGo("github.com/tus/tusd/v2/cmd/tusd@v2.9.1"), "tusd"),
    packages: await fromNpm("tus-js-client@4.3.1"),
  }),
  use: async ({ service, packages }, publish) => {
    const folder = temporaryFolder();
    const port = await freePort();
    await serve(service, ["-host", "127.0.0.1", "-port", String(port), "-upload-dir", folder], port);
    const { url, environment } = await publish(port);
    const sent = join(temporaryFolder(), "sent");
    writeRandomFile(sent, BYTES);
    const script = join(import.meta.dirname, "clients/tus-client.cjs");
    const told = await run(process.execPath, [script, `${url}/files/`, sent], {
      environment: { ...environment, NODE_PATH: packages },
    });
    const place = JSON.parse(told).url as string;
    expect(place.startsWith(`${url}/files/`)).toBe(true);
    expect(await sha256Of(join(folder, place.slice(place.lastIndexOf("/") + 1)))).toBe(await sha256Of(sent));
  },
});
