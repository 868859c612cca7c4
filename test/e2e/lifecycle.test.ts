/** Starts, ends and deaths of whole processes: what visitors see of them, and that nobody has to help afterwards. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { clientTokenIn, startAgent as startAgentProcess } from "../demo/culvert.ts";
import { MoosicBoxAgent } from "../helpers/moosicbox-agent.ts";
import { type OriginListener, startOrigin } from "../helpers/origin.ts";
import { connect } from "../helpers/raw-http.ts";
import { kill, startServerProcess } from "../helpers/server-process.ts";
import {
  ACCESS_TOKEN,
  registerAt,
  startAgent,
  startServer,
  startTunnel,
  temporaryFolder,
  visitorsOf,
} from "../helpers/tunnel.ts";
import { ask, problemCode } from "../helpers/visitor.ts";

/** Serves the beginning of an endless song, and anything else at once. */
const home: OriginListener = (request, response) => {
  if (request.url?.startsWith("/endless")) response.write("the beginning");
  else response.end("served");
};

/** What `curl` made of a URL: its exit code, and what it had received. */
function startCurl(url: string, clientToken: string) {
  const child = spawn("curl", ["--silent", "--no-buffer", "-H", `Authorization: Bearer ${clientToken}`, url]);
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code, output }));
  return { ended, begun: once(child.stdout, "data") };
}

describe("an agent that is killed", () => {
  test("inside a chunked download makes curl fail, and the next request after its return succeeds", async () => {
    const origin = await startOrigin(home);
    const folder = temporaryFolder();
    const { child, url } = await startServerProcess(join(folder, "culvert.db"));
    const server = { child, url, accessToken: ACCESS_TOKEN };
    const stateFile = join(folder, "agent.json");
    const options = { server, to: origin.url, clientId: "home", stateFile, protocol: "moosicbox" } as const;
    const first = await startAgentProcess(options);
    onTestFinished(() => first.stop());
    const clientToken = clientTokenIn(stateFile);
    const visitors = visitorsOf({ url }, "home", clientToken);
    const curl = startCurl(url + visitors.target("/endless"), clientToken);
    await curl.begun;
    await kill(first);
    // 18 is curl's "partial file".
    expect(await curl.ended).toEqual({ code: 18, output: "the beginning" });

    expect(problemCode(await visitors.ask("/next"))).toBe("agent_not_connected");
    const second = await startAgentProcess(options);
    onTestFinished(() => second.stop());
    expect((await visitors.ask("/next")).body.toString()).toBe("served");
  });
});

describe("a server that is killed", () => {
  test.each([
    ["at once", 0],
    ["after its agent has failed three times", 3],
  ])(
    "T26: and started again %s gives visitors a definite end, and its agents come back by themselves",
    async (_when, failures) => {
      const origin = await startOrigin(home);
      const database = join(temporaryFolder(), "culvert.db");
      const first = await startServerProcess(database);
      const agent = await startAgent(first, origin.url, { limits: { retryMs: 200, retryDownMs: 200 } });
      const clientToken = await registerAt(first.url, "home");
      const visitors = visitorsOf(first, "home", clientToken);
      const curl = startCurl(first.url + visitors.target("/endless"), clientToken);
      await curl.begun;
      await kill(first.child);
      expect((await curl.ended).code).not.toBe(0);
      await agent.log.count("trying again", 1 + failures);

      await startServerProcess(database, first.port);
      await agent.log.count("connected", 2);
      expect((await visitors.ask("/next")).body.toString()).toBe("served");
      // No ghost of the first run: the one row is that of the tunnel that lives.
      expect(rows(database)).toHaveLength(1);
      await agent.running.stop();
      expect(problemCode(await visitors.ask("/next"))).toBe("agent_not_connected");
      expect(rows(database)).toHaveLength(0);
    },
  );

  test("T26: and comes back with an empty database has its agent register anew", async () => {
    const origin = await startOrigin(home);
    const first = await startServer();
    const agent = await startAgent(first, origin.url);
    await first.running.stop();
    const second = await startServer({ port: first.port });
    await agent.log.count("registered with the server", 2);
    await agent.log.count("connected", 2);
    const visitors = visitorsOf(second, "home", await second.register("home"));
    expect((await visitors.ask("/next")).body.toString()).toBe("served");
  });

  test("T26: does not know a home that never came back", async () => {
    const database = join(temporaryFolder(), "culvert.db");
    const first = await startServerProcess(database);
    const agent = await startAgent(first, "http://127.0.0.1:1", {
      limits: { retryDownMs: 200, retryMs: 200 },
    });
    const clientToken = await registerAt(first.url, "home");
    await kill(first.child);
    await agent.running.stop();
    expect(rows(database)).toHaveLength(1);
    const second = await startServerProcess(database);
    const answer = await visitorsOf(second, "home", clientToken).ask("/x");
    expect(problemCode(answer)).toBe("agent_not_connected");
  });

  test("A14: has shown no secret to who lists processes", async () => {
    const folder = temporaryFolder();
    const { child, url } = await startServerProcess(join(folder, "culvert.db"));
    const agent = await startAgentProcess({
      server: { child, url, accessToken: ACCESS_TOKEN },
      to: "http://127.0.0.1:1",
      clientId: "home",
      stateFile: join(folder, "agent.json"),
    });
    onTestFinished(() => agent.stop());
    const { clientToken } = JSON.parse(readFileSync(join(folder, "agent.json"), "utf8"));
    for (const { pid } of [child, agent]) {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      expect(commandLine).toContain("dist/program.cjs");
      expect(commandLine).not.toContain(ACCESS_TOKEN);
      expect(commandLine).not.toContain(clientToken);
    }
  });
});

