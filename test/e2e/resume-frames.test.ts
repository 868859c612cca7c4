/** A native agent that breaks the rules of resumption, frame by frame over a real socket, or keeps them to the letter. */
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";
import {
  decodeWelcome,
  encodeHello,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  frameKind,
  NATIVE_PROTOCOL,
  readU32,
  readU48,
  type Welcome,
  writeFrameHeader,
  writeU32,
  writeU48,
} from "../../core/wire/native.ts";
import { responseHeadBytes, writeResponseHead } from "../../core/wire/native-head.ts";
import { query } from "../demo/culvert.ts";
import { atRest } from "../helpers/relayed-home.ts";
import { type Server, startServer, visitorsOf } from "../helpers/tunnel.ts";
import { Watch } from "../helpers/watch.ts";

/** One entry of a resume or credit frame. */
type Entry = { readonly exchange: number; readonly received: number; readonly limit: number };

describe("after a resumption", () => {
  test("T05: frames that came before are dropped, and what follows them is taken up", async () => {
    const { server, agent, exchange, asked } = await startInterrupted();
    // The server has both pieces: all of it comes again, and the end.
    agent.send(resumeFrame([{ exchange, received: 1, limit: 0 }]));
    agent.send(piece(exchange, 0, { head: true, body: "zero, " }));
    agent.send(piece(exchange, 1, { body: "one, " }));
    agent.send(piece(exchange, 1, { body: "one again, " }));
    agent.send(piece(exchange, 2, { body: "two", last: true }));
    const answer = await asked;
    expect(answer.body.toString()).toBe("zero, one, two");
    expect(answer.isWhole).toBe(true);
    expect(await agent.received(exchange)).toBe(3);
    await atRest({ server });
    expect(await server.status()).toMatchObject({ agentProtocolErrors: 0 });
  });

  test("T05: the server says which frames it has, and what comes again after the end changes nothing", async () => {
    const { server, agent, exchange, asked, resumption } = await startInterrupted();
    expect(resumption).toEqual([expect.objectContaining({ exchange, received: 2 })]);
    agent.send(resumeFrame([{ exchange, received: 1, limit: 0 }]));
    agent.send(piece(exchange, 2, { body: "two", last: true }));
    expect((await asked).body.toString()).toBe("zero, one, two");
    agent.send(piece(exchange, 1, { body: "one, " }));
    agent.send(piece(exchange, 2, { body: "two", last: true }));
    await agent.heard();
    await atRest({ server });
    expect(await server.status()).toMatchObject({ tunnels: 1, agentProtocolErrors: 0 });
  });

  test.each<[string, (exchange: number) => readonly Buffer[]]>([
    ["a gap in the numbers", (exchange) => [entriesOf(exchange, 1), piece(exchange, 3, { body: "three" })]],
    ["an acknowledgement of more than was sent", (exchange) => [entriesOf(exchange, 2)]],
    ["a piece ahead of the resume frame", (exchange) => [piece(exchange, 2, { body: "two" })]],
    ["a resume frame of half an entry", (exchange) => [entriesOf(exchange, 1).subarray(0, -1)]],
  ])("T05: %s ends the session with 1002, and the exchange once", async (_what, frames) => {
    const { server, agent, exchange, asked } = await startInterrupted();
    for (const frame of frames(exchange)) agent.send(frame);
    expect(await agent.closed).toBe(1002);
    expect(await asked).toMatchObject({ status: 200, isWhole: false });
    await server.log.line("session lost", { exchanges: 1 });
    await atRest({ server });
    const status = await server.status();
    expect(status).toMatchObject({ tunnels: 0, agentProtocolErrors: 1 });
    expect(status.outcomes).toMatchObject({ agent_lost: 1 });
  });

  test("T05: an exchange that the agent has forgotten fails, and its neighbour goes on", async () => {
    const half = await startHalf();
    const neighbour = half.ask("/neighbour", { headers: { "culvert-response": "blocking" } });
    const { exchange: number } = await half.first.opened();
    const { server, agent, exchange, asked } = await interrupt(half);
    agent.send(resumeFrame([{ exchange: number, received: 1, limit: 0 }]));
    expect(await asked).toMatchObject({ status: 200, isWhole: false });
    agent.send(piece(number, 0, { head: true, body: "still here", last: true }));
    expect((await neighbour).body.toString()).toBe("still here");
    agent.send(piece(exchange, 2, { body: "two", last: true }));
    await agent.heard();
    expect(await server.status()).toMatchObject({ tunnels: 1, exchanges: 0, agentProtocolErrors: 0 });
  });
});

