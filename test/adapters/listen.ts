import { once } from "node:events";
import type net from "node:net";

/** Listens on a free port of 127.0.0.1 and gives `host:port`. What ends it goes on the list: it cuts every connection, too. */
export async function listen(server: net.Server, cleanups: (() => void)[]): Promise<string> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen");
  return `127.0.0.1:${address.port}`;
}
