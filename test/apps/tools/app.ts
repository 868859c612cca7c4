/** One application behind the tunnel, by its home's own name, with the settings that the documents have for it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { startTcpRelay, type TcpRelay } from "../../helpers/tcp-relay.ts";
import { startAgent, startServer, temporaryFolder } from "../../helpers/tunnel.ts";
import { fromDebian } from "./cache.ts";
import { DOMAIN, FRONT_WORDS, type FrontName, startFront } from "./fronts.ts";

/** Whether everything is run, in full size: without it, what fits into the time of a change. */
export const isWhole = process.env.APPS === "all";

/** Where a home is for clients outside of the tunnel. */
export type Home = {
  /** Such as `https://home.tunnel.test:8443`, without a slash at its end. */
  readonly url: string;
  /** Its host with the port. */
  readonly host: string;
  /** Variables that have a client find its name, and trust its certificate. */
  readonly environment: Readonly<Record<string, string>>;
  /** Flags of Chromium's for the same. */
  readonly flags: readonly string[];
};

export type HomeOptions = {
  /** Further flags of the agent's. */
  readonly flags?: readonly string[];
  /** Puts a network between agent and server. */
  readonly relayed?: (relay: TcpRelay) => void;
};

/** Brings a service on that port of 127.0.0.1 to visitors. */
export type Publish = (port: number, options?: HomeOptions) => Promise<Home>;

export type App<Tools> = {
  readonly name: string;
  /** Without `APPS=all` it is seen direct and behind this one. */
  readonly front: Exclude<FrontName, "direct">;
  /** What is needed, brought here on the first run. */
  readonly install: () => Promise<Tools>;
  /** Starts the service, publishes it and does with it what its users do. */
  readonly use: (tools: Tools, publish: Publish) => Promise<void>;
};

export function describeApp<Tools>({ name, front, install, use }: App<Tools>): void {
  const fronts: readonly FrontName[] = isWhole ? ["direct", "caddy", "nginx"] : ["direct", front];
  describe(name, () => {
    for (const each of fronts) {
      test(`works ${FRONT_WORDS[each]}`, async ({ skip }) => {
        const tools = await install().catch((error: unknown) => {
          if (process.env.CI === "true") throw error;
          // Not a failure of ours: a registry that cannot be reached, or another user's machine.
          return skip(`cannot be installed here: ${String(error).slice(0, 500)}`);
        });
        await use(tools, (port, options) => publishBehind(each, port, options));
      });
    }
  });
}

async function publishBehind(front: FrontName, port: number, options: HomeOptions = {}): Promise<Home> {
  const host = `home.${DOMAIN}`;
  const server = await startServer({ flags: [`--domain=${DOMAIN}`, "--trusted-proxy=127.0.0.1"] });
  const relay = options.relayed === undefined ? null : await startTcpRelay({ port: server.port, ...SLOW });
  const url = relay === null ? server.url : `http://127.0.0.1:${relay.port}`;
  await startAgent({ url }, `http://127.0.0.1:${port}`, {
    protocol: "native",
    flags: ["--access=public", ...(options.flags ?? [])],
  });
  if (relay !== null) options.relayed?.(relay);
  const { url: published, port: frontPort, environment } = await startFront(front, host, server.port);
  return {
    url: published,
    host: `${host}:${frontPort}`,
    environment: { ...environment, ...(await resolving(host)) },
    flags: [`--host-resolver-rules=MAP *.${DOMAIN} 127.0.0.1`, "--ignore-certificate-errors"],
  };
}

/** A connection that is slow enough to be cut in the middle of something. */
const SLOW = { delayMs: 10, heldBytesMax: 512 * 1024 };

/** Clients ask the C library for names, and that asks a file of ours: the machine's own stays as it is. */
async function resolving(host: string): Promise<Readonly<Record<string, string>>> {
  const library = "/usr/lib/x86_64-linux-gnu/libnss_wrapper.so";
  await fromDebian({ [library]: "libnss-wrapper" });
  const hosts = join(temporaryFolder(), "hosts");
  writeFileSync(hosts, `127.0.0.1 ${host}\n127.0.0.1 localhost\n`);
  return { LD_PRELOAD: library, NSS_WRAPPER_HOSTS: hosts, GODEBUG: "netdns=cgo" };
}
