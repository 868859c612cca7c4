/** A headless Chromium, driven over the DevTools protocol. It has an empty profile of its own and talks to nobody. */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
];

type Answer = {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
};

export function hasChromium(): boolean {
  return spawnSync("chromium", ["--version"]).status === 0;
}

export class Chromium {
  /** Uncaught errors, and whatever the page wrote to its console. */
  readonly errors: string[] = [];
  /** Addresses that the page asked for, its own included. */
  readonly requests: string[] = [];
  /** What of that it did not get, as the protocol tells it. */
  readonly failures: string[] = [];
  readonly #browser: ChildProcessByStdio<null, null, Readable>;
  readonly #profile: string;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  readonly #listeners = new Map<string, () => void>();
  #socket: WebSocket | null = null;
  #calls = 0;

  private constructor(profile: string, flags: readonly string[]) {
    this.#profile = profile;
    const args = [...FLAGS, ...flags, `--user-data-dir=${profile}`, "about:blank"];
    this.#browser = spawn("chromium", args, {
      stdio: ["ignore", "ignore", "pipe"],
    });
  }

  /** Starts a browser with one empty page, with further flags. */
  static async start(flags: readonly string[] = []): Promise<Chromium> {
    const chromium = new Chromium(await mkdtemp(join(tmpdir(), "culvert-chromium-")), flags);
    try {
      await chromium.#connect();
      return chromium;
    } catch (error) {
      await chromium.stop();
      throw error;
    }
  }

  /** The size of the page, and what its reader prefers. */
  async look(width: number, height: number, scheme: "light" | "dark"): Promise<void> {
    const size = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.call("Emulation.setDeviceMetricsOverride", size);
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.call("Emulation.setEmulatedMedia", { features });
  }

  /** Called each time that an event of that name comes, in place of who was before. */
  on(method: string, listener: () => void): void {
    this.#listeners.set(method, listener);
  }

  async open(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => this.on("Page.loadEventFired", resolve));
    await this.call("Page.navigate", { url });
    await loaded;
  }

  /** The value of an expression in the page; a promise is awaited. */
  async evaluate(expression: string): Promise<unknown> {
    const options = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
    const { result, exceptionDetails } = (await this.call("Runtime.evaluate", options)) as {
      readonly result: { readonly value?: unknown };
      readonly exceptionDetails?: unknown;
    };
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** As a person does: down and up. */
  async press(key: string): Promise<void> {
    await this.call("Input.dispatchKeyEvent", { type: "keyDown", key, text: key.length === 1 ? key : "" });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", key });
  }

  async screenshot(): Promise<Buffer> {
    const options = { format: "png" };
    const { data } = (await this.call("Page.captureScreenshot", options)) as { readonly data: string };
    return Buffer.from(data, "base64");
  }

  async call(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#calls;
    this.#socket?.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  async stop(): Promise<void> {
    if (this.#browser.exitCode === null && this.#browser.signalCode === null) {
      const ended = once(this.#browser, "exit");
      this.#browser.kill();
      await ended;
    }
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }

  async #connect(): Promise<void> {
    const port = await debuggingPort(this.#browser.stderr);
    const response = await fetch(`http://127.0.0.1:${port}/json/list`);
    const targets = (await response.json()) as { type: string; webSocketDebuggerUrl: string }[];
    const page = targets.find(({ type }) => type === "page");
    if (page === undefined) throw new Error("Chromium has no page");
    this.#socket = new WebSocket(page.webSocketDebuggerUrl);
    this.#socket.addEventListener("message", ({ data }) => this.#onAnswer(JSON.parse(String(data))));
    await once(this.#socket, "open");
    for (const domain of ["Page", "Runtime", "Network"]) await this.call(`${domain}.enable`);
  }

  #onAnswer({ id, method, params, result }: Answer): void {
    if (id !== undefined) this.#waiting.get(id)?.(result);
    if (method === undefined) return;
    if (method === "Runtime.exceptionThrown") this.errors.push(JSON.stringify(params));
    if (method === "Runtime.consoleAPICalled") this.errors.push(JSON.stringify(params));
    if (method === "Network.requestWillBeSent") this.requests.push(requestUrl(params));
    if (method === "Network.loadingFailed") this.failures.push(JSON.stringify(params));
    this.#listeners.get(method)?.();
  }
}

function requestUrl(params: unknown): string {
  const { request } = params as { readonly request: { readonly url: string } };
  return request.url;
}

/** Chromium tells it on stderr once it listens. */
async function debuggingPort(stderr: Readable): Promise<number> {
  for await (const line of createInterface({ input: stderr })) {
    const port = /ws:\/\/127\.0\.0\.1:(\d+)\//.exec(line)?.[1];
    if (port === undefined) continue;
    // Nobody reads on, and a full pipe would stop the browser.
    stderr.resume();
    return Number(port);
  }
  throw new Error("Chromium ended before it listened");
}