describe("a ticket", () => {
  test("T05: that was used up, or is another client's, resumes nothing and shows nothing", async () => {
    const { server, agent, exchange, asked, tickets } = await startInterrupted();
    expect(new Set(tickets).size).toBe(2);
    const stranger = await FrameAgent.connect(server, "elsewhere", agent.ticket);
    expect(stranger.welcome.resumed).toBe(false);
    // The new one is in use, so the old one is not good any more.
    agent.send(entriesOf(exchange, 1));
    await agent.heard();
    const replayed = await FrameAgent.connect(server, "home", tickets[0] ?? null);
    expect(replayed.welcome.resumed).toBe(false);
    expect(await agent.closed).toBe(4001);
    expect(await asked).toMatchObject({ isWhole: false });
    await server.log.line("session lost", { clientId: "home", exchanges: 1 });
    for (const ticket of [...tickets, stranger.ticket, replayed.ticket]) {
      expect(server.log.text).not.toContain(ticket);
    }
  });

  test("T05: whose welcome got lost is good once more", async () => {
    const { server, agent, exchange, asked, tickets } = await startInterrupted();
    agent.socket.terminate();
    await agent.closed;
    const again = await FrameAgent.connect(server, "home", tickets[0] ?? null);
    expect(again.welcome.resumed).toBe(true);
    again.send(resumeFrame([{ exchange, received: 1, limit: 0 }]));
    again.send(piece(exchange, 2, { body: "two", last: true }));
    expect((await asked).body.toString()).toBe("zero, one, two");
  });
});

/** An exchange whose agent has sent the head and two pieces. */
async function startHalf() {
  const server = await startServer();
  const clientToken = await server.register("home");
  const { ask } = visitorsOf(server, "home", clientToken);
  const first = await FrameAgent.connect(server, "home", null);
  const asked = ask("/song");
  const { exchange } = await first.opened();
  first.send(piece(exchange, 0, { head: true, body: "zero, " }));
  first.send(piece(exchange, 1, { body: "one, " }));
  return { server, ask, first, asked, exchange };
}

/** Its agent loses the socket and is back with its ticket; its resume frame has still to come. */
async function interrupt(half: Awaited<ReturnType<typeof startHalf>>) {
  const { server, first } = half;
  await first.heard();
  first.socket.terminate();
  await server.log.line("tunnel ended");
  const agent = await FrameAgent.connect(server, "home", first.ticket);
  expect(agent.welcome.resumed).toBe(true);
  const resumption = entries(await agent.frame(FRAME.resume));
  return { ...half, agent, resumption, tickets: [first.ticket, agent.ticket] };
}

async function startInterrupted() {
  return interrupt(await startHalf());
}

/** An agent that speaks in frames. */
class FrameAgent {
  readonly socket: WebSocket;
  readonly frames: Buffer[] = [];
  /** The code of the server's close frame. */
  readonly closed: Promise<number>;
  readonly welcome: Welcome;
  readonly #watch: Watch;
  #taken = 0;

  /** Says hello and waits for the welcome. */
  static async connect(server: Server, clientId: string, ticket: string | null): Promise<FrameAgent> {
    const clientToken = await server.register(clientId);
    const parameters = query({ clientId, sender: "true" });
    const url = `${server.url.replace("http:", "ws:")}/ws?${parameters}`;
    const socket = new WebSocket(url, NATIVE_PROTOCOL, {
      perMessageDeflate: false,
      headers: { authorization: `Bearer ${clientToken}` },
    });
    onTestFinished(() => socket.terminate());
    const frames: Buffer[] = [];
    const watch = new Watch();
    socket.on("message", (data: Buffer) => {
      frames.push(data);
      watch.changed();
    });
    await once(socket, "open");
    socket.send(encodeHello({ windowBytes: 65_536, ticket, host: null }));
    const welcome = decodeWelcome(await watch.until(() => frames.shift()));
    if (welcome === null) throw new Error("the server's first frame is no welcome");
    return new FrameAgent({ socket, frames, watch, welcome });
  }

