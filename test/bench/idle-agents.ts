/**
 * A process that holds idle tunnels: sockets that have authenticated as agents and do nothing but answer pings. Two orders
 * over the channel, each answered with `{ open, fault }` when it is done: `prepare` registers that many clients and
 * fetches their tokens, `open` opens that many tunnels for clients that were prepared.
 */
import { WebSocket } from "ws";
import { query, registerClient, signatureToken } from "../demo/culvert.ts";

export type IdleOrder =
  | { readonly type: "prepare"; readonly url: string; readonly accessToken: string; readonly count: number }
  | { readonly type: "open"; readonly url: string; readonly count: number };

export type IdleAnswer = {
  /** Tunnels that stand. */
  readonly open: number;
  /** Why the first of those that do not stand fell; null when all do. */
  readonly fault: string | null;
};

/** The queries that open a tunnel, one for each prepared client. */
const state = { prepared: [] as string[], open: 0, fault: null as string | null };

process.on("message", async (order: IdleOrder) => {
  try {
    await severalAtOnce(order.count, () =>
      order.type === "prepare" ? prepare(order) : openTunnel(order.url),
    );
  } catch (error) {
    state.fault ??= error instanceof Error ? error.message : String(error);
  }
  process.send?.({ open: state.open, fault: state.fault } satisfies IdleAnswer);
});
process.on("disconnect", () => process.exit());
console.log("ready");

/** Few at a time: what a burst of handshakes needs for a moment is not what an idle tunnel costs. */
async function severalAtOnce(count: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

async function prepare(server: { readonly url: string; readonly accessToken: string }): Promise<void> {
  const clientId = crypto.randomUUID();
  const clientToken = await registerClient(server, clientId);
  const signature = await signatureToken(server.url, clientId, clientToken);
  state.prepared.push(query({ clientId, sender: "true", signature }));
}

async function openTunnel(serverUrl: string): Promise<void> {
  const search = state.prepared.pop();
  if (search === undefined) throw new Error("more tunnels than prepared clients");
  const socket = new WebSocket(`${serverUrl.replace("http", "ws")}/ws?${search}`, {
    perMessageDeflate: false,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  state.open += 1;
  socket.on("close", (code) => {
    state.open -= 1;
    state.fault ??= `an idle tunnel was closed with ${code}`;
  });
}
