/** What several workers cannot do with settings that are for one process. */
import type { ServeConfig } from "./serve.ts";

/** Where they contradict each other, what to do; null where all is well. Of `--workers` 1 everything is. */
export function workersProblem({
  workers,
  database,
  publicUrl,
  reusePort,
  port,
  peer,
}: ServeConfig): string | null {
  if (workers === 1) return null;
  if (database.type === "sqlite" && database.path === ":memory:") {
    return "--workers needs a database that all of them see: give --database a file or MySQL";
  }
  if (publicUrl !== null) {
    return "--public-url names one node, and --workers makes several that share a port: leave one of the two out";
  }
  if (reusePort && port === 0) return "--workers with --reuse-port on needs a --port of its own, not 0";
  if (peer === null) return null;
  if (peer.port === 0) return "--workers needs a --peer-port: each worker takes the next one";
  if (peer.port + workers - 1 > 65_535) return "--peer-port is too high: each worker takes the next one";
  const { port: dialled } = new URL(peer.url);
  if (dialled === String(peer.port)) return null;
  return "--workers needs a --peer-url with the port of --peer-port: each worker takes the next one of both";
}
