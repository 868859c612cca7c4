/** The tunnel itself, with each of its two protocols. */
import { join } from "node:path";
import { clientTokenIn, query, type StartedProtocol, startAgent, startServer } from "../demo/culvert.ts";
import type { Contender, Place, Running } from "./contenders.ts";

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

/** `adminPort`: any free one by default. */
export async function startCulvert(
  protocol: StartedProtocol,
  { originUrl, folder, link, wan, adminPort = 0 }: Place & { readonly adminPort?: number },
): Promise<Running> {
  const clientId = "bench";
  const stateFile = join(folder, "agent.json");
  const server = await startServer({ adminPort, ...(wan === undefined ? {} : { bind: wan.outsideAddress }) });
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
