/** git's own HTTP backend: a push and a clone, both over three cuts of the tunnel, which neither end gets to know of. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { TcpRelay } from "../helpers/tcp-relay.ts";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp, isWhole } from "./tools/app.ts";
import { fromDebian } from "./tools/cache.ts";
import { MIB, sha256Of, writeRandomFile } from "./tools/files.ts";
import { startNginxOf } from "./tools/fronts.ts";
import { freePort, run, serveAt } from "./tools/programs.ts";

const BYTES = isWhole ? 100 * MIB : 25 * MIB;
const CUTS = 3;

describeApp({
  name: "git",
  front: "caddy",
  install: () =>
    fromDebian({
      git: "git",
      fcgiwrap: "fcgiwrap",
      "/usr/sbin/nginx": "nginx-light",
    }),
  use: async (_, publish) => {
    const folder = temporaryFolder();
    const [served, work, copy] = ["served", "work", "copy"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    let relay: TcpRelay | null = null;
    const port = await startGitService(folder, served);
    const { url, environment } = await publish(port, {
      relayed: (made) => {
        relay = made;
      },
    });
    const git = (...args: string[]) =>
      run("git", args, { environment: { ...environment, ...OF_NOBODY, HOME: folder } });
    await git("init", "--quiet", "--bare", join(served, "music.git"));
    await git("-C", join(served, "music.git"), "config", "http.receivepack", "true");
    await git("init", "--quiet", "--initial-branch=main", work);
    writeRandomFile(join(work, "large"), BYTES);
    await git("-C", work, "add", "large");
    await git("-C", work, "commit", "--quiet", "--message=large");
    await overCuts(relay, git("-C", work, "push", "--quiet", `${url}/music.git`, "main"));
    await git("-C", join(served, "music.git"), "fsck", "--strict");
    await git("-C", join(served, "music.git"), "symbolic-ref", "HEAD", "refs/heads/main");
    await overCuts(relay, git("clone", "--quiet", `${url}/music.git`, copy));
    expect(await sha256Of(join(copy, "large"))).toBe(await sha256Of(join(work, "large")));
  },
});

/** Cuts the tunnel until it was cut often enough while that runs. */
async function overCuts(relay: TcpRelay | null, running: Promise<string>): Promise<void> {
  if (relay === null) throw new Error("there is no network to cut");
  const before = relay.cuts;
  const stop = relay.cutEvery(300, 50);
  let isOver = false;
  const over = running.finally(() => {
    isOver = true;
  });
  while (!isOver && relay.cuts < before + CUTS) await new Promise((resolve) => setTimeout(resolve, 10));
  stop();
  await over;
  expect(relay.cuts - before).toBeGreaterThanOrEqual(CUTS);
}

async function startGitService(folder: string, served: string): Promise<number> {
  mkdirSync(served);
  const socket = join(folder, "fcgi");
  await serveAt("fcgiwrap", ["-c", "2", "-s", `unix:${socket}`], socket);
  const port = await freePort();
  await startNginxOf(
    folder,
    port,
    `server {
  listen 127.0.0.1:${port};
  client_max_body_size 0;
  location / {
    fastcgi_pass unix:${socket};
    fastcgi_read_timeout 300s;
    fastcgi_request_buffering off;
    fastcgi_buffering off;
    fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
    fastcgi_param GIT_PROJECT_ROOT ${served};
    fastcgi_param GIT_HTTP_EXPORT_ALL "";
    fastcgi_param PATH_INFO $uri;
    fastcgi_param QUERY_STRING $query_string;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_TYPE $content_type;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
    fastcgi_param HTTP_GIT_PROTOCOL $http_git_protocol;
  }
}`,
  );
  return port;
}

const OF_NOBODY = {
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@example.org",
  GIT_TERMINAL_PROMPT: "0",
};
