/**
 * `npm run demo`: a server, an agent and a home with a tune, all on this machine, and a page to listen through them.
 * `npm run demo -- --once`: fetches the tune through the tunnel in every way, compares, and exits 0 or 1.
 */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startTcpRelay } from "../helpers/tcp-relay.ts";
import { check } from "./check.ts";
import { Cleanup } from "./cleanup.ts";
import { clientTokenIn, query, signatureToken, startAgent, startServer } from "./culvert.ts";
import { type Home, type HomeFile, startHome } from "./home.ts";
import { startPlayer } from "./player.ts";
import { composeTune, TITLE } from "./tune.ts";
import { outlineOf, secondsOf } from "./wav.ts";

const CLIENT_ID = "demo";

/** How many bars of loudness the page draws. */
const OUTLINE_BARS = 120;

/** How long a cut tunnel stays away: long enough to be noticed, and to be come back from. */
const CUT_MS = 1_000;

/** `--once` must never hang in somebody's CI. */
const ONCE_MS = 120_000;

const cleanup = new Cleanup();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(0));
try {
  const { values } = parseArgs({ options: { once: { type: "boolean", default: false } } });
  if (values.once) {
    setTimeout(() => void fail(new Error(`not done after ${ONCE_MS / 1000} s`)), ONCE_MS).unref();
    const { isGood, table } = await check(await start());
    console.log(`\n${table}`);
    await end(isGood ? 0 : 1);
  } else {
    await runUntilStopped();
  }
} catch (error) {
  await fail(error);
}

/** Everything that the demo is made of, running. */
type Demo = {
  readonly home: Home;
  readonly file: HomeFile;
  readonly tune: Buffer;
  readonly serverUrl: string;
  readonly clientToken: string;
  /** The tune for who cannot send a header: with a signature. */
  readonly signedUrl: string;
  /** The tune for who sends the client's token. */
  readonly plainUrl: string;
  readonly folder: string;
  /** Cuts the agent's connection for a moment: what is under way goes on after it. */
  readonly cutTunnel: () => void;
  /** Settles when the server or the agent has ended by itself, with the reason. */
  readonly broken: Promise<string>;
};

async function runUntilStopped(): Promise<void> {
  const demo = await start();
  const player = await startPlayer({
    ...demo,
    tuneUrl: demo.signedUrl,
    seconds: secondsOf(demo.tune),
    outline: outlineOf(demo.tune, OUTLINE_BARS),
  });
  cleanup.add(() => player.stop());
  // curl reads the header from a file, so that the token appears neither here nor in the list of processes.
  const headerFile = join(demo.folder, "authorization");
  await writeFile(headerFile, `Authorization: Bearer ${demo.clientToken}\n`, { mode: 0o600 });
  const curl = `curl -H @${headerFile}`;
  console.log(`
Listen in a browser:
  ${player.url}

Or with curl, from another terminal:
  streaming  ${curl} -o tune.wav '${demo.plainUrl}'
  a range    ${curl} -r 1000000-1999999 -o part.wav '${demo.plainUrl}'
  blocking   ${curl} -H 'culvert-response: blocking' -o tune.wav '${demo.plainUrl}'

SHA-256 of the file at the home: ${demo.file.sha256}
Enter cuts the tunnel for a second, and the music goes on. Ctrl-C ends it all.`);
  if (process.stdin.isTTY) {
    process.stdin.on("data", () => {
      demo.cutTunnel();
      say("tunnel", `cut for ${CUT_MS / 1000} s`);
    });
  }
  const how = await demo.broken;
  if (!cleanup.started) throw new Error(how);
}

async function start(): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), "culvert-demo-"));
  cleanup.add(() => rm(folder, { recursive: true, force: true }));

  const began = performance.now();
  const tune = composeTune();
  const file: HomeFile = {
    path: join(folder, "tune.wav"),
    bytes: tune.length,
    sha256: createHash("sha256").update(tune).digest("hex"),
    title: TITLE,
  };
  await writeFile(file.path, tune);
  const milliseconds = Math.round(performance.now() - began);
  say("tune", `"${file.title}", ${(file.bytes / 2 ** 20).toFixed(1)} MiB of WAV, made in ${milliseconds} ms`);

  const home = await startHome(file);
  cleanup.add(() => home.stop());
  say("home", home.url);

  const server = await startServer();
  cleanup.add(() => server.child.stop());
  say("server", server.url);

  // Between the agent and the server, only to be cut.
  const relay = await startTcpRelay({ port: Number(new URL(server.url).port) });
  cleanup.add(() => relay.close());
  const stateFile = join(folder, "agent.json");
  const serverUrl = `http://127.0.0.1:${relay.port}`;
  const agent = await startAgent({ server, serverUrl, to: home.url, clientId: CLIENT_ID, stateFile });
  cleanup.add(() => agent.stop());
  say("agent", `connected as ${CLIENT_ID}`);

  const clientToken = clientTokenIn(stateFile);
  const signature = await signatureToken(server.url, CLIENT_ID, clientToken);
  return {
    home,
    file,
    tune,
    serverUrl: server.url,
    clientToken,
    signedUrl: `${server.url}/files/track?${query({ clientId: CLIENT_ID, signature, trackId: "1" })}`,
    plainUrl: `${server.url}/tune.wav?${query({ clientId: CLIENT_ID })}`,
    folder,
    cutTunnel: () => relay.cut(CUT_MS),
    broken: Promise.race(
      [server.child, agent].map(async (child) => `the ${child.name} is gone: ${await child.ended}`),
    ),
  };
}

function say(what: string, text: string): void {
  console.log(`${what.padEnd(8)}${text}`);
}

async function fail(error: unknown): Promise<never> {
  // While everything is being taken down, what is under way fails, and nobody wants to know.
  if (!cleanup.started) console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  return end(1);
}

/** The first call decides the exit code; the others wait for the same end. */
async function end(exitCode: number): Promise<never> {
  if (!cleanup.started) process.exitCode = exitCode;
  await cleanup.run();
  process.exit();
}
