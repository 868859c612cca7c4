/** What the MoosicBox protocol carries beside plain requests, and what it cannot: that gets a clear refusal. */
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";
import { query } from "../demo/culvert.ts";
import { MoosicBoxAgent, startHome } from "../helpers/moosicbox-agent.ts";
import { connect, statuses } from "../helpers/raw-http.ts";
import { type Server, startServer, startTunnel, visitorsOf } from "../helpers/tunnel.ts";
import { ask, problemCode } from "../helpers/visitor.ts";
import { Watch } from "../helpers/watch.ts";

const MIB = 1024 * 1024;

/** A visitor's own WebSocket to a home. */
async function openVisitorSocket(server: Server, agent: MoosicBoxAgent) {
  const signature = await server.sign(agent.clientId, agent.clientToken);
  const parameters = query({ clientId: agent.clientId, signature });
  const socket = new WebSocket(`${server.url.replace("http:", "ws:")}/ws?${parameters}`);
  onTestFinished(() => socket.terminate());
  const texts: string[] = [];
  const watch = new Watch();
  socket.on("message", (data) => {
    texts.push(data.toString());
    watch.changed();
  });
  const closed = once(socket, "close").then(([code, reason]) => ({ code, reason: String(reason) }));
  await once(socket, "open");
  return {
    texts,
    closed,
    send: (data: string | Buffer) => socket.send(data),
    has: (text: string) => watch.until(() => texts.includes(text)),
  };
}

