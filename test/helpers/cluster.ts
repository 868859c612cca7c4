/** Nodes that share a registry, each with a listener for the others, inside the test's process. */
import { once } from "node:events";
import net from "node:net";
import { join } from "node:path";
import type { PeerConfig } from "../../adapters/settings/peer.ts";
import { portOf } from "./origin.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";
import { type Server, type ServerOptions, startServer, temporaryFolder } from "./tunnel.ts";

/** What all nodes of a test share, as long as an operator's would be; no output may ever show it. */
export const CLUSTER_SECRET = "canary-cluster-7d41c90ab2f64e3a8c55";

export type NodeOptions = ServerOptions & {
  readonly secrets?: readonly string[];
  readonly tls?: PeerConfig["tls"];
};

/** A node, and where others reach it. */
export type ClusterNode = Server & { readonly peerUrl: string };

/** Nodes on one SQLite file; what differs between them is told by their number. */
export async function startCluster(
  count: number,
  optionsOf: (index: number) => NodeOptions = () => ({}),
): Promise<ClusterNode[]> {
  const database = `sqlite:${join(temporaryFolder(), "cluster.db")}`;
  const servers: ClusterNode[] = [];
  for (let index = 0; index < count; index++) {
    servers.push(await startNode({ database, ...optionsOf(index) }));
  }
  return servers;
}

const PLAIN = { cert: null, key: null, ca: null };

/** One more node on a database that is there. */
export async function startNode({
  secrets = [CLUSTER_SECRET],
  tls = PLAIN,
  ...options
}: NodeOptions): Promise<ClusterNode> {
  const port = await freePort();
  const url = `${tls.cert === null ? "http" : "https"}://127.0.0.1:${port}`;
  const server = await startServer({ ...options, peer: { bind: "127.0.0.1", port, url, secrets, tls } });
  return { ...server, peerUrl: url };
}

/** One more node, as a process of its own, which can be killed. */
export async function startNodeProcess(
  database: string,
  flags: readonly string[] = [],
): Promise<ServerProcess> {
  const port = await freePort();
  const peer = ["--peer-bind=127.0.0.1", `--peer-port=${port}`, `--peer-url=http://127.0.0.1:${port}`];
  return startServerProcess(database, 0, [...peer, `--cluster-secret=${CLUSTER_SECRET}`, ...flags]);
}

/** One that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}
