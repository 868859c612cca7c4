/** An agent in a network that only a proxy leads out of: nothing else knows the server's name there. */
import { once } from "node:events";
import { createServer } from "node:http";
import net from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { registerClient } from "../demo/culvert.ts";
import { portOf, startOrigin } from "../helpers/origin.ts";
import { startProgram } from "../helpers/program.ts";
import { ACCESS_TOKEN, startServer, temporaryFolder, visitorsOf } from "../helpers/tunnel.ts";

test("an agent reaches its server by the proxy of its environment, and its home is served", async () => {
  const server = await startServer();
  const { url: proxy, asked } = await startProxy(server.port);
  const origin = await startOrigin((_request, response) => response.end("served"));
  const clientToken = await registerClient({ url: server.url, accessToken: ACCESS_TOKEN }, "home");
  const agent = startProgram(
    [
      ...["agent", "--server=http://tunnel.invalid", `--to=${origin.url}`, "--client-id=home"],
      `--state=${join(temporaryFolder(), "agent.json")}`,
    ],
    { environment: { HTTP_PROXY: proxy, NO_PROXY: "elsewhere.invalid" } },
  );
  const { ask } = visitorsOf(server, "home", clientToken);
  await expect.poll(async () => (await ask("/song")).body.toString()).toBe("served");
  expect(new Set(asked)).toEqual(new Set(["tunnel.invalid:80"]));
  agent.signal("SIGTERM");
  expect(await agent.ended).toBe(0);
});

/** A proxy that takes every name for that port of this machine. */
async function startProxy(
  port: number,
): Promise<{ readonly url: string; readonly asked: readonly string[] }> {
  const asked: string[] = [];
  const server = createServer((_request, response) => response.writeHead(405).end());
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  server.on("connect", (request, socket) => {
    asked.push(request.url ?? "");
    const onward = net.connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    sockets.add(onward);
    socket.on("error", () => onward.destroy());
    onward.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${portOf(server)}`, asked };
}