describe("a request", () => {
  test("reaches a deployed agent with what the protocol has a place for, and nothing else", async () => {
    const { agent, ask } = await startHome();
    const asked = ask("/files/a%20b?q=1&q=2", {
      method: "POST",
      headers: { accept: "audio/*", range: "bytes=0-", cookie: "a=b", "moosicbox-profile": "me" },
      body: '{"n":1.5}',
    });
    const request = await agent.request();
    expect(request).toEqual({
      type: "HTTP",
      request_id: expect.any(Number),
      method: "POST",
      path: "files/a%20b",
      query: { q: "2", clientId: "home" },
      payload: { n: 1.5 },
      headers: { accept: "audio/*", range: "bytes=0-" },
      encoding: "BINARY",
      profile: "me",
    });
    agent.reply(request);
    await asked;
  });

  test("with a JSON body reaches the origin byte for byte", async () => {
    const bodies: string[] = [];
    const tunnel = await startTunnel((request, response) => {
      request.setEncoding("utf8").on("data", (text: string) => bodies.push(text));
      request.on("end", () => response.end(`${request.method} ${request.headers["content-type"]}`));
    });
    const body = '{ "n": 12345678901234567890, "é": "\\u00e9" }';
    const answer = await tunnel.ask("/x", { method: "PATCH", body });
    expect(answer.body.toString()).toBe("PATCH application/json");
    expect(bodies.join("")).toBe(body);
  });

  test.each([
    ["a form", "a=b&c=d"],
    ["half of a JSON text", '{"a":'],
    ["two JSON texts", "{}{}"],
    ["bytes that are no text", Buffer.from([0x22, 0xff, 0x22])],
    ["nothing but white space", "  "],
  ])("with %s for a body is 400 not_json, and the home hears nothing", async (_what, body) => {
    const { agent, ask } = await startHome();
    const answer = await ask("/x", { method: "POST", body });
    expect(answer.status).toBe(400);
    expect(problemCode(answer)).toBe("not_json");
    await agent.heard();
    expect(agent.frames).toEqual([]);
  });

  test("with a body of more than 4 MiB is 413, announced or not", async () => {
    const { server, agent, target, ask } = await startHome();
    const answer = await ask("/x", { method: "POST", body: JSON.stringify("x".repeat(4 * MIB)) });
    expect(answer.status).toBe(413);
    expect(problemCode(answer)).toBe("limit_request_body");
    const visitor = connect(server.port);
    visitor.send(`POST ${target("/x")} HTTP/1.1`, "Host: x", `Authorization: Bearer ${agent.clientToken}`);
    visitor.send("", "Transfer-Encoding: chunked", "", `500000\r\n${" ".repeat(5 * MIB)}\r\n`);
    await visitor.untilText('"code":"limit_request_body"');
    expect(statuses(visitor)).toEqual([413]);
    await agent.heard();
    expect(agent.frames).toEqual([]);
  });

  test("for a way of responding that nobody knows is a clear 400", async () => {
    const { ask } = await startHome();
    const answer = await ask("/x", { headers: { "culvert-response": "sometimes" } });
    expect(answer.status).toBe(400);
    expect(problemCode(answer)).toBe("bad_request");
  });

  test("to store a magic token that another client has is a 409, and the token stays whose it is", async () => {
    const { server, agent } = await startHome();
    const other = await server.register("other");
    const store = (clientId: string, token: string) =>
      ask(`${server.url}/auth/magic-token?${query({ clientId, magicToken: "sesame" })}`, {
        method: "POST",
        headers: { authorization: token },
      });
    expect((await store("home", agent.clientToken)).status).toBe(200);
    const answer = await store("other", other);
    expect(answer.status).toBe(409);
    expect(problemCode(answer)).toBe("magic_token_taken");
    const asked = ask(`${server.url}/auth/magic-token?magicToken=sesame`);
    agent.reply(await agent.request(), { body: "home" });
    expect((await asked).body.toString()).toBe("home");
    expect((await store("home", agent.clientToken)).status).toBe(200);
  });

  test("has its query as MoosicBox's own server would give it: a plus sign, and what is no escape, stay", async () => {
    const { agent, ask } = await startHome();
    const asked = ask("/search?q=pink+floyd%20%2B&off=100%&not=%ff");
    const request = await agent.request();
    expect(request.query).toEqual({ q: "pink+floyd +", off: "100%", not: "%ff", clientId: "home" });
    agent.reply(request);
    expect((await asked).status).toBe(200);
  });

  test("comes to the service with the User-Agent by which a MoosicBox home knows that it is from outside", async () => {
    const agents: (string | undefined)[] = [];
    const tunnel = await startTunnel((request, response) => {
      agents.push(request.headers["user-agent"]);
      response.end();
    });
    await tunnel.ask("/x", { headers: { "user-agent": "a browser" } });
    expect(agents).toEqual(["MOOSICBOX_TUNNEL"]);
  });

  test("with a magic token reaches its home and carries nothing but the token", async () => {
    const { server, agent } = await startHome();
    const parameters = query({ clientId: "home", magicToken: "open sesame" });
    const headers = { authorization: agent.clientToken };
    await ask(`${server.url}/auth/magic-token?${parameters}`, { method: "POST", headers });
    const asked = ask(`${server.url}/auth/magic-token?${query({ MAGICTOKEN: "open sesame", other: "1" })}`);
    const request = await agent.request();
    expect(request).toMatchObject({
      method: "GET",
      path: "auth/magic-token",
      query: { magicToken: "open sesame" },
    });
    agent.reply(request, { body: "come in" });
    expect((await asked).body.toString()).toBe("come in");
  });

  test("with a magic token that nobody stored, or with none, is 401", async () => {
    const { server, agent } = await startHome();
    for (const magicToken of ["unknown", ""]) {
      const answer = await ask(`${server.url}/auth/magic-token?${query({ magicToken })}`);
      expect(answer.status).toBe(401);
    }
    await agent.heard();
    expect(agent.frames).toEqual([]);
  });

  test("for a media path is let in by a signature in its query", async () => {
    const { server, agent } = await startHome();
    const signature = await server.sign("home", agent.clientToken);
    const asked = ask(`${server.url}/files/track?${query({ clientId: "home", signature, trackId: "1" })}`);
    agent.reply(await agent.request(), { body: "a tune" });
    expect((await asked).body.toString()).toBe("a tune");
    const elsewhere = await ask(`${server.url}/files/other?${query({ clientId: "home", signature })}`);
    expect(elsewhere.status).toBe(401);
  });
});

