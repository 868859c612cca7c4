/** Three nodes on one database: a home is at one of them, and visitors come to any. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { bodyOf, MIB, sha256Of } from "../helpers/bodies.ts";
import { CLUSTER_SECRET, startCluster } from "../helpers/cluster.ts";
import { startOrigin } from "../helpers/origin.ts";
import { DOMAIN } from "../helpers/passage.ts";
import { type Protocol, type Server, startAgent, temporaryFolder } from "../helpers/tunnel.ts";
import { ask, open, problemCode, read } from "../helpers/visitor.ts";

const PROTOCOLS = ["native", "moosicbox"] as const satisfies readonly Protocol[];

async function startHome(servers: readonly Server[], protocol: Protocol, access = "token") {
  const origin = await startOrigin((request, response) => {
    const hash = createHash("sha256");
    request.on("data", (piece: Buffer) => hash.update(piece));
    request.on("end", () => {
      response.setHeader("x-asked", `${request.method} ${request.url}`);
      response.setHeader("x-fields", Object.keys(request.headers).toSorted().join(" "));
      response.setHeader("content-type", "text/plain");
      response.end(request.method === "GET" ? "at home" : hash.digest("hex"));
    });
  });
  const [first] = servers;
  if (first === undefined) throw new Error("a home is at no node");
  const agent = await startAgent(first, origin.url, { protocol, flags: [`--access=${access}`] });
  return { origin, agent, token: await first.register("home") };
}

describe.each(PROTOCOLS)("a home of the protocol %s", (protocol) => {
  test("is reached by its client id, its name and its path at any node", async () => {
    const servers = await startCluster(3, () => ({
      flags: [`--domain=${DOMAIN}`, "--path-routing=on"],
    }));
    const { token, origin } = await startHome(servers, protocol);
    const headers = { authorization: `Bearer ${token}` };
    for (const { url } of servers) {
      const host = `home.${DOMAIN}`;
      const answers = [
        await ask(`${url}/song?clientId=home`, { headers }),
        await ask(`${url}/song`, { headers: { ...headers, host } }),
        await ask(`${url}/t/home/song`, { headers }),
      ];
      for (const answer of answers) {
        expect(answer.status).toBe(200);
        expect(answer.body.toString()).toBe("at home");
        expect(answer.headers["x-asked"]).toMatch(/^GET \/song/);
        expect(answer.headers["culvert-peer"]).toBeUndefined();
        expect(answer.headers["x-fields"]).not.toContain("culvert");
      }
    }
    expect(origin.requests).toHaveLength(9);
    for (const server of servers) await settled(server);
    const counts = await Promise.all(servers.map((server) => server.status()));
    expect(counts.map(({ hopsSent }) => hopsSent)).toEqual([0, 3, 3]);
    expect(counts.map(({ hopsTaken }) => hopsTaken)).toEqual([6, 0, 0]);
    expect(counts.map(({ hopsAstray }) => hopsAstray)).toEqual([0, 0, 0]);
  });

  test("lets in by its own door whoever comes to another node", async () => {
    const servers = await startCluster(2, () => ({ flags: [`--domain=${DOMAIN}`] }));
    await startHome(servers, protocol, "public");
    for (const { url } of servers) {
      const answer = await ask(`${url}/`, { headers: { host: `home.${DOMAIN}` } });
      expect(answer.body.toString()).toBe("at home");
    }
  });

  test("is closed at every node to whoever shows nothing", async () => {
    const servers = await startCluster(2, () => ({ flags: [`--domain=${DOMAIN}`] }));
    const { origin } = await startHome(servers, protocol);
    for (const { url } of servers) {
      expect((await ask(`${url}/`, { headers: { host: `home.${DOMAIN}` } })).status).toBe(401);
      expect((await ask(`${url}/?clientId=home`)).status).toBe(401);
    }
    expect(origin.requests).toEqual([]);
  });

  test("takes a body at another node", async () => {
    const servers = await startCluster(2);
    const { token } = await startHome(servers, protocol);
    const body = JSON.stringify({ text: "a".repeat(100_000) });
    const answer = await ask(`${servers[1]?.url}/?clientId=home`, {
      method: "POST",
      body,
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.body.toString()).toBe(createHash("sha256").update(body).digest("hex"));
  });
});

test("a home that takes no upload of that kind says so at another node as at its own", async () => {
  const servers = await startCluster(2);
  const { token } = await startHome(servers, "moosicbox");
  for (const { url } of servers) {
    const answer = await ask(`${url}/?clientId=home`, {
      method: "POST",
      body: "no JSON",
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(400);
    expect(problemCode(answer)).toBe("not_json");
    expect(answer.headers["culvert-peer"]).toBeUndefined();
  }
});

test("a large upload and a large download pass a node whole", async () => {
  const servers = await startCluster(2, () => ({ flags: [`--domain=${DOMAIN}`] }));
  const size = 64 * MIB;
  const origin = await startOrigin(async (request, response: ServerResponse) => {
    if (request.method === "POST") {
      response.end(await sha256Of(request));
      return;
    }
    for (const piece of bodyOf(size)) if (!response.write(piece)) await once(response, "drain");
    response.end();
  });
  await startAgent(servers[0] as Server, origin.url, { protocol: "native", flags: ["--access=public"] });
  const url = `${servers[1]?.url}/`;
  const host = `home.${DOMAIN}`;
  const download = await read(await open(url, { headers: { host } }));
  expect(download.isWhole).toBe(true);
  const expected = await sha256Of(bodyOf(size));
  expect(await sha256Of([download.body])).toBe(expected);
  const upload = await ask(url, {
    method: "POST",
    headers: { host },
    body: Buffer.concat([...bodyOf(size)]),
  });
  expect(upload.body.toString()).toBe(expected);
  for (const server of servers) await settled(server);
});

test.each(["plain HTTP", "TLS"])("a WebSocket speaks with its home over another node by %s", async (by) => {
  const tls = by === "TLS" ? await makeCertificate() : { cert: null, key: null, ca: null };
  const servers = await startCluster(2, () => ({ flags: [`--domain=${DOMAIN}`], tls }));
  const echo = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(echo, "listening");
  onTestFinished(() => echo.close());
  echo.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  const { port } = echo.address() as { port: number };
  await startAgent(servers[0] as Server, `http://127.0.0.1:${port}`, {
    protocol: "native",
    flags: ["--access=public"],
  });
  const socket = new WebSocket(`${servers[1]?.url.replace("http", "ws")}/`, {
    headers: { host: `home.${DOMAIN}` },
  });
  await once(socket, "open");
  socket.send("are you there?");
  const [data] = await once(socket, "message");
  expect(String(data)).toBe("are you there?");
  socket.close(4321, "bye");
  const [code] = await once(socket, "close");
  expect(code).toBe(4321);
  for (const server of servers) await settled(server);
});

describe("between nodes", () => {
  const OTHER_SECRET = "canary-cluster-0b7c5e1f9d2a4486b3aa";

  test("a request without a pass, or with one of another cluster, comes to nothing", async () => {
    const [node] = await startCluster(1, () => ({ flags: [`--domain=${DOMAIN}`] }));
    if (node === undefined) throw new Error("there is no node");
    const { origin, token } = await startHome([node], "native", "public");
    const pass = `1 ${Date.now() + 10_000} aa.0 - - node 1 home 127.0.0.1 ${"0".repeat(64)}`;
    for (const hop of [{}, { "culvert-hop": "yes" }, { "culvert-hop": pass }]) {
      const headers = { host: `home.${DOMAIN}`, authorization: `Bearer ${token}`, ...hop };
      const answer = await ask(node.peerUrl, { headers });
      expect(answer.status).toBe(403);
      expect(problemCode(answer)).toBe("not_a_peer");
    }
    expect(origin.requests).toEqual([]);
  });

  test("nodes that have no secret in common serve each other's homes to nobody, and say so", async () => {
    const servers = await startCluster(2, (index) => (index === 0 ? {} : { secrets: [OTHER_SECRET] }));
    const { origin, token } = await startHome(servers, "native");
    const headers = { authorization: `Bearer ${token}` };
    const answer = await ask(`${servers[1]?.url}/?clientId=home`, { headers });
    expect(answer.status).toBe(502);
    expect(problemCode(answer)).toBe("peer_refused");
    expect(origin.requests).toEqual([]);
  });

  test("a secret is changed node by node", async () => {
    const secrets = [[CLUSTER_SECRET, OTHER_SECRET], [OTHER_SECRET, CLUSTER_SECRET], [OTHER_SECRET]];
    const servers = await startCluster(3, (index) => ({ secrets: secrets[index] ?? [] }));
    const { token } = await startHome(servers.slice(1), "native");
    const headers = { authorization: `Bearer ${token}` };
    const statuses = await Promise.all(
      [servers[1], servers[2]].map(async (server) => {
        return (await ask(`${server?.url}/?clientId=home`, { headers })).status;
      }),
    );
    expect(statuses).toEqual([200, 200]);
  });

  test("TLS carries what plain HTTP does", async () => {
    const tls = await makeCertificate();
    const servers = await startCluster(2, () => ({ flags: [`--domain=${DOMAIN}`], tls }));
    await startHome(servers, "native", "public");
    const host = `home.${DOMAIN}`;
    const body = "a".repeat(MIB);
    const answer = await ask(`${servers[1]?.url}/`, { method: "POST", body, headers: { host } });
    expect(answer.body.toString()).toBe(createHash("sha256").update(body).digest("hex"));
    for (const server of servers) await settled(server);
  });

  test("TLS with a node that nobody vouches for comes to nothing", async () => {
    const tls = await makeCertificate();
    const servers = await startCluster(2, (index) => ({
      flags: [`--domain=${DOMAIN}`],
      tls: index === 1 ? { ...tls, ca: null } : tls,
      ...(index === 1 ? { limits: { waitMs: 100 } } : {}),
    }));
    const { origin } = await startHome(servers, "native", "public");
    const refused = await ask(`${servers[1]?.url}/`, { headers: { host: `home.${DOMAIN}` } });
    expect(refused.status).toBe(503);
    expect(origin.requests).toEqual([]);
  });

  test("what a visitor says of a pass or a mark is nobody's", async () => {
    const servers = await startCluster(2);
    const { token } = await startHome(servers, "native");
    for (const { url } of servers) {
      const headers = { authorization: `Bearer ${token}`, "culvert-hop": "1", "culvert-peer": "misdirected" };
      const answer = await ask(`${url}/?clientId=home`, { headers });
      expect(answer.status).toBe(200);
      expect(answer.headers["x-fields"]).not.toContain("culvert");
    }
  });

  test("what a leaving node has asked of a home and not got is asked of nobody again", async () => {
    const servers = await startCluster(2, () => ({ limits: { drainMs: 300 } }));
    const [first, second] = servers;
    if (first === undefined || second === undefined) throw new Error("there are no two nodes");
    const asked = Promise.withResolvers<void>();
    const origin = await startOrigin(() => asked.resolve());
    await startAgent(first, origin.url, { protocol: "native" });
    const token = await first.register("home");
    const headers = { authorization: `Bearer ${token}` };
    const cut = ask(`${second.url}/?clientId=home`, { headers });
    await asked.promise;
    await first.running.stop();
    await startAgent(second, origin.url, { protocol: "native", accessToken: token });
    expect(problemCode(await cut)).toBe("peer_lost");
    expect(origin.requests).toHaveLength(1);
  });

  test("a home that moves to another node is found there, by those too who knew where it was", async () => {
    const servers = await startCluster(3);
    const { agent, origin, token } = await startHome(servers, "moosicbox");
    const visit = () =>
      ask(`${servers[2]?.url}/?clientId=home`, { headers: { authorization: `Bearer ${token}` } });
    expect((await visit()).status).toBe(200);
    await agent.running.stop();
    const waiting = visit();
    await startAgent(servers[1] as Server, origin.url, { protocol: "moosicbox", accessToken: token });
    expect((await waiting).status).toBe(200);
    expect((await visit()).status).toBe(200);
    expect(origin.requests).toHaveLength(3);
  });
});

/** That says it is 127.0.0.1, and that nobody vouches for but itself. */
async function makeCertificate() {
  const folder = temporaryFolder();
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  await promisify(execFile)("openssl", ["req", "-x509", ...made, ...name, "-keyout", key, "-out", cert]);
  return { cert, key, ca: cert };
}

/** Until nothing runs and nothing is held. */
async function settled(server: Server): Promise<void> {
  const rest = { exchanges: 0, heldBytes: 0, sessionBytes: 0, waiting: 0 };
  await expect.poll(() => server.status(), { interval: 10 }).toMatchObject(rest);
}
