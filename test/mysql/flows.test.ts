/** The product on MySQL, end to end: the three flows, restarts, and two servers on one database. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { MoosicBoxAgent } from "../helpers/moosicbox-agent.ts";
import { startOrigin } from "../helpers/origin.ts";
import { type Server, startAgent, startServer, startTunnel, visitorsOf } from "../helpers/tunnel.ts";
import { open, problemCode, read } from "../helpers/visitor.ts";
import { createDatabase, type Database, isOurs, restartServer, until } from "./database.ts";
import { MoosicBoxServer, makeMoosicBoxTables } from "./moosicbox-database.ts";
import { Relay } from "./relay.ts";

const BLOCKING = { "culvert-response": "blocking" };

/** A node notices within these that its row is somebody else's. */
const QUICK_LEASES = { leaseMs: 4_000, leaseRenewMs: 500, registryCallMs: 500 };

async function rowsOf(
  database: Database,
): Promise<{ client_id: string; tunnel_ws_id: string; node: string }[]> {
  const rows = await database.query(
    "SELECT client_id, tunnel_ws_id, node FROM connections ORDER BY client_id",
  );
  return rows.map(({ client_id, tunnel_ws_id, node }) => ({ client_id, tunnel_ws_id, node }));
}

function hasTunnel(server: Server, count = 1): Promise<void> {
  return until(async () => (await server.status()).tunnels === count);
}

describe("a server on MySQL", () => {
  test("serves the three flows, and its row comes and goes with the tunnel", async () => {
    const database = await createDatabase();
    const song = randomBytes(300_000);
    const tunnel = await startTunnel((_request, response) => response.end(song), {
      server: { database: database.url() },
    });
    expect(await rowsOf(database)).toMatchObject([{ client_id: "home" }]);
    const streamed = await tunnel.ask("/song");
    expect(streamed.isWhole && streamed.body.equals(song)).toBe(true);
    const gathered = await tunnel.ask("/song", { headers: BLOCKING });
    expect(gathered.body.equals(song)).toBe(true);
    expect(gathered.headers["content-length"]).toBe("300000");
    await tunnel.agent.running.stop();
    await until(async () => (await rowsOf(database)).length === 0);
  });

  test("serves a home that MoosicBox's server registered, and MoosicBox's server finds its row", async () => {
    const database = await createDatabase();
    await makeMoosicBoxTables(database, "utf8mb4");
    const server = await startServer({ database: database.url() });
    const moosicBox = new MoosicBoxServer(database);
    const clientToken = "moosicbox-client-token";
    const [hash] = await database.query(`SELECT SHA2('${clientToken}', 256) AS hash`);
    await moosicBox.insertToken("client_access_tokens", String(hash?.hash), "home");
    const agent = await MoosicBoxAgent.connect(server, "home", clientToken);
    const found = visitorsOf(server, "home", clientToken).ask("/x");
    agent.reply(await agent.request(), { body: "at home" });
    expect((await found).body.toString()).toBe("at home");
    expect(await moosicBox.tunnelOf("home")).toMatch(/^\d+$/);
  });

  test.runIf(isOurs)("goes on with a download while MySQL is restarted", async () => {
    const database = await createDatabase();
    const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
    const tunnel = await startTunnel(
      async (_request, response) => {
        response.write("first ");
        await goOn;
        response.end("second");
      },
      { server: { database: database.url() } },
    );
    const response = await open(tunnel.server.url + tunnel.target("/song"), {
      headers: { authorization: `Bearer ${tunnel.clientToken}` },
    });
    const [first] = await once(response, "data");
    const rest = read(response);
    await restartServer();
    release();
    const answer = await rest;
    expect(`${first}${answer.body}`).toBe("first second");
    expect(answer.isWhole).toBe(true);
    expect((await tunnel.ask("/song")).status).toBe(200);
  });

  test("that is restarted has its agent back, with the right row", async () => {
    const database = await createDatabase();
    const origin = await startOrigin((_request, response) => response.end("at home"));
    const first = await startServer({ database: database.url() });
    await startAgent(first, origin.url);
    const clientToken = await first.register("home");
    const [before] = await rowsOf(database);
    await first.running.stop();
    expect(await rowsOf(database)).toEqual([]);

    const second = await startServer({ database: database.url(), port: first.port });
    await hasTunnel(second);
    const [after] = await rowsOf(database);
    expect(after?.tunnel_ws_id).not.toBe(before?.tunnel_ws_id);
    expect(after?.node).not.toBe(before?.node);
    const answer = await visitorsOf(second, "home", clientToken).ask("/x");
    expect(answer.body.toString()).toBe("at home");
  });
});

describe("two servers on one database", () => {
  test("share the agent's registration, and the row follows it from one to the other", async () => {
    const database = await createDatabase();
    const origin = await startOrigin((_request, response) => response.end("at home"));
    const options = { database: database.url(), limits: QUICK_LEASES };
    const [one, two] = [await startServer(options), await startServer(options)];
    const relay = await Relay.start({ host: "127.0.0.1", port: one.port });
    await startAgent({ ...one, url: `http://127.0.0.1:${relay.port}` }, origin.url);
    const clientToken = await one.register("home");
    const [before] = await rowsOf(database);

    relay.target = { host: "127.0.0.1", port: two.port };
    relay.cut();
    await hasTunnel(two);
    const [after, ...others] = await rowsOf(database);
    expect(others).toEqual([]);
    expect(after?.node).not.toBe(before?.node);
    expect((await visitorsOf(two, "home", clientToken).ask("/x")).body.toString()).toBe("at home");
    expect(problemCode(await visitorsOf(one, "home", clientToken).ask("/x"))).toBe("agent_not_connected");
  });

  test("leave a client id to its newest tunnel: the older, on the other server, is told superseded", async () => {
    const database = await createDatabase();
    const options = { database: database.url(), limits: QUICK_LEASES };
    const [one, two] = [await startServer(options), await startServer(options)];
    const older = await MoosicBoxAgent.connect(one);
    const newer = await MoosicBoxAgent.connect(two, "home", older.clientToken);
    const [row] = await rowsOf(database);
    expect(await older.closed).toEqual({ code: 4001, reason: "superseded" });
    await one.log.line("tunnel ended", { cause: "superseded" });
    expect(await rowsOf(database)).toEqual([row]);
    const found = visitorsOf(two, "home", older.clientToken).ask("/x");
    newer.reply(await newer.request(), { body: "newer" });
    expect((await found).body.toString()).toBe("newer");
  });

  test("give a name that two agents ask for at the same instant to exactly one of them (D06)", async () => {
    const database = await createDatabase();
    const options = { database: database.url(), limits: QUICK_LEASES };
    const [one, two] = [await startServer(options), await startServer(options)];
    const clientToken = await one.register("home");
    const agents = await Promise.allSettled([
      MoosicBoxAgent.connect(one, "home", clientToken),
      MoosicBoxAgent.connect(two, "home", clientToken),
    ]);
    const tunnels = async () => (await one.status()).tunnels + (await two.status()).tunnels;
    await until(async () => (await tunnels()) === 1);
    expect(await rowsOf(database)).toHaveLength(1);
    expect(agents.some(({ status }) => status === "fulfilled")).toBe(true);
  });
});
