/** One process of an agent that has tunnels at several nodes of one database. */
import { once } from "node:events";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import WebSocket from "ws";
import { startCluster, startNode, startNodeProcess } from "../helpers/cluster.ts";
import { DOMAIN } from "../helpers/passage.ts";
import { kill } from "../helpers/server-process.ts";
import { type Server, temporaryFolder } from "../helpers/tunnel.ts";
import { ask, problemCode } from "../helpers/visitor.ts";
import { WireAgent } from "../helpers/wire-agent.ts";

const ONE = "0123456789abcdef";
const TWO = "fedcba9876543210";
const LEASES = { leaseMs: 4_000, leaseRenewMs: 300, registryCallMs: 300 };
const FLAGS = [`--domain=${DOMAIN}`];

type Door = Pick<Server, "port" | "register">;

/** A link whose agent answers every request with its name. */
async function link(server: Door, name: string, clientToken: string, instance: string | null = ONE) {
  const agent = await WireAgent.connect(
    server,
    "home",
    instance === null ? { clientToken } : { clientToken, instance },
  );
  let over = false;
  void agent.closed.then(() => {
    over = true;
  });
  void (async () => {
    while (!over) agent.reply(await agent.request(), name);
  })();
  return agent;
}

async function visit(server: { readonly url: string }) {
  return await ask(`${server.url}/`, { headers: { host: `home.${DOMAIN}` } });
}

async function bodyAt(server: { readonly url: string }) {
  return String((await visit(server)).body);
}

describe("links of one process of an agent", () => {
  test("live side by side, and each node that has one asks the home itself", async () => {
    const [a, b, c] = await startCluster(3, () => ({ flags: FLAGS }));
    if (a === undefined || b === undefined || c === undefined) throw new Error("there are no three nodes");
    const token = await a.register("home");
    await link(a, "by a", token);
    await link(b, "by b", token);
    expect([await bodyAt(a), await bodyAt(b), await bodyAt(c)]).toEqual(["by a", "by b", "by b"]);
  });

  test("live on at the other nodes when one node is killed, and requests there all succeed at once", async () => {
    const file = join(temporaryFolder(), "cluster.db");
    // What waits for its home fails.
    const options = { database: `sqlite:${file}`, flags: FLAGS, limits: { waitMs: 0 } };
    const a = await startNode(options);
    const b = await startNode(options);
    const c = await startNodeProcess(file, FLAGS);
    const token = await a.register("home");
    await link(a, "by a", token);
    const killed = await link({ ...a, port: c.port }, "by c", token);
    expect([await bodyAt(a), await bodyAt(b)]).toEqual(["by a", "by c"]);
    await kill(c.child);
    await killed.closed;
    for (const server of [a, b, b, a, b]) {
      const answer = await visit(server);
      expect([answer.status, String(answer.body)]).toEqual([200, "by a"]);
    }
  });

  test("that are there no more, though their rows are, lead to the next at once", async () => {
    const file = join(temporaryFolder(), "cluster.db");
    const options = { database: `sqlite:${file}`, flags: FLAGS, limits: { waitMs: 0 } };
    const nodes = [await startNode(options), await startNode(options), await startNode(options)];
    const [a, b, c] = nodes;
    if (a === undefined || b === undefined || c === undefined) throw new Error("there are no three nodes");
    const token = await a.register("home");
    await link(a, "by a", token);
    const database = new DatabaseSync(file);
    database.exec(`
      INSERT INTO culvert_links (client_id, node, tunnel, instance, fence, lease_expires)
      SELECT 'home', node, '1', '${ONE}', fence + 1, '2100-01-01' FROM culvert_nodes, (SELECT fence FROM connections)
      WHERE peer_url = '${b.peerUrl}'`);
    database.close();
    const answer = await visit(c);
    expect([answer.status, String(answer.body)]).toEqual([200, "by a"]);
    expect(await bodyAt(b)).toBe("by a");
  });

  test("go one by one, and the last one takes the home away", async () => {
    const [a, b, c] = await startCluster(3, () => ({ flags: FLAGS, limits: { waitMs: 0, findFreshMs: 1 } }));
    if (a === undefined || b === undefined || c === undefined) throw new Error("there are no three nodes");
    const token = await a.register("home");
    const first = await link(a, "by a", token);
    const second = await link(b, "by b", token);
    second.socket.close(1000);
    await second.closed;
    await expect.poll(async () => [await bodyAt(b), await bodyAt(c)]).toEqual(["by a", "by a"]);
    first.socket.close(1000);
    await first.closed;
    await expect.poll(async () => problemCode(await visit(c))).toBe("agent_not_connected");
  });

  test.each([
    ["another process", TWO],
    ["an agent that does not say which it is", null],
  ])("give way to %s, at all nodes", async (_name, instance) => {
    const [a, b, c] = await startCluster(3, () => ({ flags: FLAGS, limits: LEASES }));
    if (a === undefined || b === undefined || c === undefined) throw new Error("there are no three nodes");
    const token = await a.register("home");
    const older = [await link(a, "by a", token), await link(b, "by b", token)];
    await link(c, "by the newer", token, instance);
    for (const agent of older) expect(await agent.closed).toMatchObject({ code: 4001 });
    for (const server of [a, b, c]) expect(await bodyAt(server)).toBe("by the newer");
  });

  test("that their agent gives up before it says hello leave the others alone", async () => {
    const file = join(temporaryFolder(), "cluster.db");
    const options = { database: `sqlite:${file}`, flags: FLAGS, limits: { waitMs: 0, ...LEASES } };
    const [a, b] = [await startNode(options), await startNode(options)];
    const token = await a.register("home");
    const kept = await link(a, "by a", token);
    const url = `ws://127.0.0.1:${b.port}/ws?clientId=home&sender=true`;
    const headers = { authorization: `Bearer ${token}`, "culvert-access": "public", "culvert-instance": ONE };
    const given = new WebSocket(url, ["culvert.1"], { headers });
    await once(given, "open");
    given.terminate();
    const rows = () => {
      const database = new DatabaseSync(file);
      const found = database.prepare("SELECT client_id FROM culvert_links").all().length;
      database.close();
      return found;
    };
    await expect.poll(rows).toBe(1);
    for (const server of [b, a, b]) expect(await bodyAt(server)).toBe("by a");
    await kept.heard();
  });

  test("are one at a node: the newer closes the older", async () => {
    const [a] = await startCluster(1, () => ({ flags: FLAGS }));
    if (a === undefined) throw new Error("there is no node");
    const token = await a.register("home");
    const older = await link(a, "by the older", token);
    await link(a, "by the newer", token);
    expect(await older.closed).toMatchObject({ code: 4001 });
    expect(await bodyAt(a)).toBe("by the newer");
  });

  test("end with their token, at all nodes", async () => {
    const file = join(temporaryFolder(), "cluster.db");
    const options = { database: `sqlite:${file}`, flags: FLAGS, limits: LEASES };
    const [a, b] = [await startNode(options), await startNode(options)];
    const token = await a.register("home");
    const agents = [await link(a, "by a", token), await link(b, "by b", token)];
    const database = new DatabaseSync(file);
    database.exec("DELETE FROM client_access_tokens WHERE client_id = 'home'");
    database.close();
    for (const agent of agents) expect(await agent.closed).toMatchObject({ code: 1008, reason: "revoked" });
  });
});
