/**
 * What ends within a bound when a token is deleted, over real sockets, as tests that run on every database. Leases are renewed
 * often, so that nobody waits for the bound of production.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, request, type ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { createInvite } from "../../adapters/registry/invite.ts";
import { readInviteConfig } from "../../adapters/settings/credentials.ts";
import { query, registerClient } from "../demo/culvert.ts";
import { MoosicBoxAgent } from "./moosicbox-agent.ts";
import { portOf } from "./origin.ts";
import { type Server, startAgent, startServer, temporaryFolder, visitorsOf } from "./tunnel.ts";
import { ask, open, problemCode, read } from "./visitor.ts";
import { Watch } from "./watch.ts";
import { WireAgent } from "./wire-agent.ts";

/** A database that several servers may share, and its operator. */
export type RevocableDatabase = { readonly url: string; run(sql: string): Promise<unknown> };

const LIMITS = { leaseMs: 4_000, leaseRenewMs: 300, registryCallMs: 300 };

const TOKEN_TABLES = [
  "client_access_tokens",
  "culvert_visitor_tokens",
  "signature_tokens",
  "magic_tokens",
] as const;

/** `nodes` is how many servers one database may have. */
export function revocationSuite(name: string, nodes: number, make: () => Promise<RevocableDatabase>): void {
  const begin = async () => {
    const database = await make();
    const start = () => startServer({ database: database.url, limits: LIMITS });
    return { database, start, server: await start() };
  };

  describe(`revocation: ${name}`, () => {
    test.each(["visitor token", "client token"])(
      "of a visitor's %s ends all that it let in, and nobody else's",
      async (kind) => {
        const { database, server } = await begin();
        const home = await startHome(server);
        const owner = await server.register("home");
        const isVisitors = kind === "visitor token";
        const guest = isVisitors ? await visitorToken(server, owner) : await server.register("home");
        const his = await useAll(server, guest, home);
        const others = await useAll(server, owner, home);
        await deleteToken(database, isVisitors ? "culvert_visitor_tokens" : "client_access_tokens", guest);
        expect(await his.outcome()).toEqual({
          download: "cut",
          events: "cut",
          upload: [401, "revoked"],
          socket: [1008, "revoked"],
        });
        await home.left(4);
        const visitor = visitorsOf(server, "home", guest);
        expect((await visitor.ask("/song")).status).toBe(401);
        expect((await visitorsOf(server, "home", owner).ask("/song")).body.toString()).toBe("served");
        expect(others.isOver()).toBe(false);
        expect((await server.status()).tunnels).toBe(1);
      },
    );

    test("of a home ends its tunnel and all that ran through it, and its agent serves nothing more", async () => {
      const { database, server } = await begin();
      const home = await startHome(server);
      const visitors = await useAll(server, await server.register("home"), home);
      await deleteAll(database, "home");
      await server.log.line("tunnel ended", { cause: "revoked", code: 1008 });
      await server.log.line("session lost");
      const { socket, upload, ...cut } = await visitors.outcome();
      expect(cut).toEqual({ download: "cut", events: "cut" });
      // Whose own token was found to be gone first, and whose home.
      expect([1008, 1012]).toContain(socket[0]);
      expect(["revoked", "agent_lost"]).toContain(upload[1]);
      await home.left(4);
      // It has no other token than the one that was deleted.
      await expect(home.agent.running.ended).rejects.toThrow("the server refused the client token");
      const { length } = home.requests;
      const next = await letIn(database, server);
      expect((await visitorsOf(server, "home", next).ask("/song")).status).toBe(424);
      expect(home.requests).toHaveLength(length);
      expect(await server.status()).toMatchObject({ tunnels: 0, sessions: 0 });
    });

    test("of a home leaves no ticket that leads back to its session", async () => {
      const { database, server } = await begin();
      const agent = await WireAgent.connect(server);
      const { ticket } = await agent.welcome();
      const asked = visitorsOf(server, "home", agent.clientToken).ask("/song");
      const exchange = await agent.request();
      await deleteAll(database, "home");
      expect(await agent.closed).toEqual({ code: 1008, reason: "revoked" });
      expect((await asked).status).toBeGreaterThanOrEqual(401);
      await expect(
        WireAgent.connect(server, "home", { ticket, clientToken: agent.clientToken }),
      ).rejects.toThrow();
      const clientToken = await letIn(database, server);
      const again = await WireAgent.connect(server, "home", { ticket, clientToken });
      expect(await again.welcome()).toMatchObject({ resumed: false });
      expect(again.frames.filter((frame) => frame.exchange === exchange)).toEqual([]);
    });

    test("of a home that is away ends its session, and the ticket with it", async () => {
      const { database, server } = await begin();
      const agent = await WireAgent.connect(server);
      const { ticket } = await agent.welcome();
      agent.socket.terminate();
      await server.log.line("tunnel ended");
      expect((await server.status()).sessions).toBe(1);
      await deleteAll(database, "home");
      await server.log.line("session lost");
      const clientToken = await letIn(database, server);
      const again = await WireAgent.connect(server, "home", { ticket, clientToken });
      expect(await again.welcome()).toMatchObject({ resumed: false });
    });

    test("closes MoosicBox's tunnels and visitor sockets with 1008, and sends nothing between them any more", async () => {
      const { database, server } = await begin();
      const agent = await MoosicBoxAgent.connect(server);
      const signature = await server.sign("home", agent.clientToken);
      const visitor = new WebSocket(
        `${server.url.replace("http:", "ws:")}/ws?${query({ clientId: "home", signature })}`,
      );
      onTestFinished(() => visitor.terminate());
      await once(visitor, "open");
      const asked = visitorsOf(server, "home", agent.clientToken).ask("/song");
      await agent.request();
      await deleteAll(database, "home");
      const [code, reason] = await once(visitor, "close");
      expect({ code, reason: String(reason) }).toEqual({ code: 1008, reason: "revoked" });
      expect(await agent.closed).toEqual({ code: 1008, reason: "revoked" });
      expect((await asked).status).toBeGreaterThanOrEqual(401);
      const { length } = agent.frames;
      const next = await letIn(database, server);
      expect((await visitorsOf(server, "home", next).ask("/song")).status).toBe(424);
      expect(agent.frames).toHaveLength(length);
    });

    test("of one signature closes the visitor socket that it let in, and its tunnel stays", async () => {
      const { database, server } = await begin();
      const agent = await MoosicBoxAgent.connect(server);
      const signature = await server.sign("home", agent.clientToken);
      const visitor = new WebSocket(
        `${server.url.replace("http:", "ws:")}/ws?${query({ clientId: "home", signature })}`,
      );
      onTestFinished(() => visitor.terminate());
      await once(visitor, "open");
      await database.run(`DELETE FROM signature_tokens WHERE token_hash = '${hash(signature)}'`);
      const [code] = await once(visitor, "close");
      expect(code).toBe(1008);
      const found = visitorsOf(server, "home", agent.clientToken).ask("/song");
      agent.reply(await agent.request(), { body: "at home" });
      expect((await found).body.toString()).toBe("at home");
    });

    test("of a token that made others stops the making at once", async () => {
      const { database, server } = await begin();
      const token = await server.register("home");
      // From here on it is trusted for a while.
      await server.sign("home", token);
      await deleteAll(database, "home");
      await expect(server.sign("home", token)).rejects.toThrow();
      expect(await database.run("SELECT token_hash FROM signature_tokens")).toEqual([]);
    });

    test.runIf(nodes > 1)("reaches every node", async () => {
      const { database, server: one, start } = await begin();
      const two = await start();
      const agents = [
        await MoosicBoxAgent.connect(one, "first"),
        await MoosicBoxAgent.connect(two, "second"),
      ];
      for (const clientId of ["first", "second"]) await deleteAll(database, clientId);
      for (const agent of agents) expect(await agent.closed).toEqual({ code: 1008, reason: "revoked" });
    });
  });
}

