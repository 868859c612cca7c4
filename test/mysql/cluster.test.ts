/** Three nodes as processes on one database, behind the balancers of docs/cluster.md: visitors come to any of them. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync } from "node:fs";
import { createServer } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { registerClient } from "../demo/culvert.ts";
import { blocksIn, readDocument } from "../docs/documents.ts";
import {
  caddy,
  caddyAuthority,
  createPlace,
  type Front,
  type FrontPlace,
  ofOwnAuthority,
  placed,
  runFront,
  visitorsThrough,
  written,
} from "../fronts/front.ts";
import { FRONTS_LEFT_OUT, hasFronts } from "../fronts/programs.ts";
import { portOf } from "../helpers/origin.ts";
import { freePorts, isHealthy, type Program, startProgram, untilTrue } from "../helpers/program.ts";
import { ACCESS_TOKEN, type Protocol, startAgent, temporaryFolder } from "../helpers/tunnel.ts";
import { createDatabase } from "./database.ts";

const [, BALANCED = ""] = blocksIn(readDocument("docs/cluster.md"), "haproxy");
const [CADDY = ""] = blocksIn(readDocument("docs/cluster.md"), "caddyfile");
const [FRONT = ""] = blocksIn(readDocument("docs/tls-and-proxies.md"), "haproxy");

/** How many requests, one after the other by each of so many visitors, are made of the cluster at rest. */
const REQUESTS = Number(process.env.TEST_CLUSTER_REQUESTS ?? 300);
const VISITORS = 6;
const DOMAIN = "localhost";

/** As in the documents: three machines with the same ports. */
const ADDRESSES = ["127.0.0.11", "127.0.0.12", "127.0.0.13"] as const;

const CLIENT_IDS = Array.from({ length: 7 }, (_, index) => `home${index}`);

type Node = { readonly address: string; start(): Promise<Program>; program: Program };

type Home = { readonly clientId: string; readonly protocol: Protocol; readonly token: string };

type Cluster = {
  readonly nodes: readonly Node[];
  readonly homes: readonly Home[];
  readonly place: FrontPlace;
  readonly authority: string;
};

/** Of the nodes, the same at each; and one for Caddy itself. */
type Ports = { readonly port: number; readonly adminPort: number; readonly askPort: number };

type Balancer = {
  prepare(place: FrontPlace, ports: Ports): readonly string[];
  authority(place: FrontPlace): string;
};

const BALANCERS: Readonly<Record<string, Balancer>> = {
  haproxy: {
    prepare: ({ folder, port, both }, { port: nodePort, adminPort }) => {
      const [front = ""] = FRONT.split(/^backend /m);
      const text = placed(front + BALANCED, {
        "bind :443": `bind 127.0.0.1:${port}`,
        "/etc/culvert/both.pem": both,
        "port 8001": `port ${adminPort}`,
        ...atNodes(nodePort, 8000),
      });
      return ["haproxy", "-f", written(folder, "haproxy.cfg", text)];
    },
    authority: ({ certificate }) => certificate,
  },
  caddy: {
    prepare: ({ folder, port }, { port: nodePort, adminPort, askPort }) => {
      const text = placed(CADDY, {
        "127.0.0.1:8080": `127.0.0.1:${askPort}`,
        "health_port 8001": `health_port ${adminPort}`,
        ...atNodes(nodePort, 8000),
        ...atNodes(adminPort, 8001),
      });
      return caddy(ofOwnAuthority(text, port), folder);
    },
    authority: ({ folder }) => caddyAuthority(folder),
  },
};

function atNodes(port: number, documented: number): Record<string, string> {
  return Object.fromEntries(
    ADDRESSES.map((address, index) => [`10.0.0.${index + 1}:${documented}`, `${address}:${port}`]),
  );
}

