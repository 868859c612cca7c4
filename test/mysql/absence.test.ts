/** Two nodes and a restart on one database: what each says of a home that is not there. */
import { expect, test } from "vitest";
import { startOrigin } from "../helpers/origin.ts";
import { startAgent, startServer, visitorsOf } from "../helpers/tunnel.ts";
import { ask, problemCode } from "../helpers/visitor.ts";
import { createDatabase } from "./database.ts";

test("a home that is away is known to every node, and to one that begins later", async () => {
  const database = await createDatabase();
  const options = { database: database.url(), flags: ["--path-routing=on"], limits: { waitMs: 500 } };
  const [first, other] = [await startServer(options), await startServer(options)];
  const origin = await startOrigin((_request, response) => response.end("served"));
  const agents = [
    await startAgent(first, origin.url, { clientId: "open", flags: ["--access=public"] }),
    await startAgent(first, origin.url, { clientId: "closed" }),
  ];
  const clientToken = await first.register("closed");
  for (const agent of agents) await agent.running.stop();
  const later = await startServer(options);
  for (const server of [first, other, later]) {
    const see = async (clientId: string, headers = {}) => {
      const answer = await ask(`${server.url}/t/${clientId}/`, { headers });
      return [answer.status, problemCode(answer)];
    };
    expect(await see("open")).toEqual([503, "agent_not_connected"]);
    expect(await see("open", { authorization: "Basic bWU6eA==" })).toEqual([503, "agent_not_connected"]);
    expect(await see("closed", { authorization: `Bearer ${clientToken}` })).toEqual([
      503,
      "agent_not_connected",
    ]);
    expect(await see("closed")).toEqual([401, "unauthorized"]);
    expect(await see("nobody")).toEqual([401, "unauthorized"]);
  }
});

test("a request at a node that another one's home moves to waits for it", async () => {
  const database = await createDatabase();
  // The agent at the other node has no state of the first one's.
  const options = { database: database.url(), flags: ["--register-again=always"] };
  const [first, second] = [await startServer(options), await startServer(options)];
  const origin = await startOrigin((_request, response) => response.end("served"));
  const agent = await startAgent(first, origin.url);
  const clientToken = await first.register("home");
  await agent.running.stop();
  const visit = visitorsOf(second, "home", clientToken).ask("/x");
  await startAgent(second, origin.url);
  expect((await visit).body.toString()).toBe("served");
});