async function deleteToken(
  { run }: RevocableDatabase,
  table: (typeof TOKEN_TABLES)[number],
  token: string,
): Promise<void> {
  await run(`DELETE FROM ${table} WHERE token_hash = '${hash(token)}'`);
}

/** The operator lets the home in again, which has no token any more. */
async function letIn({ url }: RevocableDatabase, server: Server): Promise<string> {
  const invite = await createInvite(readInviteConfig(["--client-id=home", `--database=${url}`], {}));
  return registerClient({ url: server.url, accessToken: invite }, "home");
}

export async function visitorToken(server: Server, clientToken: string): Promise<string> {
  const { body } = await ask(
    `${server.url}/auth/visitor-tokens?${query({ clientId: "home", name: "guest" })}`,
    {
      method: "POST",
      headers: { authorization: `Bearer ${clientToken}` },
    },
  );
  return JSON.parse(body.toString()).token;
}

async function deleteAll({ run }: RevocableDatabase, clientId: string): Promise<void> {
  for (const table of TOKEN_TABLES) await run(`DELETE FROM ${table} WHERE client_id = '${clientId}'`);
}

function hash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** A home whose service never ends of its own accord, and whose agent has a client token and not the operator's. */
async function startHome(server: Server) {
  const requests: string[] = [];
  const watch = new Watch();
  let gone = 0;
  const note = (what: { once(event: "close", listener: () => void): unknown }, path: string) => {
    requests.push(path);
    what.once("close", () => {
      gone++;
      watch.changed();
    });
    watch.changed();
  };
  const origin = createServer((incoming, response) => {
    const path = incoming.url?.replace(/\?.*/, "") ?? "";
    if (path === "/song") response.end("served");
    else note(response, path);
    if (path === "/download") pour(response);
    if (path === "/events") response.write("data: hello\n\n");
    if (path === "/upload") incoming.on("data", () => watch.changed());
  });
  const sockets = new WebSocketServer({ server: origin });
  sockets.on("connection", (socket) => {
    note(socket, "/socket");
    socket.send("hello");
  });
  await once(origin.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    origin.close();
    origin.closeAllConnections();
    for (const socket of sockets.clients) socket.terminate();
  });
  const url = `http://127.0.0.1:${portOf(origin)}`;
  const stateFile = `${temporaryFolder()}/agent.json`;
  const first = await startAgent(server, url, { protocol: "native", stateFile });
  await first.running.stop();
  const agent = await startAgent(server, url, { protocol: "native", stateFile, accessToken: null });
  return {
    agent,
    requests,
    /** Until so many have come, and until so many have gone. */
    came: (count: number) => watch.until(() => requests.length >= count),
    left: (count: number) => watch.until(() => gone >= count),
  };
}

