/** The tunnel itself, with each of its two protocols. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  clientTokenIn,
  query,
  type Server,
  type StartedProtocol,
  startAgent,
  startServer,
} from "../demo/culvert.ts";
import type { Contender, Place, Running } from "./contenders.ts";
import { freePort } from "./program.ts";

export const culvertNative = culvertWith("native");
export const culvertMoosicbox = culvertWith("moosicbox");

function culvertWith(protocol: StartedProtocol): Contender {
  return {
    name: `culvert ${protocol}`,
    missing: () => null,
    hasWan: true,
    start: (place) => startCulvert(protocol, place),
  };
}

/** Visitors come to the one node, and the agent has come to the other. */
export const culvertTwoNodes: Contender = {
  name: "culvert two nodes",
  missing: () => null,
  start: async (place) => {
    const own = {
      database: `sqlite:${join(place.folder, "culvert.db")}`,
      secret: randomBytes(32).toString("hex"),
    };
    const other = await startNode(await freePort(), own);
    try {
      const node = await startNode(await freePort(), own);
      const culvert = await startCulvertAt(node, "native", place);
      return {
        target: (path) => {
          const { url, headers } = culvert.target(path);
          return { url: url.replace(node.url, other.url), headers };
        },
        processes: [{ role: "other node", pid: other.child.pid }, ...culvert.processes],
        stop: async () => {
          await culvert.stop();
          await other.child.stop();
        },
      };
    } catch (error) {
      await other.child.stop();
      throw error;
    }
  },
};

/** One that others reach at that port. */
function startNode(
  port: number,
  { database, secret }: { readonly database: string; readonly secret: string },
): Promise<Server> {
  const args = [
    ...["--peer-bind", "127.0.0.1", "--peer-port", String(port), "--peer-url", `http://127.0.0.1:${port}`],
    ...["--cluster-secret", secret],
  ];
  return startServer({ database, args });
}

/** `adminPort`: any free one by default. */
export async function startCulvert(
  protocol: StartedProtocol,
  { adminPort = 0, ...place }: Place & { readonly adminPort?: number },
): Promise<Running> {
  const { wan } = place;
  const server = await startServer({ adminPort, ...(wan === undefined ? {} : { bind: wan.outsideAddress }) });
  return startCulvertAt(server, protocol, place);
}

/** The home of that server, which is stopped with it, and where it cannot be had. */
async function startCulvertAt(
  server: Server,
  protocol: StartedProtocol,
  { originUrl, folder, link, wan }: Place,
): Promise<Running> {
  const clientId = "bench";
  const stateFile = join(folder, "agent.json");
  try {
    const agent = await startAgent({
      server,
      serverUrl: await link(server.url),
      to: originUrl,
      clientId,
      stateFile,
      protocol,
      ...(wan === undefined ? {} : { namespace: wan.home }),
    });
    const token = clientTokenIn(stateFile);
    return {
      target: (path) => ({
        url: `${server.url}${path}${path.includes("?") ? "&" : "?"}${query({ clientId })}`,
        headers: { authorization: `Bearer ${token}` },
      }),
      processes: [
        { role: "server", pid: server.child.pid },
        { role: "agent", pid: agent.pid },
      ],
      stop: async () => {
        await agent.stop();
        await server.child.stop();
      },
    };
  } catch (error) {
    await server.child.stop();
    throw error;
  }
}
