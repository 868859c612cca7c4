/**
 * Strangers who want to keep others out: who pipeline, do not read, hold connections, knock and knock. They get what they are
 * due, and whoever has something to do here is served beside them.
 */
import net from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { hashPassword } from "../../adapters/server/passwords.ts";
import { RawConnection } from "../adapters/raw-client.ts";
import { startHome } from "../helpers/moosicbox-agent.ts";
import { HOST, startPassage } from "../helpers/passage.ts";
import { isHealthy, startServerProgram } from "../helpers/program.ts";
import { statuses } from "../helpers/raw-http.ts";
import { type Server, startServer } from "../helpers/tunnel.ts";
import { ask } from "../helpers/visitor.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEALTH = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

function connect(server: Pick<Server, "port">, localAddress = "127.0.0.1"): RawConnection {
  const connection = new RawConnection(net.connect({ port: server.port, host: "127.0.0.1", localAddress }));
  onTestFinished(() => void connection.socket.destroy());
  return connection;
}

function answersOf({ text }: RawConnection): number {
  return text.split("HTTP/1.1 ").length - 1;
}

/** A connection that writes for as long as anything is taken of it, and reads nothing. */
async function flood(server: Server, bytes: string): Promise<RawConnection> {
  const stranger = connect(server);
  stranger.socket.pause();
  stranger.socket.write(bytes);
  return stranger;
}

test("ten thousand pipelined requests of one connection are a few exchanges at a time, and all are answered", async () => {
  const server = await startServer({ limits: { turnsMax: 8, addressUnservedMax: 20_000 } });
  const stranger = connect(server);
  stranger.socket.write(REQUEST.repeat(10_000));
  const single = connect(server);
  single.socket.write(REQUEST);
  await single.until(() => single.text.includes("CLIENT-ID"));
  const answerBytes = single.bytes;
  let most = 0;
  while (stranger.bytes < 10_000 * answerBytes) {
    most = Math.max(most, (await server.status()).exchanges);
    expect(stranger.ending).toBe(null);
  }
  expect(stranger.text.split("HTTP/1.1 200 OK\r\n").length - 1).toBe(10_000);
  expect(most).toBeLessThanOrEqual(8);
  expect((await server.status()).exchanges).toBe(0);
});

test("who asks once is answered before what others have pipelined is", async () => {
  const server = await startServer({ limits: { addressUnservedMax: 100_000 } });
  const strangers = Array.from({ length: 20 }, () => connect(server));
  for (const { socket } of strangers) socket.write(HEALTH.repeat(1_000));
  const visitor = connect(server, "127.0.0.2");
  visitor.socket.write(HEALTH);
  await Promise.all(strangers.map((stranger) => stranger.until(() => stranger.bytes > 0)));
  await visitor.until(() => visitor.bytes > 0);
  const before = strangers.reduce((sum, { bytes }) => sum + bytes, 0) / visitor.bytes;
  expect(before).toBeLessThan(10_000);
  await Promise.all(
    strangers.map((stranger) => stranger.until(() => stranger.bytes >= 1_000 * visitor.bytes)),
  );
});

test("a thousand pipelined requests that a home does not answer keep nobody out of it", async () => {
  const { server, visit, home } = await startPassage("native");
  const stranger = connect(server);
  stranger.socket.write(`GET /hangs HTTP/1.1\r\n${HOST}\r\n\r\n`.repeat(1_000));
  const first = await home.call();
  const visitor = visit();
  visitor.send("GET /asked HTTP/1.1", HOST, "", "");
  let call = first;
  while (!call.head[0]?.includes("/asked")) {
    expect(visitor.text).toBe("");
    call = await home.call();
  }
  call.answer("200 OK", [], "answered");
  await visitor.untilText("answered");
});

test("strangers who pipeline and never read hold a few exchanges each, and keep nobody out", async () => {
  const server = await startServer({ limits: { exchangesMax: 64, turnsMax: 8 } });
  await Promise.all(Array.from({ length: 34 }, () => flood(server, REQUEST.repeat(12_000))));
  for (let round = 0; round < 20; round++) {
    expect((await ask(`${server.url}/health`)).status).toBe(200);
  }
  expect((await server.status()).exchanges).toBeLessThanOrEqual(34 * 8 + 1);
});