  private constructor({
    socket,
    frames,
    watch,
    welcome,
  }: {
    readonly socket: WebSocket;
    readonly frames: Buffer[];
    readonly watch: Watch;
    readonly welcome: Welcome;
  }) {
    this.socket = socket;
    this.frames = frames;
    this.#watch = watch;
    this.welcome = welcome;
    this.closed = new Promise((resolve) => {
      socket.once("close", resolve);
    });
  }

  get ticket(): string {
    return this.welcome.ticket;
  }

  send(frame: Uint8Array): void {
    this.socket.send(frame);
  }

  /** The first frame of that kind. */
  frame(kind: number): Promise<Buffer> {
    return this.#watch.until(() => this.frames.find((each) => frameKind(each) === kind));
  }

  /** The next request that no one has taken yet. */
  opened(): Promise<{ readonly exchange: number }> {
    return this.#watch.until(() => {
      const heads = this.frames.filter(
        (each) => frameKind(each) === FRAME.piece && (each[1] ?? 0) & FLAG.head,
      );
      const head = heads[this.#taken];
      if (head === undefined) return undefined;
      this.#taken++;
      return { exchange: readU48(head, 2) };
    });
  }

  /** What the server has told to have received of an exchange, as soon as that is all of its three frames. */
  received(exchange: number): Promise<number> {
    return this.#watch.until(() =>
      this.frames
        .filter((each) => frameKind(each) === FRAME.credit)
        .flatMap(entries)
        .filter((entry) => entry.exchange === exchange)
        .map(({ received }) => received)
        .find((received) => received >= 3),
    );
  }

  /** Settles when the server has read everything that was sent before: it answers pings in their order. */
  async heard(): Promise<void> {
    this.socket.ping();
    await once(this.socket, "pong");
  }
}

type PieceOptions = { readonly head?: boolean; readonly body: string; readonly last?: boolean };

/** A piece of a response; its head is a plain 200. */
function piece(exchange: number, number: number, { head = false, body, last = false }: PieceOptions): Buffer {
  const response = { status: 200, headers: ["content-type", "text/plain"] };
  const headBytes = head ? responseHeadBytes(response) : 0;
  const section = Buffer.alloc(head ? 4 + headBytes : 0);
  if (head) {
    writeU32(section, 0, headBytes);
    writeResponseHead(section, 4, response);
  }
  const flags = (head ? FLAG.head : 0) | (last ? FLAG.last : 0);
  return frame(FRAME.piece, flags, exchange, number, Buffer.concat([section, Buffer.from(body)]));
}

function resumeFrame(list: readonly Entry[]): Buffer {
  const payload = Buffer.alloc(list.length * ENTRY_BYTES);
  list.forEach(({ exchange, received, limit }, index) => {
    writeU48(payload, index * ENTRY_BYTES, exchange);
    writeU32(payload, index * ENTRY_BYTES + 6, received);
    writeU48(payload, index * ENTRY_BYTES + 10, limit);
  });
  return frame(FRAME.resume, 0, 0, 0, payload);
}

/** A resume frame about one exchange. */
function entriesOf(exchange: number, received: number): Buffer {
  return resumeFrame([{ exchange, received, limit: 0 }]);
}

function entries(bytes: Buffer): Entry[] {
  const count = (bytes.length - FRAME_HEADER_BYTES) / ENTRY_BYTES;
  return Array.from({ length: count }, (_, index) => {
    const at = FRAME_HEADER_BYTES + index * ENTRY_BYTES;
    return { exchange: readU48(bytes, at), received: readU32(bytes, at + 6), limit: readU48(bytes, at + 10) };
  });
}

const ENTRY_BYTES = 16;

function frame(kind: number, flags: number, exchange: number, number: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  writeFrameHeader(header, kind, flags, exchange, number);
  return Buffer.concat([header, payload]);
}