async function startCluster(balancer: Balancer): Promise<Cluster> {
  const database = await createDatabase();
  const [port, adminPort] = await freePorts();
  const [peerPort, askPort] = await freePorts();
  const folder = temporaryFolder();
  const secret = written(folder, "cluster-secret", randomBytes(32).toString("hex"));
  const url = written(folder, "database-url", database.url());
  for (const file of [secret, url]) chmodSync(file, 0o600);
  const nodes = await Promise.all(
    ADDRESSES.map(async (address) => {
      const flags = [
        ...[
          "serve",
          `--bind=${address}`,
          `--port=${port}`,
          `--admin-bind=${address}`,
          `--admin-port=${adminPort}`,
        ],
        ...[`--peer-bind=${address}`, `--peer-port=${peerPort}`, `--peer-url=http://${address}:${peerPort}`],
        ...[`--cluster-secret-file=${secret}`, `--database-file=${url}`, `--domain=${DOMAIN}`],
        ...["--trusted-proxy=127.0.0.1", "--path-routing=on", "--limit=unreadyMs=1500"],
      ];
      const start = async () => {
        const program = startProgram(flags);
        const at = { url: `http://${address}:${port}`, adminUrl: `http://${address}:${adminPort}` };
        await untilTrue(() => isHealthy(at), program);
        return program;
      };
      return { address, start, program: await start() };
    }),
  );
  const place = await createPlace(
    { port, adminPort },
    CLIENT_IDS.map((clientId) => `${clientId}.${DOMAIN}`),
  );
  await runFront(balancer.prepare(place, { port, adminPort, askPort }), place.folder, place.port);
  const authority = balancer.authority(place);
  const service = await startService();
  const homes = await Promise.all(
    CLIENT_IDS.map(async (clientId, index): Promise<Home> => {
      const protocol = index < 2 ? "moosicbox" : "native";
      const first = `http://${ADDRESSES[index % ADDRESSES.length]}:${port}`;
      const token = await registerClient({ url: first, accessToken: ACCESS_TOKEN }, clientId);
      await startAgent({ url: `https://${DOMAIN}:${place.port}` }, service, {
        clientId,
        protocol,
        accessToken: token,
        flags: [`--access=${isPublic(index) ? "public" : "token"}`, `--server-ca=${authority}`],
      });
      return { clientId, protocol, token };
    }),
  );
  const cluster = { nodes, homes, place, authority };
  // Caddy makes a certificate for each name when it is first asked for, and only so many at a time.
  for (const { clientId } of homes) {
    const asked = () =>
      through(cluster, `${clientId}.${DOMAIN}`)
        .ask("/")
        .then(
          () => true,
          () => false,
        );
    await expect.poll(asked).toBe(true);
  }
  return cluster;
}

const isPublic = (index: number) => index % 2 === 0;

