/**
 * A tunnel with bytes at both ends: a visitor who writes his request by hand, and a home service that reads it by hand
 * and answers by hand. So a test compares what went in with what came out, head for head.
 */
import { once } from "node:events";
import net from "node:net";
import { expect, onTestFinished } from "vitest";
import { RawConnection } from "../adapters/raw-client.ts";
import { startCluster } from "./cluster.ts";
import { portOf } from "./origin.ts";
import { connect, statuses } from "./raw-http.ts";
import {
  type Agent,
  type AgentOptions,
  type Protocol,
  type Server,
  type ServerOptions,
  startAgent,
  startServer,
} from "./tunnel.ts";
import { Watch } from "./watch.ts";

/** Each home is below it by name: `home.tunnel.test`. */
export const DOMAIN = "tunnel.test";

/** The field that makes a request the home's. */
export const HOST = `Host: home.${DOMAIN}`;

/** The fields that tell the home of the visitor, who comes from this machine. */
export const FORWARDED = [
  "X-Forwarded-For: 127.0.0.1",
  "X-Forwarded-Proto: http",
  `X-Forwarded-Host: home.${DOMAIN}`,
  `Forwarded: for=127.0.0.1;proto=http;host=home.${DOMAIN}`,
];

export type PassageOptions = {
  readonly server?: ServerOptions;
  readonly agent?: AgentOptions;
  /** As in the agent's `--access`: everybody by default. */
  readonly access?: string;
};

export type Passage = {
  readonly server: Server;
  readonly agent: Agent;
  readonly home: RawHome;
  /** The home's own address, as the agent names it in `Host`. */
  readonly homeHost: string;
  /** Another visitor. */
  visit(): ReturnType<typeof connect>;
  /** Until the server is as it was before the first visitor. */
  settled(): Promise<void>;
};

/** One home, at its own name. */
export async function startPassage(protocol: Protocol, options: PassageOptions = {}): Promise<Passage> {
  const home = await RawHome.start();
  const flags = [`--domain=${DOMAIN}`, ...(options.server?.flags ?? [])];
  const [server, entry] = await entered({ ...options.server, flags });
  const agent = await startAgent(server, home.url, {
    ...options.agent,
    protocol,
    flags: [`--access=${options.access ?? "public"}`, ...(options.agent?.flags ?? [])],
  });
  return {
    server: entry,
    agent,
    home,
    homeHost: new URL(home.url).host,
    visit: () => connect(entry.port),
    settled: async () => {
      await settled(server);
      if (entry !== server) await settled(entry);
    },
  };
}

/** Whether visitors come to another node than the one that has the home: a project of its own has it so. */
export const isOverHop = process.env.TEST_HOP === "1";

/** The home's node, and the one that visitors come to. */
async function entered(options: ServerOptions): Promise<readonly [Server, Server]> {
  if (!isOverHop) {
    const server = await startServer(options);
    return [server, server];
  }
  const { database: _, port: __, ...shared } = options;
  const [server, entry] = await startCluster(2, () => shared);
  if (server === undefined || entry === undefined) throw new Error("a cluster has no nodes");
  return [server, entry];
}

/** A visitor sends these lines, and the home answers; gives the head that it saw. */
export async function passed({ home, visit }: Passage, ...lines: string[]): Promise<string[]> {
  const visitor = visit();
  visitor.send(...lines, "", "");
  const call = await home.call();
  call.answer("200 OK", [], "at home");
  await visitor.untilText("\r\n\r\nat home");
  return call.head;
}

/** The first status that a visitor of these lines gets. */
export async function statusOf({ visit }: Passage, ...lines: string[]): Promise<number | undefined> {
  const visitor = visit();
  visitor.send(...lines, "Connection: close", "", "");
  await visitor.untilEnded();
  return statuses(visitor)[0];
}

/** Until nothing runs and nothing is held. */
export async function settled(server: Server): Promise<void> {
  const rest = { exchanges: 0, heldBytes: 0, sessionBytes: 0, waiting: 0 };
  await expect.poll(() => server.status(), { interval: 10 }).toMatchObject(rest);
}

/** A home service that sees each request as it was written. It takes one on each connection, so answers should close it. */
export class RawHome {
  readonly url: string;
  readonly calls: HomeCall[] = [];
  readonly #watch = new Watch();
  #taken = 0;

  static async start(): Promise<RawHome> {
    const server = net.createServer({ allowHalfOpen: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new RawHome(server);
  }

  private constructor(server: net.Server) {
    this.url = `http://127.0.0.1:${portOf(server)}`;
    const sockets = new Set<net.Socket>();
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      const call = new HomeCall(socket);
      void call.untilText("\r\n\r\n").then(() => {
        this.calls.push(call);
        this.#watch.changed();
      });
    });
    onTestFinished(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
  }

  /** The next request that no one has taken yet. */
  call(): Promise<HomeCall> {
    return this.#watch.until(() => {
      const next = this.calls[this.#taken];
      if (next !== undefined) this.#taken++;
      return next;
    });
  }
}

/** One request at the home. */
export class HomeCall extends RawConnection {
  /** The lines of the head, without the empty one. */
  get head(): string[] {
    return headOf(this.text);
  }

  /** What has come behind the head. */
  get body(): string {
    return bodyOf(this.text);
  }

  /** A response with these lines; `Connection: close` and the body's length are added. */
  answer(status: string, headers: readonly string[] = [], body = ""): void {
    const length = `Content-Length: ${body.length}`;
    this.send(`HTTP/1.1 ${status}`, ...headers, length, "Connection: close", "", body);
    this.socket.end();
  }
}

/** The lines of a message's head, without the empty one. */
export function headOf(text: string): string[] {
  return text.slice(0, text.indexOf("\r\n\r\n")).split("\r\n");
}

/** What follows the first head. */
export function bodyOf(text: string): string {
  return text.slice(text.indexOf("\r\n\r\n") + 4);
}

/** Lines without those fields. */
export function without(lines: readonly string[], ...names: string[]): string[] {
  return lines.filter((line) => !names.includes(line.split(":")[0]?.toLowerCase() ?? ""));
}
