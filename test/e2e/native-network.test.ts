/** The native protocol over a network that hands over bytes in odd pieces, and under two agents of one name. */
import { once } from "node:events";
import net from "node:net";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../helpers/origin.ts";
import { settled } from "../helpers/passage.ts";
import {
  type Server,
  startAgent,
  startServer,
  startTunnel,
  temporaryFolder,
  visitorsOf,
} from "../helpers/tunnel.ts";

describe("a wire", () => {
  test.each([
    ["one byte at a time", 1, 0],
    ["seven bytes at a time", 7, 0],
    ["in heaps of many frames", Number.POSITIVE_INFINITY, 20],
  ])("T07: that hands over %s changes nothing", async (_how, size, gatherMs) => {
    const server = await startServer();
    const port = await startOddRelay(server, size, gatherMs);
    const origin = await startOrigin((request, response) => {
      let text = "";
      request.setEncoding("latin1").on("data", (part: string) => {
        text += part;
      });
      request.on("end", () => {
        response.writeEarlyHints({ link: "</a>; rel=preload" });
        response.writeHead(200, { trailer: "x-sum", "set-cookie": ["a=1", "b=2"] });
        response.write(text);
        response.addTrailers({ "x-sum": String(text.length) });
        response.end("end");
      });
    });
    await startAgent({ url: `http://127.0.0.1:${port}` }, origin.url, { protocol: "native" });
    const home = visitorsOf(server, "home", await server.register("home"));
    const bodies = [1, 2, 3, 4].map((index) => `body ${index} `.repeat(50));
    const answers = await Promise.all(bodies.map((body) => home.ask("/x", { method: "POST", body })));
    for (const [index, answer] of answers.entries()) {
      expect(answer.body.toString()).toBe(`${bodies[index]}end`);
      expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
      expect(answer.isWhole).toBe(true);
    }
    expect(await server.status()).toMatchObject({ agentProtocolErrors: 0 });
    await settled(server);
  });
});

describe("two agents of one client id", () => {
  test.each([
    ["moosicbox", 0],
    ["native", 1],
  ] as const)(
    "T16: through the %s protocol, the newer has the home, the older is told superseded and stays away",
    async (protocol, sessions) => {
      const stateFile = join(temporaryFolder(), "agent.json");
      const older = await startTunnel((_request, response) => response.write("older"), {
        agent: { protocol, stateFile },
      });
      const { server } = older;
      const lost = older.ask("/x");
      await older.origin.asked(1);
      const origin = await startOrigin((_request, response) => response.end("newer"));
      await startAgent(server, origin.url, { protocol, stateFile });
      const line = await older.agent.log.line("trying again", {
        cause: "another agent runs with this client id",
      });
      expect(line.inMs).toBeGreaterThanOrEqual(15_000);
      // Nobody else can take up what the older one had begun.
      const answer = await lost;
      expect([502, 200]).toContain(answer.status);
      expect(answer.isWhole).toBe(answer.status === 502);
      for (let count = 0; count < 20; count++) {
        expect((await older.ask("/x")).body.toString()).toBe("newer");
      }
      expect(await server.status()).toMatchObject({ tunnelsAccepted: 2, tunnels: 1, sessions });
      expect(older.origin.requests).toHaveLength(1);
      await settled(server);
    },
  );
});

/** Hands over what comes in pieces of that size each way, or gathers it for so long and hands it over at once. */
async function startOddRelay(server: Server, size: number, gatherMs: number): Promise<number> {
  const relay = net.createServer({ allowHalfOpen: true }, (near) => {
    const far = net.connect({ port: server.port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    near.setNoDelay(true);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      let waiting: Buffer = Buffer.alloc(0);
      let isMoving = false;
      let isEnded = false;
      const move = async () => {
        if (isMoving) return;
        isMoving = true;
        if (gatherMs > 0) await new Promise((resolve) => setTimeout(resolve, gatherMs));
        while (waiting.length > 0) {
          to.write(waiting.subarray(0, size));
          waiting = waiting.subarray(size);
          await turn();
        }
        isMoving = false;
        if (isEnded) to.end();
      };
      from.on("data", (bytes: Buffer) => {
        waiting = Buffer.concat([waiting, bytes]);
        void move();
      });
      from.on("error", () => {});
      from.on("end", () => {
        isEnded = true;
        void move();
      });
    }
    onTestFinished(() => {
      near.destroy();
      far.destroy();
    });
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  onTestFinished(() => {
    relay.close();
  });
  const address = relay.address();
  if (address === null || typeof address === "string") throw new Error("the relay does not listen");
  return address.port;
}
