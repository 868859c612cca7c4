/** The bundled agent behind a balancer: it has a link to each of two nodes, and nobody notices when one of them dies. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { startBalancer } from "../helpers/balancer.ts";
import { startNode, startNodeProcess } from "../helpers/cluster.ts";
import { startOrigin } from "../helpers/origin.ts";
import { DOMAIN } from "../helpers/passage.ts";
import { kill } from "../helpers/server-process.ts";
import { type Agent, startAgent, startServer, temporaryFolder } from "../helpers/tunnel.ts";
import { ask } from "../helpers/visitor.ts";

/** What waits for its home fails, and nodes hear of each other soon. */
const LIMITS = ["waitMs=0", "leaseMs=4000", "leaseRenewMs=300", "registryCallMs=300"];
const FLAGS = [`--domain=${DOMAIN}`, ...LIMITS.map((limit) => `--limit=${limit}`)];
const PUBLIC = { protocol: "native", flags: ["--access=public"] } as const;

async function statusAt(server: { readonly url: string }): Promise<number> {
  return (await ask(`${server.url}/`, { headers: { host: `home.${DOMAIN}` } })).status;
}

function nodesOf(agent: Agent): Set<unknown> {
  return new Set(agent.log.lines.filter(({ msg }) => msg === "connected").map(({ node }) => node));
}

test("an agent has a link to each of two nodes, and one that died is replaced when its node is back", async () => {
  const file = join(temporaryFolder(), "cluster.db");
  const kept = await startNode({ database: `sqlite:${file}`, flags: FLAGS });
  const killed = await startNodeProcess(file, FLAGS);
  const origin = await startOrigin((_request, response) => response.end("ok"));
  const balancer = await startBalancer(kept.port, killed.port);
  const agent = await startAgent(balancer, origin.url, PUBLIC);
  await agent.log.count("connected", 2);
  expect(nodesOf(agent).size).toBe(2);
  expect([await statusAt(kept), await statusAt(killed)]).toEqual([200, 200]);
  expect((await kept.status()).hopsSent).toBe(0);

  await kill(killed.child);
  for (let requests = 0; requests < 50; requests++) expect(await statusAt(kept)).toBe(200);

  const back = await startNodeProcess(file, FLAGS);
  balancer.ports.splice(1, 1, back.port);
  await agent.log.count("connected", 3);
  expect(nodesOf(agent).size).toBe(3);
  expect([await statusAt(kept), await statusAt(back)]).toEqual([200, 200]);
  expect((await kept.status()).hopsSent).toBe(0);
  await agent.running.stop();
  expect(await statusAt(kept)).not.toBe(200);
});

test("an agent with one link, told so, serves both nodes by it", async () => {
  const file = join(temporaryFolder(), "cluster.db");
  const options = { database: `sqlite:${file}`, flags: FLAGS };
  const [a, b] = [await startNode(options), await startNode(options)];
  const origin = await startOrigin((_request, response) => response.end("ok"));
  const balancer = await startBalancer(a.port, b.port);
  const flags = [...PUBLIC.flags, "--links=1"];
  await startAgent(balancer, origin.url, { ...PUBLIC, flags });
  expect([await statusAt(a), await statusAt(b)]).toEqual([200, 200]);
  const [first, second] = [await a.status(), await b.status()];
  expect(first.tunnels + second.tunnels).toBe(1);
  expect(first.hopsSent + second.hopsSent).toBe(1);
});

test("an agent of one server has one tunnel to it", async () => {
  const server = await startServer({ flags: [`--domain=${DOMAIN}`] });
  const origin = await startOrigin((_request, response) => response.end("ok"));
  const agent = await startAgent(server, origin.url, PUBLIC);
  expect(await statusAt(server)).toBe(200);
  expect(agent.log.lines.find(({ msg }) => msg === "connected")?.node).toBeNull();
  expect((await server.status()).tunnelsAccepted).toBe(1);
});
