/** One hop again, but the fastest that there is: what a proxy costs that is not written in JavaScript. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Contender } from "./contenders.ts";
import { findProgram, freePort, startProgram } from "./program.ts";

export const nginx: Contender = {
  name: "nginx",
  missing: () => (findProgram("nginx") === null ? "nginx is not installed" : null),
  start: async ({ originUrl, folder, link }) => {
    const file = findProgram("nginx");
    if (file === null) throw new Error("nginx is not installed");
    const port = await freePort();
    const configuration = join(folder, "nginx.conf");
    await writeFile(
      configuration,
      configurationText({ port, origin: new URL(await link(originUrl)).host, folder }),
    );
    const program = await startProgram({ file, args: ["-c", configuration, "-e", "stderr"], port });
    return {
      target: (path) => ({ url: `http://127.0.0.1:${port}${path}`, headers: {} }),
      processes: program.processes().map((pid) => ({ role: "proxy", pid })),
      stop: () => program.stop(),
    };
  },
};

/** One process, connections kept on both sides for as long as the run lasts, and nothing on disk but its own folder. */
function configurationText(options: {
  readonly port: number;
  readonly origin: string;
  readonly folder: string;
}): string {
  const { port, origin, folder } = options;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  return `
daemon off;
master_process off;
pid ${join(folder, "nginx.pid")};
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.join("\n  ")}
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  proxy_max_temp_file_size 0;
  upstream origin {
    server ${origin};
    keepalive 128;
    keepalive_requests 1000000000;
    keepalive_timeout 60s;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`;
}
