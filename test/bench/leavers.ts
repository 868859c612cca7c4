/** Visitors who begin a download or an upload and are gone in a moment, one after the other in each of some lanes. */
import { connect } from "node:net";
import type { Target } from "./load.ts";

export type LeaversOrder = {
  readonly kind: "leavers";
  /** Of a download, of an upload that its service reads, and of one that it does not. */
  readonly download: Target;
  readonly upload: Target;
  readonly unread: Target;
  readonly lanes: number;
  /** They end by themselves after so many, or after so long. */
  readonly visitsMax: number;
  readonly durationMs: number;
};

export type LeaversResult = { readonly visits: number; readonly fault: string | null };

/** Never rejects, and ends by itself: then all have left. */
export async function runLeavers(order: LeaversOrder): Promise<LeaversResult> {
  const untilMs = performance.now() + order.durationMs;
  let visits = 0;
  let fault: string | null = null;
  const lane = async (): Promise<void> => {
    while (fault === null && visits < order.visitsMax && performance.now() < untilMs) {
      fault ??= await visit(order, visits++);
    }
  };
  await Promise.all(Array.from({ length: order.lanes }, lane));
  return { visits, fault };
}

/** Why he could not even connect; null where he did, and has left. */
function visit(order: LeaversOrder, number: number): Promise<string | null> {
  const way = WAYS[number % WAYS.length] ?? "download";
  const { url, headers } = order[way];
  const { hostname, port, pathname, search } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  return new Promise((resolve) => {
    let isThere = false;
    // A reset is what somebody who leaves may get.
    socket.on("error", (error) => isThere || resolve(`a visitor could not connect: ${error.message}`));
    socket.once("close", () => resolve(null));
    socket.once("connect", () => {
      isThere = true;
      const fields = Object.entries({ host: hostname, ...headers, ...(way === "download" ? {} : LONG) });
      const method = way === "download" ? "GET" : "POST";
      const lines = [
        `${method} ${pathname}${search} HTTP/1.1`,
        ...fields.map(([name, value]) => `${name}: ${value}`),
      ];
      socket.resume().write(`${lines.join("\r\n")}\r\n\r\n`);
      if (way !== "download") socket.write(BODY);
      setTimeout(
        () => (number % 2 === 0 ? socket.destroy() : socket.resetAndDestroy()),
        Math.random() * STAYS_MS_MAX,
      );
    });
  });
}

const WAYS = ["download", "unread", "upload"] as const;
const STAYS_MS_MAX = 120;
const LONG = { "content-length": 2 ** 30 };
/** More than the kernel takes of one visitor. */
const BODY = Buffer.alloc(8 * 1024 * 1024, "culvert ");