/** Writes as fast as it is taken. */
function pour(response: ServerResponse): void {
  while (!response.destroyed && response.write(Buffer.alloc(16_384))) {}
  response.once("drain", () => pour(response));
}

/** A download, an upload, an event stream and a WebSocket with the token, all of them at work. */
async function useAll(server: Server, token: string, home: Awaited<ReturnType<typeof startHome>>) {
  const before = home.requests.length;
  const { target } = visitorsOf(server, "home", token);
  const headers = { authorization: `Bearer ${token}` };
  const [download, events] = await Promise.all([
    open(server.url + target("/download"), { headers }),
    open(server.url + target("/events"), { headers }),
  ]);
  await Promise.all([once(download, "data"), once(events, "data")]);
  const upload = request(server.url + target("/upload"), { method: "PUT", headers, agent: false });
  const uploaded = once(upload, "response").then(([response]) => read(response));
  // What it writes after its end has nobody who reads it.
  upload.on("error", () => {});
  upload.write("half");
  const socket = new WebSocket(server.url.replace("http:", "ws:") + target("/socket"), { headers });
  onTestFinished(() => {
    socket.terminate();
    for (const each of [download, events, upload]) each.destroy();
  });
  await once(socket, "message");
  await home.came(before + 4);
  let isOver = false;
  const note = () => {
    isOver = true;
  };
  const ends = Promise.all([read(download), read(events), uploaded, once(socket, "close")] as const);
  for (const each of [download, events, socket]) each.once("close", note);
  uploaded.then(note, note);
  // Those that go on to the end of the test are cut by that.
  ends.catch(() => {});
  return {
    isOver: () => isOver,
    outcome: async () => {
      const [downloaded, heard, refused, [code, reason]] = await ends;
      return {
        download: downloaded.isWhole ? "whole" : "cut",
        events: heard.isWhole ? "whole" : "cut",
        upload: [refused.status, problemCode(refused)],
        socket: [code, String(reason)],
      };
    },
  };
}