/** Says what it was asked, and echoes what is said to it by a WebSocket. */
async function startService(): Promise<string> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => response.end(`${request.method} ${request.url} ${Buffer.concat(pieces)}`));
  });
  const echo = new WebSocketServer({ server });
  echo.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    echo.close();
    for (const socket of echo.clients) socket.terminate();
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${portOf(server)}`;
}

/** One request of some kind to some home; what is wrong with its answer, or null. */
type Visit = (cluster: Cluster, home: Home, index: number) => Promise<string | null>;

const VISITS: readonly Visit[] = [
  (cluster, { clientId, token }, index) =>
    expectAnswer(through(cluster, DOMAIN), `/a/${index}?clientId=${clientId}`, { token }, `GET /a/${index}`),
  (cluster, { clientId, token }, index) =>
    expectAnswer(through(cluster, `${clientId}.${DOMAIN}`), `/b/${index}`, { token }, `GET /b/${index}`),
  (cluster, { clientId, token }, index) =>
    expectAnswer(through(cluster, DOMAIN), `/t/${clientId}/c/${index}`, { token }, `GET /c/${index}`),
  (cluster, { clientId, token }, index) => {
    const body = JSON.stringify({ index });
    const said = { token, method: "POST", body };
    return expectAnswer(
      through(cluster, `${clientId}.${DOMAIN}`),
      `/d/${index}`,
      said,
      `POST /d/${index}`,
      body,
    );
  },
  // Whoever shows nothing gets to a public home, and to no other.
  async (cluster, { clientId }, index) => {
    const { status, body } = await through(cluster, `${clientId}.${DOMAIN}`).ask(`/e/${index}`);
    const expected = isPublic(Number(clientId.slice("home".length))) ? 200 : 401;
    return status === expected ? null : `${status} where ${expected} is right, at ${clientId}: ${body}`;
  },
  // A WebSocket goes through Culvert's own protocol alone; whoever speaks MoosicBox's gets one more GET.
  (cluster, home, index) => {
    if (home.protocol === "native") return speak(cluster, home, index);
    const { clientId, token } = home;
    return expectAnswer(through(cluster, DOMAIN), `/t/${clientId}/f/${index}`, { token }, `GET /f/${index}`);
  },
];

function through({ place, authority }: Cluster, name: string): Front {
  return visitorsThrough(place.port, authority, name);
}

async function expectAnswer(
  front: Front,
  path: string,
  { token, method = "GET", body }: { token: string; method?: string; body?: string },
  ...said: readonly string[]
): Promise<string | null> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  const answer = await front.ask(path, { method, headers, ...(body === undefined ? {} : { body }) });
  const text = answer.body.toString();
  const isRight = answer.status === 200 && answer.isWhole && said.every((part) => text.includes(part));
  return isRight ? null : `${method} ${path}: ${answer.status} ${text}`;
}

/** A WebSocket is sent away by a node that leaves, with a code that says so. */
async function speak(cluster: Cluster, { clientId, token }: Home, index: number): Promise<string | null> {
  const socket = through(cluster, DOMAIN).webSocket(`/t/${clientId}/ws`, {
    authorization: `Bearer ${token}`,
  });
  const said = new Promise<string | null>((resolve) => {
    socket.on("error", (error) => resolve(`WebSocket of ${clientId}: ${error.message}`));
    socket.on("open", () => socket.send(`${index}`));
    socket.on("message", (data) => resolve(String(data) === `${index}` ? null : `it said ${data}`));
    socket.on("close", (code) => resolve(code === 1001 || code === 1012 ? null : `closed with ${code}`));
  });
  return said.finally(() => socket.close());
}

/** Visitors who come one request after the other, until `isOver`; what went wrong. */
async function visit(cluster: Cluster, isOver: (asked: number) => boolean, homes = cluster.homes) {
  const wrong: string[] = [];
  let asked = 0;
  const come = async () => {
    while (!isOver(asked)) {
      const index = asked++;
      const home = homes[index % homes.length];
      const kind = VISITS[Math.floor(index / homes.length) % VISITS.length];
      if (home === undefined || kind === undefined) throw new Error("there is nobody to visit");
      const what = await kind(cluster, home, index).catch((error: Error) => `${index}: ${error.message}`);
      if (what !== null) wrong.push(what);
    }
  };
  await Promise.all(Array.from({ length: VISITORS }, come));
  return { asked, wrong };
}

describe.runIf(hasFronts())("three nodes on one MySQL", () => {
  test.each(Object.entries(BALANCERS))(
    "behind %s serve every home to whoever comes to any of them",
    async (_, balancer) => {
      const cluster = await startCluster(balancer);
      const { asked, wrong } = await visit(cluster, (count) => count >= REQUESTS);
      expect(wrong).toEqual([]);
      expect(asked).toBeGreaterThanOrEqual(REQUESTS);
    },
  );

  test.each(Object.entries(BALANCERS))(
    "behind %s are restarted one after the other, and no request fails",
    async (_, balancer) => {
      const cluster = await startCluster(balancer);
      let isOver = false;
      const visiting = visit(cluster, () => isOver);
      for (const node of cluster.nodes) {
        node.program.signal("SIGTERM");
        expect(await node.program.ended).toBe(0);
        node.program = await node.start();
      }
      isOver = true;
      const { asked, wrong } = await visiting;
      expect(wrong).toEqual([]);
      expect(asked).toBeGreaterThan(VISITORS);
    },
  );

  test.each(Object.entries(BALANCERS))(
    "behind %s serve all homes again when one of them was killed",
    async (_, balancer) => {
      const cluster = await startCluster(balancer);
      const [, killed] = cluster.nodes;
      killed?.program.signal("SIGKILL");
      await killed?.program.ended;
      const isBack = async (home: Home) => {
        const asked = through(cluster, DOMAIN).ask(`/?clientId=${home.clientId}`, {
          headers: { authorization: `Bearer ${home.token}` },
        });
        return (await asked.catch(() => null))?.status ?? 0;
      };
      for (const home of cluster.homes) await expect.poll(() => isBack(home)).toBe(200);
      const { wrong } = await visit(cluster, (count) => count >= VISITS.length * cluster.homes.length);
      expect(wrong).toEqual([]);
    },
  );
});

if (!hasFronts()) test.skip(FRONTS_LEFT_OUT, () => {});
