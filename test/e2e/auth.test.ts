/** Who is let in, what the others are told, and that no secret ever shows up where somebody else could read it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { query } from "../demo/culvert.ts";
import { MoosicBoxAgent, startHome } from "../helpers/moosicbox-agent.ts";
import { connect, statuses } from "../helpers/raw-http.ts";
import {
  ACCESS_TOKEN,
  startAgent,
  startServer,
  startTunnel,
  temporaryFolder,
  visitorsOf,
} from "../helpers/tunnel.ts";
import { ask, problemCode } from "../helpers/visitor.ts";

function change(file: string, statements: string): void {
  const database = new DatabaseSync(file);
  database.exec(statements);
  database.close();
}

/** A connection's one response without what differs between any two: its date and the request's id. */
function shapeOf(text: string): string {
  return text.replace(/date: .*\r\n/i, "").replace(/"requestId":\d+/, '"requestId":0');
}

describe("a token", () => {
  test("A02: that is missing, malformed, unknown, another's, expired or doubled gets a 401 of one shape", async () => {
    const file = join(temporaryFolder(), "culvert.db");
    const { server, agent, target } = await startHome({ database: `sqlite:${file}` });
    const others = await server.register("other");
    const expired = await server.sign("home", agent.clientToken);
    change(file, "UPDATE signature_tokens SET expires = datetime('now', '-1 second')");
    const good = agent.clientToken;
    const shapes = new Set<string>();
    for (const headers of [
      [],
      ["Authorization:"],
      ["Authorization: Bearer"],
      ["Authorization: Bearer "],
      [`Authorization: Bearer  ${good} x`],
      [`Authorization: Basic ${good}`],
      [`Authorization: Bearer ${good}x`],
      [`Authorization: Bearer ${good.toUpperCase()}x`],
      [`Authorization: Bearer ${others}`],
      [`Authorization: Bearer ${expired}`],
      [`Authorization: Bearer ${ACCESS_TOKEN}`],
      ["Authorization: Bearer \xe9\xff"],
      [`Authorization: Bearer ${"x".repeat(10_000)}`],
      [`Authorization: Bearer ${good}`, `Authorization: Bearer ${good}`],
      [`Authorization: Bearer ${good}`, "Authorization: Bearer wrong"],
    ]) {
      const visitor = connect(server.port);
      visitor.get(target("/x"), ...headers);
      await visitor.untilText('"requestId"');
      expect(statuses(visitor)).toEqual([401]);
      shapes.add(shapeOf(visitor.text));
    }
    for (const path of [
      "/files/track?signature=wrong",
      `/files/track?signature=${expired}`,
      "/files/track",
    ]) {
      const visitor = connect(server.port);
      visitor.get(target(path));
      await visitor.untilText('"requestId"');
      shapes.add(shapeOf(visitor.text));
    }
    expect(shapes.size).toBe(1);
    expect([...shapes][0]).toMatch(/^HTTP\/1\.1 401 [\s\S]*www-authenticate: Bearer/i);
    await agent.heard();
    expect(agent.frames).toEqual([]);
  });

  test("A02: of a megabyte is more head than the server takes, and it goes on", async () => {
    const { server, agent, ask, target } = await startHome();
    const visitor = connect(server.port);
    visitor.get(target("/x"), `Authorization: Bearer ${"x".repeat(1024 * 1024)}`);
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([431]);
    const asked = ask("/good");
    agent.reply(await agent.request(), { body: "good" });
    expect((await asked).body.toString()).toBe("good");
  });

  test("A02: that is good opens the door with its scheme in any case, and bare", async () => {
    const { agent, ask } = await startHome();
    for (const authorization of [
      `bearer ${agent.clientToken}`,
      `BEARER ${agent.clientToken}`,
      agent.clientToken,
    ]) {
      const asked = ask("/x", { headers: { authorization } });
      agent.reply(await agent.request());
      expect((await asked).status).toBe(200);
    }
  });

  test("A02: that is revoked is refused once it is no longer fresh, and an agent's new handshake at once", async () => {
    const file = join(temporaryFolder(), "culvert.db");
    const { server, agent, ask } = await startHome({
      database: `sqlite:${file}`,
      limits: { tokenFreshMs: 0 },
    });
    const asked = ask("/x");
    agent.reply(await agent.request());
    expect((await asked).status).toBe(200);
    change(file, "DELETE FROM client_access_tokens; DELETE FROM signature_tokens");
    expect((await ask("/x")).status).toBe(401);
    await expect(MoosicBoxAgent.connect(server, "home", agent.clientToken)).rejects.toThrow("401");
  });
});

