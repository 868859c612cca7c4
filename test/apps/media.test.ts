/** A film that nginx serves: ffprobe reads what it is, and ffmpeg seeks in it, by ranges of its bytes. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp } from "./tools/app.ts";
import { fromDebian } from "./tools/cache.ts";
import { startNginxOf } from "./tools/fronts.ts";
import { freePort, run } from "./tools/programs.ts";

const SECONDS = 60;

describeApp({
  name: "nginx with an mp4",
  front: "caddy",
  install: () => fromDebian({ ffmpeg: "ffmpeg", "/usr/sbin/nginx": "nginx-light" }),
  use: async (_, publish) => {
    const folder = temporaryFolder();
    const files = join(folder, "files");
    mkdirSync(files);
    const film = join(files, "film.mp4");
    // Its index is at its end, where a player has to seek first.
    const picture = `testsrc2=duration=${SECONDS}:size=640x360:rate=25`;
    await run("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", picture, "-c:v", "mpeg4", "-q:v", "3", film]);
    const port = await freePort();
    await startNginxOf(folder, port, `server { listen 127.0.0.1:${port}; root ${files}; }`);
    const { url, environment } = await publish(port);
    const asked = `${url}/film.mp4`;
    // Neither program trusts by default what its own TLS library finds.
    const trust = environment.SSL_CERT_FILE === undefined ? [] : ["-ca_file", environment.SSL_CERT_FILE];
    const told = await run("ffprobe", ["-v", "error", ...trust, "-of", "json", "-show_format", asked], {
      environment,
    });
    expect(Math.round(Number(JSON.parse(told).format.duration))).toBe(SECONDS);
    const frameAt = (second: number, place: string, options: readonly string[]) =>
      run(
        "ffmpeg",
        [
          ...["-v", "error", ...options, "-ss", String(second), "-i", place],
          ...["-frames:v", "1", "-f", "md5", "-"],
        ],
        { environment },
      );
    for (const second of [0, 50, 20, 59]) {
      expect(await frameAt(second, asked, trust)).toBe(await frameAt(second, film, []));
    }
  },
});
