/** Planned restarts of whole processes: nobody who visits a home sees them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { type OriginListener, startOrigin } from "../helpers/origin.ts";
import {
  type AgentProgram,
  freePorts,
  isHealthy,
  MAIN,
  type Program,
  startAgentProgram,
  startProgram,
  untilTrue,
} from "../helpers/program.ts";
import { ACCESS_TOKEN, temporaryFolder } from "../helpers/tunnel.ts";

/** How many visitors come all the while, one request after the other each. */
const VISITORS = 4;

type Place = { readonly url: string; readonly adminUrl: string; readonly flags: readonly string[] };

async function newPlace(): Promise<Place> {
  const [port, adminPort] = await freePorts();
  return {
    url: `http://127.0.0.1:${port}`,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    flags: [
      ...["serve", "--bind=127.0.0.1", `--port=${port}`, `--admin-port=${adminPort}`, "--reuse-port=on"],
      `--database=sqlite:${join(temporaryFolder(), "culvert.db")}`,
    ],
  };
}

/** A process that listens by now, beside others at the same place. */
async function serveAt({ flags }: Place): Promise<Program> {
  const program = startProgram(flags);
  await untilTrue(() => program.output().includes("admin listener ready"), program);
  return program;
}

function timesIn(program: Program, text: string): number {
  return program.output().split(text).length - 1;
}

async function untilConnected(agent: AgentProgram, times: number): Promise<void> {
  await untilTrue(() => timesIn(agent, '"msg":"connected"') >= times, agent);
}

/** Visitors who come until `stop`, which tells how many came and what went wrong. */
function startVisitors(agent: AgentProgram) {
  let isOver = false;
  let came = 0;
  const wrong: string[] = [];
  const come = async () => {
    while (!isOver) {
      const what = await agent.visit("/now").then(
        ({ status, body }) => (status === 200 ? null : `${status} ${body.toString()}`),
        (error: Error) => error.message,
      );
      came++;
      if (what !== null) wrong.push(what);
    }
  };
  const all = Promise.all(Array.from({ length: VISITORS }, come));
  return {
    came: () => came,
    stop: async () => {
      isOver = true;
      await all;
      return wrong;
    },
  };
}

/** Answers at once, but for streams, which go on until `end`. */
function startHome() {
  const streams: Parameters<OriginListener>[1][] = [];
  const listener: OriginListener = (request, response) => {
    if (!request.url?.startsWith("/stream")) {
      response.end("served");
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: begun\n\n");
    streams.push(response);
  };
  return {
    listener,
    say: (text: string) => streams.forEach((stream) => void stream.write(text)),
    end: () => streams.forEach((stream) => void stream.end("data: over\n\n")),
  };
}

test("an event stream goes on at a server that leaves while its home is served by the next one", async () => {
  const home = startHome();
  const origin = await startOrigin(home.listener);
  const place = await newPlace();
  const first = await serveAt(place);
  const agent = await startAgentProgram(place, origin.url);
  const stream = await agent.openVisit("/stream");
  let heard = "";
  stream.setEncoding("utf8").on("data", (text: string) => {
    heard += text;
  });
  const untilHeard = (text: string) => untilTrue(() => heard.includes(text), agent);
  await untilHeard("begun");
  const second = await serveAt(place);
  first.signal("SIGTERM");
  await untilConnected(agent, 2);
  home.say("data: still there\n\n");
  await untilHeard("still there");
  expect((await agent.visit("/now")).status).toBe(200);
  home.end();
  await untilHeard("over");
  expect(await first.ended).toBe(0);
  expect((await agent.visit("/now")).status).toBe(200);
  expect(timesIn(second, '"msg":"tunnel accepted"')).toBe(1);
});

test("a WebSocket is closed with a code as soon as its home is reached by the next server, and opens again there", async () => {
  const service = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(service, "listening");
  onTestFinished(() => service.close());
  const address = service.address();
  if (typeof address === "string" || address === null) throw new Error("no port");
  const place = await newPlace();
  const first = await serveAt(place);
  const agent = await startAgentProgram(place, `http://127.0.0.1:${address.port}`);
  const socket = agent.openSocket("/socket");
  await once(socket, "open");
  await serveAt(place);
  first.signal("SIGTERM");
  expect((await once(socket, "close"))[0]).toBe(1001);
  expect(await first.ended).toBe(0);
  const again = agent.openSocket("/socket");
  await once(again, "open");
  again.close();
});

test("no request fails while servers replace each other on one port", async () => {
  const origin = await startOrigin(startHome().listener);
  const place = await newPlace();
  let server = await serveAt(place);
  const agent = await startAgentProgram(place, origin.url);
  const visitors = startVisitors(agent);
  for (let times = 2; times <= 4; times++) {
    const next = await serveAt(place);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    await untilConnected(agent, times);
    server = next;
    const came = visitors.came();
    await untilTrue(() => visitors.came() > came + VISITORS, agent);
  }
  expect(await visitors.stop()).toEqual([]);
});

/** Keeps the sockets, as systemd does: at each line of its input the process is stopped, and then the next one started. */
const SUPERVISOR = `
  start() { (LISTEN_PID=$BASHPID LISTEN_FDS=2 exec "$@") & pid=$!; }
  start "$@"
  while read -r; do kill -TERM $pid; wait $pid; echo "ended with $?"; start "$@"; done
  kill -KILL $pid`;

/** Bound and listening, and not looked at by this process any more when it is closed. */
async function listening(): Promise<{ readonly server: Server; readonly port: number; readonly fd: number }> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  const fd: unknown = Reflect.get(Reflect.get(server, "_handle") ?? {}, "fd");
  if (typeof address !== "object" || address === null || typeof fd !== "number") throw new Error("no socket");
  return { server, port: address.port, fd };
}

test("no request fails while a server is started anew on sockets that outlive it", async () => {
  const origin = await startOrigin(startHome().listener);
  const sockets = [await listening(), await listening()] as const;
  const database = `sqlite:${join(temporaryFolder(), "culvert.db")}`;
  const child = spawn(
    "bash",
    ["-c", SUPERVISOR, "bash", process.execPath, MAIN, "serve", `--database=${database}`],
    {
      env: { PATH: process.env.PATH ?? "", TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN },
      stdio: ["pipe", "pipe", "pipe", sockets[0].fd, sockets[1].fd],
    },
  );
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.stdin?.end();
    await ended;
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  for (const { server } of sockets) server.close();
  const [url, adminUrl] = sockets.map(({ port }) => `http://127.0.0.1:${port}`);
  const place = { url: url ?? "", adminUrl: adminUrl ?? "" };
  expect(await isHealthy(place), output).toBe(true);
  const agent = await startAgentProgram(place, origin.url);
  const visitors = startVisitors(agent);
  for (let times = 2; times <= 3; times++) {
    child.stdin?.write("again\n");
    await untilConnected(agent, times);
    const came = visitors.came();
    await untilTrue(() => visitors.came() > came + VISITORS, agent);
  }
  expect(await visitors.stop()).toEqual([]);
  expect(output.match(/ended with \d+/g)).toEqual(["ended with 0", "ended with 0"]);
});