describe("a visitor socket", () => {
  test("asks its home and hears the answer, to the last digit", async () => {
    const { server, agent } = await startHome();
    const visitor = await openVisitorSocket(server, agent);
    visitor.send('{"volume":12345678901234567890}');
    const question = await agent.message();
    agent.sendText(`{"request_id":${question.request_id},"body":{"ok":12345678901234567890}}`);
    await visitor.has('{"ok":12345678901234567890}');
  });

  test("hears what its home says unasked to all, to some, or to all but some, and nothing of another home", async () => {
    const { server, agent } = await startHome();
    const other = await MoosicBoxAgent.connect(server, "other");
    const stranger = await openVisitorSocket(server, other);
    const first = await openVisitorSocket(server, agent);
    const second = await openVisitorSocket(server, agent);
    first.send('"hello"');
    const { conn_id, request_id } = await agent.message();
    for (const text of [
      `{"request_id":${request_id},"body":"evil"}`,
      `{"request_id":0,"body":"evil","to_connection_ids":[${conn_id}]}`,
    ]) {
      other.sendText(text);
    }
    await other.heard();
    agent.sendText('{"request_id":0,"body":"to all"}');
    agent.sendText(`{"request_id":0,"body":"to the first","to_connection_ids":[${conn_id}]}`);
    agent.sendText(`{"request_id":0,"body":"to the second","exclude_connection_ids":[${conn_id}]}`);
    agent.sendText('{"request_id":0,"body":"end"}');
    await Promise.all([first.has('"end"'), second.has('"end"')]);
    expect(first.texts).toEqual(['"to all"', '"to the first"', '"end"']);
    expect(second.texts).toEqual(['"to all"', '"to the second"', '"end"']);
    expect(stranger.texts).toEqual([]);
  });

  test.each<[string, string | Buffer, number, string]>([
    ["text that is not JSON", "hello", 1007, "not_json"],
    ["bytes", Buffer.from("{}"), 1003, "not_text"],
    ["more than a megabyte", JSON.stringify("x".repeat(MIB)), 1009, "limit_message"],
  ])("that sends %s is closed with a clear reason", async (_what, message, code, reason) => {
    const { server, agent } = await startHome();
    const visitor = await openVisitorSocket(server, agent);
    visitor.send(message);
    expect(await visitor.closed).toEqual({ code, reason });
    await agent.heard();
    expect(agent.frames).toEqual([]);
  });

  test("that asks while its home is away is told so", async () => {
    const { server, agent } = await startHome();
    const visitor = await openVisitorSocket(server, agent);
    agent.kill();
    await server.log.line("tunnel ended");
    visitor.send("{}");
    expect(await visitor.closed).toEqual({ code: 1013, reason: "agent_not_connected" });
  });

  test("of Culvert's own agent is told that this home answers HTTP only", async () => {
    const tunnel = await startTunnel((_request, response) => response.end());
    const signature = await tunnel.server.sign("home", tunnel.clientToken);
    const socket = new WebSocket(`${tunnel.server.url}/ws?${query({ clientId: "home", signature })}`);
    onTestFinished(() => socket.terminate());
    await once(socket, "open");
    socket.send("{}");
    const [data] = await once(socket, "message");
    expect(data.toString()).toContain("visitor_sockets_unsupported");
  });
});

test("two agents with one client id, which come back as soon as they are thrown out, come to rest", async () => {
  const server = await startServer();
  const clientToken = await server.register("home");
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  const keepConnected = async () => {
    while (!isOver) {
      const agent = await MoosicBoxAgent.connect(server, "home", clientToken);
      agent.socket.on("message", (data) => {
        const frame = JSON.parse(data.toString());
        if (frame.type === "HTTP") agent.reply(frame, { body: "served" });
      });
      await agent.closed;
    }
  };
  const { ask } = visitorsOf(server, "home", clientToken);
  for (const agent of [1, 2]) {
    void keepConnected();
    await expect.poll(async () => (await server.status()).tunnelsAccepted).toBeGreaterThanOrEqual(agent);
  }
  await expect.poll(async () => (await server.status()).tunnels).toBe(2);
  for (let round = 0; round < 50; round++) expect((await ask("/song")).body.toString()).toBe("served");
  expect(await server.status()).toMatchObject({ tunnels: 2, tunnelsAccepted: 3 });
});
