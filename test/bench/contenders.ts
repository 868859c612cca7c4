/**
 * What is measured: each contender stands between the load and the origin in processes of its own. A further one, such
 * as `ssh -R` or nginx, is one more entry of `contenders`.
 */
import { join } from "node:path";
import { type Child, startChild } from "../demo/child.ts";
import { query, registerClient, startAgent, startServer } from "../demo/culvert.ts";
import type { Target } from "./load.ts";

export type Contender = {
  /** In the table; unique. */
  readonly name: string;
  /** `folder` is for its files; it is empty and is removed at the end. */
  start(originUrl: string, folder: string): Promise<Running>;
};

export type Running = {
  /** How to ask for a path of the origin, such as `/bulk?bytes=1`. */
  target(path: string): Target;
  /** Whose CPU time and memory count. */
  readonly processes: readonly MeasuredProcess[];
  /** Ends what `start` started. */
  stop(): Promise<void>;
};

export type MeasuredProcess = { readonly role: string; readonly pid: number };

/** The first is what the others are compared with; so is the one called `ONE_HOP`. */
export const DIRECT = "direct";
export const ONE_HOP = "one hop";

const direct: Contender = {
  name: DIRECT,
  start: async (originUrl) => ({
    target: (path) => ({ url: originUrl + path, headers: {} }),
    processes: [],
    stop: async () => {},
  }),
};

const oneHop: Contender = {
  name: ONE_HOP,
  start: async (originUrl) => {
    const proxy = await startChild({
      name: "one-hop proxy",
      file: "test/bench/one-hop.ts",
      args: [originUrl],
      readyPrefix: "listening on ",
    });
    return {
      target: (path) => ({ url: proxy.readyText + path, headers: {} }),
      processes: [measured("proxy", proxy)],
      stop: () => proxy.stop(),
    };
  },
};

const culvert: Contender = {
  name: "culvert",
  start: async (originUrl, folder) => {
    const clientId = "bench";
    const server = await startServer();
    try {
      const agent = await startAgent({
        server,
        to: originUrl,
        clientId,
        stateFile: join(folder, "agent.json"),
      });
      const token = await registerClient(server, clientId);
      return {
        target: (path) => ({
          url: `${server.url}${path}${path.includes("?") ? "&" : "?"}${query({ clientId })}`,
          headers: { authorization: `Bearer ${token}` },
        }),
        processes: [measured("server", server.child), measured("agent", agent)],
        stop: async () => {
          await agent.stop();
          await server.child.stop();
        },
      };
    } catch (error) {
      await server.child.stop();
      throw error;
    }
  },
};

export const contenders: readonly Contender[] = [direct, oneHop, culvert];

function measured(role: string, child: Child): MeasuredProcess {
  return { role, pid: child.pid };
}
