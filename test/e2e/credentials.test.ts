/** What each credential opens, over real sockets: docs/credentials.md has the table. */
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { createInvite } from "../../adapters/registry/invite.ts";
import { query } from "../demo/culvert.ts";
import { startHome } from "../helpers/moosicbox-agent.ts";
import { startOrigin } from "../helpers/origin.ts";
import { ACCESS_TOKEN, startAgent, startServer, startTunnel, temporaryFolder } from "../helpers/tunnel.ts";
import { ask, problemCode } from "../helpers/visitor.ts";

/** The status that a handshake is refused with; 101 where it is not. */
async function handshake(url: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const socket = new WebSocket(url.replace("http:", "ws:"), { perMessageDeflate: false, headers });
  onTestFinished(() => socket.terminate());
  return new Promise((resolve) => {
    socket.once("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
    socket.once("open", () => resolve(101));
    socket.on("error", () => {});
  });
}

const register = (url: string, token: string, clientId = "home") =>
  ask(`${url}/auth/register-client?${query({ clientId })}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });

describe("A15: a signature that stands in a shared link", () => {
  test("does not make its holder the home, whose agent keeps its visitors", async () => {
    const tunnel = await startTunnel((_request, response) => response.end("the home"), {
      agent: { protocol: "native" },
    });
    const { server } = tunnel;
    for (const isUsed of [false, true]) {
      const signature = await server.sign("home", tunnel.clientToken);
      const link = `${server.url}/files/track?${query({ clientId: "home", signature })}`;
      if (isUsed) expect((await ask(link)).body.toString()).toBe("the home");
      const door = `${server.url}/ws?${query({ clientId: "home", sender: "true", signature })}`;
      expect(await handshake(door, { "culvert-access": "public" })).toBe(401);
      // What was not used up by the thief opens what it was made for.
      expect((await ask(link)).body.toString()).toBe("the home");
    }
    expect((await tunnel.ask("/x")).body.toString()).toBe("the home");
    expect(await server.status()).toMatchObject({ tunnels: 1, tunnelsAccepted: 1 });
  });

  test("does not make its holder a MoosicBox home either, once it has opened media", async () => {
    const { server, agent, ask: askHome } = await startHome();
    const signature = await server.sign("home", agent.clientToken);
    const asked = ask(`${server.url}/files/track?${query({ clientId: "home", signature })}`);
    agent.reply(await agent.request());
    expect((await asked).status).toBe(200);
    const door = `${server.url}/ws?${query({ clientId: "home", sender: "true", signature })}`;
    expect(await handshake(door)).toBe(401);
    const again = askHome("/x");
    agent.reply(await agent.request(), { body: "still there" });
    expect((await again).body.toString()).toBe("still there");
  });

  test("opens a home to nobody else, whoever it lets in", async () => {
    const server = await startServer({ flags: ["--domain=tunnel.test"] });
    const signature = await server.sign("home", await server.register("home"));
    const door = `${server.url}/ws?${query({ clientId: "home", sender: "true", signature })}`;
    expect(await handshake(door, { "culvert-access": "public" })).toBe(101);
    expect((await ask(`${server.url}/x`, { headers: { host: "home.tunnel.test" } })).status).toBe(401);
  });
});

describe("A16: who may register one home", () => {
  test("cannot register another one that is there, but by its own token", async () => {
    const { server, clientToken } = await startTunnel((_request, response) => response.end());
    const refused = await register(server.url, ACCESS_TOKEN);
    expect(refused.status).toBe(409);
    expect(problemCode(refused)).toBe("already_registered");
    expect(refused.body.toString()).not.toContain('token":"');
    expect((await register(server.url, clientToken)).status).toBe(200);
    expect((await register(server.url, ACCESS_TOKEN, "free")).status).toBe(200);
  });

  test("can register a MoosicBox home again, unless the operator says otherwise", async () => {
    const { server } = await startHome();
    expect((await register(server.url, ACCESS_TOKEN)).status).toBe(200);
    const strict = await startHome({ flags: ["--register-again=never"] });
    expect((await register(strict.server.url, ACCESS_TOKEN)).status).toBe(409);
  });

  test("A17: lets in an agent that has an invite, once, whichever of two nodes it comes to", async () => {
    const file = join(temporaryFolder(), "culvert.db");
    const database = { type: "sqlite", path: file } as const;
    const origin = await startOrigin((_request, response) => response.end("moved"));
    const tunnel = await startTunnel((_request, response) => response.end("before"), {
      server: { database: `sqlite:${file}` },
    });
    const invite = await createInvite({ clientId: "home", lifetimeSeconds: 60, database });
    const other = await startServer({ database: `sqlite:${file}` });
    const flags = [`--invite=${invite}`];
    const stateFile = join(temporaryFolder(), "agent.json");
    await startAgent(tunnel.server, origin.url, { flags, stateFile });
    expect((await tunnel.ask("/x")).body.toString()).toBe("moved");
    for (const { url } of [tunnel.server, other]) {
      expect((await register(url, invite)).status).toBe(401);
      expect((await register(url, invite, "free")).status).toBe(401);
    }
    const twice = await createInvite({ clientId: "free", lifetimeSeconds: 60, database });
    const answers = await Promise.all([tunnel.server, other].map(({ url }) => register(url, twice, "free")));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
  });
});

describe("A18: a client token that a visitor shows", () => {
  test("reaches no home, public or not, and no other Authorization is taken from one that is public", async () => {
    const seen: (string | undefined)[] = [];
    const tunnel = await startTunnel(
      (request, response) => {
        seen.push(request.headers.authorization);
        response.end();
      },
      {
        server: { flags: ["--domain=tunnel.test"] },
        agent: { protocol: "native", flags: ["--access=public"] },
      },
    );
    const visit = (authorization: string) =>
      ask(`${tunnel.server.url}/x`, { headers: { host: "home.tunnel.test", authorization } });
    await visit(`Bearer ${tunnel.clientToken}`);
    await visit(tunnel.clientToken);
    await visit("Bearer the-home's-own");
    await tunnel.ask("/x");
    const signature = await tunnel.server.sign("home", tunnel.clientToken);
    await tunnel.ask(`/files/track?${query({ signature })}`);
    expect(seen).toEqual([undefined, undefined, "Bearer the-home's-own", undefined, undefined]);
  });
});

describe("A19: Culvert's own agent", () => {
  /** A server that knows no client token in a handshake, as MoosicBox's own does not. */
  async function startMoosicBoxServer() {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url?.replace(/=.*/, "")} ${request.headers.authorization}`);
      response.end(JSON.stringify({ token: request.url?.includes("signature-token") ? "s-1" : "c-1" }));
    });
    const sockets = new WebSocketServer({ noServer: true });
    server.on("upgrade", (request, stream, head) => {
      asked.push(`upgrade ${request.url}`);
      if (request.url?.includes("signature=s-1")) {
        sockets.handleUpgrade(request, stream, head, () => {});
        return;
      }
      stream.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 12\r\n\r\nUnauthorized");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      for (const client of sockets.clients) client.terminate();
      server.close();
    });
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return { url: `http://127.0.0.1:${port}`, asked };
  }

  test("shows its token in a field and in no target, and a signature to who takes nothing else", async () => {
    const server = await startMoosicBoxServer();
    await startAgent(server, "http://127.0.0.1:1");
    expect(server.asked).toEqual([
      `POST /auth/register-client?clientId Bearer ${ACCESS_TOKEN}`,
      "upgrade /ws?clientId=home&sender=true",
      "POST /auth/signature-token?clientId Bearer c-1",
      "upgrade /ws?clientId=home&sender=true&signature=s-1",
    ]);
  });
});
