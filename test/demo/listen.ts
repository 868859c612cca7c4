/** The two ends of a `node:http` server's life, as promises. */
import type { Server } from "node:http";

/** Listens on a free port of 127.0.0.1; resolves with the address, such as `http://127.0.0.1:41234`. */
export function listenOnLoopback(server: Server): Promise<string> {
  return listenOn(server, "127.0.0.1");
}

/** The same on another address of this machine. */
export function listenOn(server: Server, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("not listening on a port"));
      else resolve(`http://${host}:${address.port}`);
    });
  });
}

/** Cuts what is still running. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
