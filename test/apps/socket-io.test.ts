/** Socket.IO's own server and client: polling, its upgrade to a WebSocket, binary messages and their answers. */
import { join } from "node:path";
import { expect } from "vitest";
import { describeApp } from "./tools/app.ts";
import { fromNpm } from "./tools/cache.ts";
import { freePort, run, serve } from "./tools/programs.ts";

describeApp({
  name: "Socket.IO",
  front: "caddy",
  install: () => fromNpm("socket.io@4.8.4", "socket.io-client@4.8.4"),
  use: async (packages, publish) => {
    const port = await freePort();
    const script = (name: string) => join(import.meta.dirname, "clients", name);
    const environment = { NODE_PATH: packages };
    await serve(process.execPath, [script("socket-io-service.cjs"), String(port)], port, { environment });
    const home = await publish(port);
    const told = await run(process.execPath, [script("socket-io-client.cjs"), home.url], {
      environment: { ...home.environment, ...environment },
    });
    let sum = 0;
    for (let index = 0; index < 900_000; index++) sum += index % 251;
    expect(JSON.parse(told)).toEqual({
      transports: ["polling", "websocket"],
      length: 900_000,
      sum,
      isEqual: true,
      isOrdered: true,
    });
  },
});
