/** Radicale with python-caldav: a calendar is made, and its events are written, found, changed and deleted. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp } from "./tools/app.ts";
import { fromPyPI } from "./tools/cache.ts";
import { freePort, run, serve } from "./tools/programs.ts";

describeApp({
  name: "Radicale",
  front: "caddy",
  install: () => fromPyPI("radicale==3.9.0", "caldav==3.6.0"),
  use: async (programs, publish) => {
    const folder = temporaryFolder();
    const users = join(folder, "users");
    writeFileSync(users, "anna:secret\n");
    const port = await freePort();
    await serve(
      join(programs, "python"),
      [
        ...["-m", "radicale", `--server-hosts=127.0.0.1:${port}`],
        ...["--auth-type=htpasswd", `--auth-htpasswd-filename=${users}`, "--auth-htpasswd-encryption=plain"],
        `--storage-filesystem-folder=${join(folder, "collections")}`,
      ],
      port,
      { environment: { RADICALE_CONFIG: "" } },
    );
    const { url, environment } = await publish(port);
    const script = join(import.meta.dirname, "clients/caldav-client.py");
    const told = JSON.parse(await run(join(programs, "python"), [script, `${url}/`], { environment }));
    expect(told).toMatchObject({ found: 1, calendars: ["Fête"], titles: ["Brunch"] });
    expect(told.url).toContain(url);
  },
});
