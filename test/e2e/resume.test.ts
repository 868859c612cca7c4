/** What visitors and origins see of a connection between agent and server that breaks: nothing, if the agent is back in time. */
import { once } from "node:events";
import { request, type ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import type WebSocket from "ws";
import { atRest, resumed, startRelayedHome } from "../helpers/relayed-home.ts";
import { type Answer, ask, problemCode, read } from "../helpers/visitor.ts";
import { Watch } from "../helpers/watch.ts";

/** Long enough for an agent's first attempt to fail. */
const CUT_MS = 300;

describe("a response", () => {
  test.each([
    ["before its head", {}],
    ["inside its body", {}],
    ["inside its body, which is gathered,", { "culvert-response": "blocking" }],
  ])(
    "T01: that loses its tunnel %s reaches the visitor whole and once, from one call of the origin",
    async (where, mode) => {
      const begun = Promise.withResolvers<ServerResponse>();
      const home = await startRelayedHome((_request, response) => {
        if (where !== "before its head") response.write("said before, ");
        begun.resolve(response);
      });
      const asked = home.ask("/song", { headers: mode });
      const response = await begun.promise;
      await home.cut(CUT_MS);
      response.write("said meanwhile, ");
      await resumed(home, 1);
      response.end("said after");
      const answer = await asked;
      const before = where === "before its head" ? "" : "said before, ";
      expect(answer.body.toString()).toBe(`${before}said meanwhile, said after`);
      expect(answer).toMatchObject({ status: 200, isWhole: true });
      expect(home.origin.requests).toHaveLength(1);
      await atRest(home);
    },
  );

  test("T01: that ends while its tunnel is away is delivered when it is back", async () => {
    const begun = Promise.withResolvers<ServerResponse>();
    const home = await startRelayedHome((_request, response) => begun.resolve(response));
    const asked = home.ask("/song");
    const response = await begun.promise;
    await home.cut(CUT_MS);
    response.setHeader("etag", '"7"');
    response.end("said meanwhile");
    const answer = await asked;
    expect(answer.body.toString()).toBe("said meanwhile");
    expect(answer.headers.etag).toBe('"7"');
    expect(home.origin.requests).toHaveLength(1);
  });

  test("T01: survives being cut off twice in a row, before it has caught up", async () => {
    const begun = Promise.withResolvers<ServerResponse>();
    const home = await startRelayedHome((_request, response) => begun.resolve(response));
    const asked = home.ask("/song");
    const response = await begun.promise;
    const whole = "0123456789abcdef".repeat(64 * 1024);
    response.write(whole.slice(0, 100_000));
    for (let cut = 1; cut <= 3; cut++) {
      await home.cut();
      response.write(whole.slice(cut * 100_000, (cut + 1) * 100_000));
    }
    response.end(whole.slice(400_000));
    const answer = await asked;
    expect(answer.body.toString() === whole).toBe(true);
    expect(home.origin.requests).toHaveLength(1);
  });
});

describe("a request body", () => {
  test.each([
    ["of a declared length", { "content-length": 42 }],
    ["in chunks", { "transfer-encoding": "chunked" }],
  ])(
    "T02: %s that loses its tunnel half-way reaches the origin whole and once",
    async (_framing, headers) => {
      const parts: string[] = [];
      const watch = new Watch();
      const home = await startRelayedHome((incoming, response) => {
        incoming.setEncoding("utf8").on("data", (text: string) => {
          parts.push(text);
          watch.changed();
        });
        incoming.once("end", () => response.end("thanks"));
      });
      const call = request(home.server.url + home.target("/upload"), {
        method: "POST",
        headers: { ...home.headers, ...headers },
        agent: false,
      });
      const answered = once(call, "response");
      call.write("said before, ");
      await watch.until(() => parts.join("") === "said before, ");
      await home.cut(CUT_MS);
      call.write("said meanwhile, ");
      await resumed(home, 1);
      call.end("said after it");
      const [response] = await answered;
      expect((await read(response)).body.toString()).toBe("thanks");
      expect(parts.join("")).toBe("said before, said meanwhile, said after it");
      expect(home.origin.requests).toHaveLength(1);
      await atRest(home);
    },
  );
});

describe("an agent that is not back in time", () => {
  test("T03, T22: leaves every exchange with one end and its code, and nothing held at either end", async () => {
    const calls: ServerResponse[] = [];
    const sockets: WebSocket[] = [];
    const home = await startRelayedHome(
      (incoming, response) => {
        calls.push(response);
        if (incoming.url?.startsWith("/half")) response.write("half");
        if (incoming.url?.startsWith("/next")) response.end("served");
      },
      { server: { limits: { graceMs: 200, waitMs: 10_000 } }, onSocket: (socket) => sockets.push(socket) },
    );
    const unanswered = home.ask("/unanswered");
    const half = await home.open("/half");
    await once(half, "readable");
    const gathered = home.ask("/half", { headers: { "culvert-response": "blocking" } });
    const upload = request(home.server.url + home.target("/upload"), {
      method: "PUT",
      headers: home.headers,
      agent: false,
    });
    upload.write("half");
    const refused = once(upload, "response").then(([response]) => read(response));
    const socket = await home.connect("/socket");
    const closed = once(socket, "close");
    await home.origin.asked(5);
    const leftByAgent = Promise.all([
      ...calls.map((response) => once(response, "close")),
      ...sockets.map((each) => once(each, "close")),
    ]);

    await home.cut(2_000);
    await home.server.log.line("session lost", { exchanges: 5 });
    expect(outcome(await unanswered)).toEqual([502, "agent_lost"]);
    expect(await read(half)).toMatchObject({ status: 200, isWhole: false });
    expect(outcome(await gathered)).toEqual([502, "agent_lost"]);
    expect(outcome(await refused)).toEqual([502, "agent_lost"]);
    const [code, reason] = await closed;
    expect({ code, reason: String(reason) }).toEqual({ code: 1012, reason: "agent_lost" });
    const status = await home.server.status();
    expect(status).toMatchObject({ tunnels: 0, sessions: 0 });
    expect(status.outcomes).toMatchObject({ agent_lost: 5 });

    // It comes back, is told that it is somebody new, and serves.
    await leftByAgent;
    await atRest(home);
    expect((await home.ask("/next")).body.toString()).toBe("served");
    expect(home.origin.requests).toHaveLength(6);
    await atRest(home);
    expect(await home.server.status()).toMatchObject({ sessions: 1, resumptions: 0 });
  });
});

describe("a new request while the agent is away", () => {
  test("T04: waits two seconds for it, and is served once", async () => {
    const home = await startRelayedHome((_request, response) => response.end("served"));
    await home.cut(2_000);
    const asked = Promise.all(Array.from({ length: 10 }, () => home.ask("/song")));
    await expect.poll(() => home.server.status()).toMatchObject({ waiting: 10 });
    expect(home.origin.requests).toHaveLength(0);
    for (const answer of await asked) expect(answer.body.toString()).toBe("served");
    expect(home.origin.requests).toHaveLength(10);
    await atRest(home);
  });

  test.each([
    ["by client id with 424", 424, "/song?clientId=home"],
    ["by path with 503", 503, "/t/home/song"],
    ["by host with 503", 503, "/song"],
  ])(
    "T04: is refused %s and Retry-After where the agent stays away, and beyond the queue with 429",
    async (_way, status, target) => {
      const home = await startRelayedHome((_request, response) => response.end("served"), {
        server: {
          limits: { waitMs: 500, waitingMax: 1 },
          flags: ["--path-routing=on", "--domain=tunnel.test"],
        },
      });
      await home.cut(60_000);
      const headers = { ...home.headers, host: "home.tunnel.test" };
      const visit = () =>
        ask(home.server.url + target, { headers: target === "/song" ? headers : home.headers });
      const answers = await Promise.all([visit(), visit()]);
      // Which of them is the first is the network's choice.
      expect(answers.map(outcome).sort()).toEqual(
        [
          [status, "agent_not_connected"],
          [429, "limit_tunnel_exchanges"],
        ].sort(),
      );
      for (const answer of answers) expect(answer.headers["retry-after"]).toMatch(/^\d+$/);
      expect(home.origin.requests).toHaveLength(0);
      await atRest(home);
    },
  );
});

test("T22: a WebSocket whose agent reconnects keeps every message of both sides, in order, and its close", async () => {
  const accepted = Promise.withResolvers<WebSocket>();
  const home = await startRelayedHome(() => {}, { onSocket: accepted.resolve });
  const visitor = await home.connect("/socket");
  const origin = await accepted.promise;
  const [visitorHears, originHears] = [messagesOf(visitor), messagesOf(origin)];
  const say = (text: string) => {
    visitor.send(`visitor ${text}`);
    origin.send(`origin ${text}`);
  };
  say("before");
  await Promise.all([visitorHears.count(1), originHears.count(1)]);
  await home.cut(CUT_MS);
  say("meanwhile");
  visitor.ping("still there?");
  const pong = once(visitor, "pong");
  await resumed(home, 1);
  say("after");
  expect(String(await pong)).toBe("still there?");
  await Promise.all([visitorHears.count(3), originHears.count(3)]);
  expect(visitorHears.texts).toEqual(["origin before", "origin meanwhile", "origin after"]);
  expect(originHears.texts).toEqual(["visitor before", "visitor meanwhile", "visitor after"]);
  const closes = [once(visitor, "close"), once(origin, "close")];
  await home.cut(CUT_MS);
  visitor.close(4000, "good bye");
  for (const [code, reason] of await Promise.all(closes)) {
    expect({ code, reason: String(reason) }).toEqual({ code: 4000, reason: "good bye" });
  }
  expect(home.origin.requests).toEqual(["GET /socket?clientId=home"]);
});

function messagesOf(socket: WebSocket): {
  readonly texts: readonly string[];
  count(count: number): Promise<unknown>;
} {
  const texts: string[] = [];
  const watch = new Watch();
  socket.on("message", (data) => {
    texts.push(String(data));
    watch.changed();
  });
  return { texts, count: (count) => watch.until(() => texts.length >= count) };
}

function outcome(answer: Answer): [number, unknown] {
  return [answer.status, problemCode(answer)];
}
