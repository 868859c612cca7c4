/** `npm run docs:pictures`: takes the documents' pictures anew, of the product as it is. Needs a `chromium` in the path. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Cleanup } from "../demo/cleanup.ts";
import { clientTokenIn, startAgent, startServer } from "../demo/culvert.ts";
import { Chromium } from "../helpers/chromium.ts";
import { ROOT } from "./documents.ts";

/** With a partition, cut lines and a restart, and small enough to be looked at. */
const SEED = "42";

/** Where the operator's listener is. Whoever draws pictures can spare a port. */
const ADMIN_PORT = 18_001;

const cleanup = new Cleanup();
try {
  const chromium = await Chromium.start();
  cleanup.add(() => chromium.stop());
  const folder = await mkdtemp(join(tmpdir(), "culvert-pictures-"));
  cleanup.add(() => rm(folder, { recursive: true, force: true }));
  await pictureOfDemo(chromium);
  await pictureOfStatus(chromium, folder);
  await pictureOfSeed(chromium, folder);
} finally {
  await cleanup.run();
}

/** The player, while its tune plays. */
async function pictureOfDemo(chromium: Chromium): Promise<void> {
  const demo = start("npm", ["run", "--silent", "demo"]);
  const url = await printed(demo, /^ {2}(http:\S+)$/m);
  await chromium.look(900, 700, "light");
  await chromium.open(url);
  await chromium.evaluate("document.querySelector('button')?.click()");
  await chromium.evaluate("new Promise((resolve) => setTimeout(resolve, 4000))");
  await chromium.evaluate("scrollTo(0, 0)");
  await take(chromium, "demo");
}

/** The operator's page, with a tunnel and some answers. */
async function pictureOfStatus(chromium: Chromium, folder: string): Promise<void> {
  const server = await startServer({ adminPort: ADMIN_PORT });
  cleanup.add(() => server.child.stop());
  const stateFile = join(folder, "agent.json");
  const home = createServer((_request, response) => response.end(Buffer.alloc(100_000)));
  await once(home.listen(0, "127.0.0.1"), "listening");
  cleanup.add(() => void home.close());
  const to = `http://127.0.0.1:${(home.address() as AddressInfo).port}`;
  const agent = await startAgent({ server, to, clientId: "my-home", stateFile });
  cleanup.add(() => agent.stop());
  const headers = { authorization: `Bearer ${clientTokenIn(stateFile)}` };
  const ask = async () => (await fetch(`${server.url}/page?clientId=my-home`, { headers })).arrayBuffer();
  await Promise.all(Array.from({ length: 40 }, ask));
  await chromium.look(900, 700, "light");
  await chromium.open(`http://127.0.0.1:${ADMIN_PORT}/`);
  await chromium.evaluate("new Promise((resolve) => setTimeout(resolve, 2500))");
  await take(chromium, "status");
}

async function pictureOfSeed(chromium: Chromium, folder: string): Promise<void> {
  const file = join(folder, "seed.html");
  const sim = start("npm", ["run", "--silent", "sim", "--", "--seed", SEED, "--html", file]);
  await once(sim, "exit");
  await chromium.look(1400, 800, "light");
  await chromium.open(pathToFileURL(file).href);
  await chromium.evaluate("new Promise((resolve) => setTimeout(resolve, 2000))");
  await take(chromium, "seed");
}

async function take(chromium: Chromium, name: string): Promise<void> {
  await chromium.call("Emulation.setScrollbarsHidden", { hidden: true });
  const options = { format: "webp", quality: 82 };
  const { data } = (await chromium.call("Page.captureScreenshot", options)) as { readonly data: string };
  const bytes = Buffer.from(data, "base64");
  await writeFile(join(ROOT, "docs/images", `${name}.webp`), bytes);
  console.log(`${name}.webp: ${Math.ceil(bytes.length / 1024)} KiB`);
}

/** In a group of its own, so that one signal ends npm and all that it started. */
function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"], detached: true });
  const ended = once(child, "exit");
  cleanup.add(async () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
    await ended;
  });
  return child;
}

async function printed(child: ChildProcess, pattern: RegExp): Promise<string> {
  let output = "";
  for await (const text of child.stdout?.setEncoding("utf8") ?? []) {
    output += text;
    const [, match] = pattern.exec(output) ?? [];
    if (match !== undefined) return match;
  }
  throw new Error(`it ended without what was waited for: ${output}`);
}
