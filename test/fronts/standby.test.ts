/** The balancer of docs/cluster.md, in front of two servers with one registry. */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blocksIn, readDocument } from "../docs/documents.ts";
import { startOrigin } from "../helpers/origin.ts";
import { type Server, startAgent, startServer, temporaryFolder } from "../helpers/tunnel.ts";
import { type Answer, read } from "../helpers/visitor.ts";
import { createPlace, placed, runFront, written } from "./front.ts";

const [FRONT = ""] = blocksIn(readDocument("docs/tls-and-proxies.md"), "haproxy");
const [BACKEND = ""] = blocksIn(readDocument("docs/cluster.md"), "haproxy");

test("visitors and agents move to the second node where the first one ends", async () => {
  const database = `sqlite:${join(temporaryFolder(), "culvert.db")}`;
  const flags = ["--domain=localhost", "--trusted-proxy=127.0.0.1"];
  const first = await startServer({ database, flags });
  const second = await startServer({ database, flags });
  const place = await createPlace(first);
  const [front = ""] = FRONT.split(/^backend /m);
  const text = placed(front + BACKEND, {
    "bind :443": `bind 127.0.0.1:${place.port}`,
    "/etc/culvert/both.pem": place.both,
    "10.0.0.1:8000 check port 8001": checked(first),
    "10.0.0.2:8000 check port 8001": checked(second),
  });
  await runFront(["haproxy", "-f", written(place.folder, "haproxy.cfg", text)], place.folder, place.port);

  const origin = await startOrigin((_request, response) => response.end("come in"));
  const agent = await startAgent({ url: `https://localhost:${place.port}` }, origin.url, {
    protocol: "native",
    flags: ["--access=public", `--server-ca=${place.certificate}`],
    limits: { retryDownMs: 1_000, retryMs: 1_000 },
  });
  const ask = () =>
    new Promise<Answer>((resolve, reject) => {
      const tls = { ca: readFileSync(place.certificate), servername: "home.localhost" };
      const to = { host: "127.0.0.1", port: place.port, agent: false, ...tls };
      const call = request({ ...to, headers: { host: `home.localhost:${place.port}` } });
      call.once("error", reject);
      call.once("response", (response) => resolve(read(response)));
      call.end();
    });
  expect((await ask()).body.toString()).toBe("come in");
  expect([(await first.status()).tunnels, (await second.status()).tunnels]).toEqual([1, 0]);

  await first.running.stop();
  await expect.poll(async () => (await second.status()).tunnels).toBe(1);
  await expect.poll(async () => (await ask()).status).toBe(200);
  expect(agent.clientId).toBe("home");
});

function checked({ port, adminPort }: Server): string {
  return `127.0.0.1:${port} check port ${adminPort} inter 200ms`;
}