describe("a server that drains", () => {
  test("T25: finishes what runs, serves who comes meanwhile, tells agents to move on, and is gone", async () => {
    const server = await startServer({ limits: { drainMs: 20_000 } });
    const agent = await MoosicBoxAgent.connect(server);
    const { ask: askHome, target } = visitorsOf(server, "home", agent.clientToken);
    const authorization = `Authorization: Bearer ${agent.clientToken}`;
    const keptAlive = connect(server.port);
    keptAlive.get(target("/before"), authorization);
    agent.reply(await agent.request(), { body: "before" });
    await keptAlive.untilText("before");
    const asked = askHome("/running");
    const request = await agent.request();
    agent.send({ requestId: request.request_id, packetId: 1, status: 200, headers: {}, body: "half and " });
    await agent.heard();

    const stopped = server.running.stop();
    await server.log.line("draining", { exchanges: 1, tunnels: 1 });
    const late = await ask(`${server.url}/health`);
    expect([late.status, late.headers.connection]).toEqual([200, "close"]);
    agent.send({ requestId: request.request_id, packetId: 2, last: true, body: "half" });
    const answer = await asked;
    expect(answer.body.toString()).toBe("half and half");
    expect(answer.isWhole).toBe(true);
    expect(await agent.closed).toEqual({ code: 1001, reason: "draining" });
    await keptAlive.untilEnded();
    await stopped;
    await expect(ask(`${server.url}/health`)).rejects.toThrow();
  });

  test("T25: lets what native homes have begun come to its end, and tells their agents to move on", async () => {
    const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
    const tunnel = await startTunnel(
      async (_request, response) => {
        response.write("half and ");
        await goOn;
        response.end("half");
      },
      { server: { limits: { drainMs: 20_000 } }, agent: { protocol: "native" } },
    );
    const running = tunnel.ask("/running");
    await tunnel.origin.asked(1);
    const stopped = tunnel.server.running.stop();
    await tunnel.server.log.line("draining", { exchanges: 1, tunnels: 1 });
    release();
    const answer = await running;
    expect(answer.body.toString()).toBe("half and half");
    expect(answer.isWhole).toBe(true);
    await stopped;
    await tunnel.agent.log.line("trying again");
  });

  test("T25: cuts what is not done by the deadline", async () => {
    const server = await startServer({ limits: { drainMs: 50 } });
    const agent = await MoosicBoxAgent.connect(server);
    const { ask: askHome } = visitorsOf(server, "home", agent.clientToken);
    const unanswered = askHome("/unanswered");
    await agent.request();
    const half = askHome("/half");
    const { request_id } = await agent.request();
    agent.send({ requestId: request_id, packetId: 1, status: 200, headers: {}, body: "half" });
    await agent.heard();
    await server.running.stop();
    expect(problemCode(await unanswered)).toBe("draining");
    expect(await half).toMatchObject({ status: 200, isWhole: false });
  });
});

describe("an agent that drains", () => {
  test("finishes what runs, refuses what comes, and leaves with a word", async () => {
    const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
    const tunnel = await startTunnel(
      async (_request, response) => {
        response.write("half and ");
        await goOn;
        response.end("half");
      },
      { agent: { limits: { drainMs: 20_000 } } },
    );
    const running = tunnel.ask("/running");
    await tunnel.origin.asked(1);
    const stopped = tunnel.agent.running.stop();
    const late = await tunnel.ask("/late");
    expect(late.status).toBe(503);
    expect(problemCode(late)).toBe("draining");
    release();
    const answer = await running;
    expect(answer.body.toString()).toBe("half and half");
    expect(answer.isWhole).toBe(true);
    await stopped;
    expect(await tunnel.server.log.line("tunnel ended")).toMatchObject({ code: 1000 });
  });

  test("natively finishes what runs, and what comes waits for another one in vain", async () => {
    const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
    const tunnel = await startTunnel(
      async (_request, response) => {
        response.write("half and ");
        await goOn;
        response.end("half");
      },
      {
        server: { limits: { waitMs: 200 } },
        agent: { protocol: "native", limits: { drainMs: 20_000 } },
      },
    );
    const running = tunnel.ask("/running");
    await tunnel.origin.asked(1);
    const stopped = tunnel.agent.running.stop();
    expect(["draining", "agent_not_connected"]).toContain(problemCode(await tunnel.ask("/late")));
    expect(problemCode(await tunnel.ask("/later"))).toBe("agent_not_connected");
    release();
    const answer = await running;
    expect(answer.body.toString()).toBe("half and half");
    expect(answer.isWhole).toBe(true);
    await stopped;
    expect(await tunnel.server.log.line("tunnel ended")).toMatchObject({ code: 1000 });
    expect(tunnel.origin.requests).toHaveLength(1);
  });
});

function rows(database: string): unknown[] {
  const opened = new DatabaseSync(database, { readOnly: true });
  try {
    return opened.prepare("SELECT client_id, tunnel_ws_id FROM connections").all();
  } finally {
    opened.close();
  }
}