describe("secrets", () => {
  test("A14: appear in no log, metric, status page or error, of either side, whatever is sent", async () => {
    const stateFile = join(temporaryFolder(), "agent.json");
    const tunnel = await startTunnel((_request, response) => response.destroy(), { agent: { stateFile } });
    const { server, clientToken, target } = tunnel;
    const signature = await server.sign("home", clientToken);
    const CANARY = "canary-wrong-77b0";
    const outputs: string[] = [];
    const send = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
      const answer = await ask(server.url + path, { method, headers });
      outputs.push(JSON.stringify(answer.headers), answer.body.toString());
    };
    for (const token of [CANARY, clientToken, signature]) {
      const authorization = `Bearer ${token}`;
      await send(target(`/x?access_token=${token}&token=${token}`), { authorization });
      await send(target(`/files/track?signature=${token}`), { authorization, accept: "text/html" });
      await send(`/auth/magic-token?magicToken=${token}`);
      await send(target(`/x?signature=${token}&bad=%ff`), { authorization });
      await send(`/auth/signature-token?clientId=home&signature=${token}`, { authorization });
      await send(target(`/${token}`), { "culvert-response": token });
      await send("/auth/register-client", { authorization }, "POST");
      const visitor = connect(server.port);
      visitor.send(
        `GET /ws?${query({ clientId: "home", sender: "true", signature: token })} HTTP/1.1`,
        "Host: x",
      );
      visitor.send("", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13");
      visitor.send("", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "");
      await visitor.untilText("\r\n\r\n");
      outputs.push(visitor.text);
      visitor.leave();
      const garbage = connect(server.port);
      garbage.send(`GET /x?signature=${token} HTTP/1.1`, `Authorization : Bearer ${token}`, "", "");
      await garbage.untilEnded();
      outputs.push(garbage.text);
    }
    for (const path of ["/", "/metrics", "/status.json", "/ready", `/${CANARY}`]) {
      const answer = await ask(`http://127.0.0.1:${server.adminPort}${path}`);
      outputs.push(JSON.stringify(answer.headers), answer.body.toString());
    }
    await server.log.line("exchange ended", { outcome: "unauthorized" });
    outputs.push(server.log.text, tunnel.agent.log.text);
    const { clientToken: agentsOwn } = JSON.parse(readFileSync(stateFile, "utf8"));
    const output = outputs.join("\n");
    for (const secret of [ACCESS_TOKEN, CANARY, clientToken, signature, agentsOwn]) {
      expect(output).not.toContain(secret);
    }
    expect(output).toContain("exchange ended");
  });
});

describe("client ids", () => {
  const NAMES = [
    "home",
    "HOME",
    "home ",
    " home",
    "h\u00f6me",
    "ho\u0308me",
    "ho'me\"; DROP TABLE connections; --",
    "ho\\me%_",
    "\u{1f3b5}",
    "__proto__",
    "constructor",
    "null",
    "x".repeat(64),
  ];

  test("D11: are told apart by every character, and each home's token opens its own door only", async () => {
    const server = await startServer();
    const agents = await Promise.all(NAMES.map((name) => MoosicBoxAgent.connect(server, name)));
    for (const [index, agent] of agents.entries()) {
      const asked = visitorsOf(server, agent.clientId, agent.clientToken).ask("/who");
      const request = await agent.request();
      // A space was sent as a plus sign, which is one in a frame.
      expect(request.query.clientId).toBe(NAMES[index]?.replaceAll(" ", "+"));
      agent.reply(request, { body: String(index) });
      expect((await asked).body.toString()).toBe(String(index));
      const neighbour = agents[(index + 1) % agents.length];
      if (neighbour === undefined) throw new Error("unreachable");
      const wrong = await visitorsOf(server, neighbour.clientId, agent.clientToken).ask("/who");
      expect(wrong.status).toBe(401);
    }
    expect(await server.status()).toMatchObject({ tunnels: NAMES.length });
  });

  test.each([
    ["that is empty", ""],
    ["of 65 characters", "x".repeat(65)],
    ["with a line break", "ho\nme"],
    ["with a NUL", "ho\0me"],
  ])("D11: %s is a clear 400", async (_what, clientId) => {
    const server = await startServer();
    const answer = await ask(`${server.url}/auth/register-client?${query({ clientId })}`, {
      method: "POST",
      headers: { authorization: ACCESS_TOKEN },
    });
    expect(answer.status).toBe(400);
    expect(problemCode(answer)).toBe("bad_request");
  });

  test("D11: in rows that are broken disturb nobody else", async () => {
    const file = join(temporaryFolder(), "culvert.db");
    const first = await startServer({ database: `sqlite:${file}` });
    const clientToken = await first.register("home");
    await first.running.stop();
    change(
      file,
      `
      INSERT INTO connections (client_id, tunnel_ws_id) VALUES (CAST(x'ff686f6d65' AS TEXT), 'no number');
      INSERT INTO connections (client_id, tunnel_ws_id) VALUES (hex(zeroblob(5000000)), '');
      INSERT INTO connections (client_id, tunnel_ws_id, fence, lease_expires) VALUES ('home', '1', -1, 'never');
      INSERT INTO client_access_tokens (token_hash, client_id) VALUES (CAST(x'c328' AS TEXT), 'home');
      INSERT INTO signature_tokens (token_hash, client_id, expires) VALUES ('', 'home', '');`,
    );
    const second = await startServer({ database: `sqlite:${file}` });
    const agent = await MoosicBoxAgent.connect(second, "home", clientToken);
    const asked = visitorsOf(second, "home", clientToken).ask("/x");
    agent.reply(await agent.request(), { body: "well" });
    expect((await asked).body.toString()).toBe("well");
  });

  test("D11: of a real agent may hold anything that a token's owner may choose", async () => {
    const tunnel = await startTunnel((request, response) => response.end(request.url));
    const clientId = "caf\u00e9 & 'friends' \u{1f3b5}";
    await startAgent(tunnel.server, tunnel.origin.url, { clientId });
    const visitors = visitorsOf(tunnel.server, clientId, await tunnel.server.register(clientId));
    const answer = await visitors.ask("/x");
    const url = new URL(answer.body.toString(), tunnel.origin.url);
    expect(url.searchParams.get("clientId")).toBe(clientId);
  });
});
