/** Agents of the native protocol that die, as processes: what they owed is lost, and said so once. */
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Child, startChild } from "../demo/child.ts";
import { startOrigin } from "../helpers/origin.ts";
import { atRest } from "../helpers/relayed-home.ts";
import { ACCESS_TOKEN, startServer, temporaryFolder, visitorsOf } from "../helpers/tunnel.ts";
import { open, problemCode, read } from "../helpers/visitor.ts";

test("T03: an agent that is killed and stays away has its visitors told after the grace time, and the origin is not asked again", async () => {
  const { server, origin, agent, startAgent, ...home } = await startHome({ graceMs: 300, waitMs: 100 });
  const { half, unanswered } = await home.ask();
  process.kill(agent.pid, "SIGKILL");
  await agent.ended;
  expect(await half).toMatchObject({ status: 200, isWhole: false });
  expect(problemCode(await unanswered)).toBe("agent_lost");
  await server.log.line("session lost", { exchanges: 2 });
  await atRest({ server });

  await startAgent();
  await expect.poll(() => server.status()).toMatchObject({ sessions: 1 });
  expect((await home.visitors.ask("/next")).body.toString()).toBe("served");
  expect(origin.requests).toHaveLength(3);
});

test("T03: an agent that is killed and started again has its visitors told at once, and the origin is not asked again", async () => {
  const { server, origin, agent, startAgent, ...home } = await startHome({ graceMs: 60_000 });
  const { half, unanswered } = await home.ask();
  process.kill(agent.pid, "SIGKILL");
  await agent.ended;
  const waits = home.visitors.ask("/next");
  await expect.poll(() => server.status()).toMatchObject({ exchanges: 3, waiting: 1 });
  await startAgent();
  expect(await half).toMatchObject({ status: 200, isWhole: false });
  expect(problemCode(await unanswered)).toBe("agent_lost");
  expect((await waits).body.toString()).toBe("served");
  expect(origin.requests).toHaveLength(3);
  await atRest({ server });
  expect(await server.status()).toMatchObject({ sessions: 1, resumptions: 0 });
});

/** A server with limits, and an agent that can be killed. */
async function startHome(limits: { readonly graceMs: number; readonly waitMs?: number }) {
  const origin = await startOrigin((incoming, response) => {
    if (incoming.url?.startsWith("/half")) response.write("half");
    if (incoming.url?.startsWith("/next")) response.end("served");
  });
  const server = await startServer({ limits });
  const clientToken = await server.register("home");
  const visitors = visitorsOf(server, "home", clientToken);
  const stateFile = join(temporaryFolder(), "agent.json");
  const startAgent = async (): Promise<Child> => {
    const child = await startChild({
      name: "agent",
      file: "dist/program.cjs",
      args: [
        ...["agent", "--server", server.url, "--to", origin.url, "--protocol", "native"],
        ...["--client-id", "home", "--state", stateFile],
      ],
      environment: { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN },
      readyPrefix: "connected as",
    });
    onTestFinished(() => child.stop());
    return child;
  };
  const agent = await startAgent();
  return {
    ...{ server, origin, agent, startAgent, visitors },
    /** One answer that has begun, and one that has not. */
    ask: async () => {
      const headers = { authorization: `Bearer ${clientToken}` };
      const response = await open(server.url + visitors.target("/half"), { headers });
      const half = read(response);
      await once(response, "data");
      const unanswered = visitors.ask("/unanswered");
      await origin.asked(2);
      return { half, unanswered };
    },
  };
}
