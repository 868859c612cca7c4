/** Strangers beside those whose tokens are looked up, on MySQL. */
import net from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { RawConnection } from "../adapters/raw-client.ts";
import { startTunnel } from "../helpers/tunnel.ts";
import { createDatabase } from "./database.ts";

const GUESS = "GET /x?clientId=home HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong\r\n\r\n";

test("a flood of wrong tokens leaves whoever shows a good one his look-up", async () => {
  const database = await createDatabase();
  const { server, ask } = await startTunnel((_request, response) => response.end("served"), {
    server: { database: database.url(), limits: { tokenFreshMs: 0, registryCallsMax: 256 } },
  });
  const { port } = server;
  const strangers = Array.from({ length: 300 }, () => {
    const socket = net.connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    onTestFinished(() => void socket.destroy());
    socket.write(GUESS.repeat(8));
    // As fast as they are answered.
    socket.on("data", () => socket.write(GUESS));
    return new RawConnection(socket);
  });
  await Promise.race(strangers.map((stranger) => stranger.until(() => stranger.bytes > 0)));
  for (let round = 0; round < 50; round++) expect((await ask("/song")).body.toString()).toBe("served");
});