test("handshakes with wrong tokens do not count as tunnels", async () => {
  const home = await startHome({ limits: { tunnelsMax: 2, addressStrangersMax: 1_000, guessesMax: 1_000 } });
  const { server } = home;
  const knock = () => {
    const stranger = connect(server);
    stranger.socket.write(
      "GET /ws?clientId=x&sender=true&signature=wrong HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    return stranger;
  };
  const strangers = Array.from({ length: 100 }, knock);
  await Promise.all(strangers.map((stranger) => stranger.untilText("401")));
  expect((await server.status()).tunnels).toBe(1);
  const answer = home.ask("/good");
  home.agent.reply(await home.agent.request());
  expect((await answer).status).toBe(200);
});

test("the oldest idle connection makes room for a new one, and the operator is told", async () => {
  const server = await startServer({ limits: { connectionsMax: 10 } });
  const idle: RawConnection[] = [];
  for (let index = 0; index < 10; index++) {
    const stranger = connect(server);
    stranger.socket.write(HEALTH);
    await stranger.untilText("200 OK");
    idle.push(stranger);
  }
  expect((await ask(`${server.url}/health`)).status).toBe(200);
  await idle[0]?.untilEnded();
  expect(idle.filter(({ ending }) => ending === null).length).toBeGreaterThanOrEqual(8);
  const metrics = await ask(`http://127.0.0.1:${server.adminPort}/metrics`);
  expect(metrics.body.toString()).toMatch(
    /culvert_connection_faults_total\{cause="limit_connections"\} [1-9]/,
  );
  expect(server.log.text).toContain("connections were turned away");
});

test("more idle connections than a process may have files leave room for the next, and for the operator", async () => {
  const server = await startServerProgram({ script: 'ulimit -n 256; exec "$@"' });
  const port = Number(new URL(server.url).port);
  // Of several addresses, since one has a share only.
  for (let index = 0; index < 300; index++) {
    const stranger = connect({ port }, `127.0.0.${(index % 30) + 2}`);
    stranger.socket.write(HEALTH);
    await stranger.until(() => stranger.bytes > 0 || stranger.ending !== null);
    expect(stranger.text).toContain("200 OK");
  }
  expect(await isHealthy(server)).toBe(true);
  const metrics = await ask(`${server.adminUrl}/metrics`);
  expect(metrics.body.toString()).toMatch(
    /culvert_connection_faults_total\{cause="limit_connections"\} [1-9]/,
  );
});

test("one address has a share of the connections, and no more", async () => {
  const server = await startServer({ limits: { addressConnectionsMax: 5 } });
  const held = Array.from({ length: 5 }, () => connect(server));
  for (const stranger of held) stranger.socket.write(HEALTH);
  await Promise.all(held.map((stranger) => stranger.untilText("200 OK")));
  const refused = connect(server);
  refused.socket.write(HEALTH);
  await refused.until(() => refused.bytes > 0 || refused.ending !== null);
  expect(refused.text).toBe("");
  held[0]?.socket.destroy();
  await expect
    .poll(async () =>
      ask(`${server.url}/health`)
        .then(({ status }) => status)
        .catch(() => 0),
    )
    .toBe(200);
});

test("who gets nothing but refusals is held when he has had many, and other addresses are not", async () => {
  const server = await startServer({ limits: { addressUnservedMax: 20, addressUnservedMs: 3_600_000 } });
  const stranger = connect(server);
  for (let count = 1; count <= 20; count++) {
    stranger.socket.write("GET /x?clientId=none HTTP/1.1\r\nHost: a\r\n\r\n");
    await stranger.until(() => answersOf(stranger) === count);
  }
  const others = [stranger, connect(server), connect(server)];
  for (const { socket } of others) socket.write(REQUEST);
  for (const localAddress of ["127.0.0.2", "127.0.0.3"]) {
    const visitor = connect(server, localAddress);
    visitor.socket.write(REQUEST);
    await visitor.until(() => visitor.text.includes("CLIENT-ID"));
  }
  expect(others.map(answersOf)).toEqual([20, 0, 0]);
  const { exchanges } = await server.status();
  expect(exchanges).toBe(0);
});

test("guesses at a token are not looked up beyond their number, and a good one still opens the door", async () => {
  const home = await startHome({ limits: { guessesMax: 20 } });
  const guess = () =>
    ask(`${home.server.url}/x?clientId=home`, { headers: { authorization: "Bearer wrong" } });
  const answer = home.ask("/good");
  home.agent.reply(await home.agent.request());
  expect((await answer).status).toBe(200);
  const statuses = [];
  for (let index = 0; index < 60; index++) statuses.push((await guess()).status);
  expect(statuses.slice(0, 10)).toEqual(Array(10).fill(401));
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(20);
  const again = home.ask("/good");
  home.agent.reply(await home.agent.request());
  expect((await again).status).toBe(200);
});

test("guesses at a password are not checked beyond their number, and a right one still opens the door", async () => {
  const { server, home, visit } = await startPassage("native", {
    access: `basic:me:${await hashPassword("right-word")}`,
    server: { limits: { guessesMax: 5 } },
  });
  const ask = async (password: string) => {
    const visitor = visit();
    const credential = Buffer.from(`me:${password}`).toString("base64");
    visitor.send("GET /x HTTP/1.1", HOST, `Authorization: Basic ${credential}`, "Connection: close", "", "");
    return visitor;
  };
  const enters = async () => {
    const visitor = await ask("right-word");
    (await home.call()).answer("200 OK", [], "welcome");
    await visitor.untilText("welcome");
  };
  const guess = async (index: number) => {
    const visitor = await ask(`guess-${index}`);
    await visitor.untilEnded();
    return statuses(visitor)[0];
  };
  await enters();
  const answers: (number | undefined)[] = [];
  for (let round = 0; round < 300; round++) answers.push(await guess(round));
  expect(answers.slice(0, 5)).toEqual(Array(5).fill(401));
  expect(answers.filter((status) => status === 429).length).toBeGreaterThan(200);
  expect(new Set(answers)).toEqual(new Set([401, 429]));
  await enters();
  const { outcomes } = await server.status();
  expect(outcomes.limit_guesses).toBeGreaterThan(200);
});
