/**
 * The yardstick: a plain `node:http` proxy, one hop, as anybody would write it. Connections to the origin are kept.
 * Usage: `one-hop.ts ORIGIN`.
 */
import { Agent, createServer, request } from "node:http";
import { pipeline } from "node:stream";
import { listenOnLoopback } from "../demo/listen.ts";

const origin = process.argv[2];
if (origin === undefined) throw new Error("usage: one-hop.ts ORIGIN");
const { hostname, port } = new URL(origin);
const agent = new Agent({ keepAlive: true });

const server = createServer((incoming, response) => {
  const { method = "GET", url = "/", headers } = incoming;
  const outgoing = request({ hostname, port, agent, method, path: url, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    // A broken answer destroys the visitor's connection: a part must not be taken for the whole.
    pipeline(answer, response, () => {});
  });
  outgoing.once("error", () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  response.once("close", () => outgoing.destroy());
  incoming.pipe(outgoing);
});
server.keepAliveTimeout = 120_000;
console.log(`listening on ${await listenOnLoopback(server)}`);
