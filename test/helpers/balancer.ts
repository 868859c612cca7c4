/** A balancer of TCP connections: each goes to the next of its servers, and past one that takes none. */
import { once } from "node:events";
import net from "node:net";
import { onTestFinished } from "vitest";
import { portOf } from "./origin.ts";

export type Balancer = { readonly url: string; readonly ports: number[] };

export async function startBalancer(...ports: number[]): Promise<Balancer> {
  let turn = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    sockets.add(client);
    client.on("error", () => {});
    const dial = (left: number): void => {
      const port = ports[turn++ % ports.length] ?? 0;
      const upstream = net.connect(port, "127.0.0.1");
      sockets.add(upstream);
      upstream.once("error", () => {
        if (upstream.connecting && left > 0) dial(left - 1);
        else client.destroy();
      });
      upstream.once("connect", () => {
        client.pipe(upstream).pipe(client);
        upstream.once("close", () => client.destroy());
        client.once("close", () => upstream.destroy());
      });
    };
    dial(ports.length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${portOf(server)}`, ports };
}
