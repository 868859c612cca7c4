/**
 * A model of a deployed MoosicBox agent, written from the protocol's description and from nothing in `core/`: it answers
 * in full packets, its unbounded queue sends smaller messages first, it knows no ABORT of its own, and after a reconnect
 * it goes on with the exchanges of the tunnel that it lost.
 */
import type { HomeSpec, PushOperation } from "../scenario/scenario.ts";
import { latin1Text, utf8Bytes } from "../tools/text.ts";
import { joined } from "../wire/frame.ts";
import { encodeSimPacket, encodeSimTextPacket, type SimPacket } from "../wire/packet.ts";
import { SleepyHost } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { AgentProgram } from "./agent.ts";
import { ClientSocket, type Dialler } from "./dial.ts";
import type { Home } from "./home/home.ts";
import type { HomeRequest } from "./home/request.ts";
import { NOTHING_HELD, type SessionHold } from "./session-hold.ts";

const RETRY_US = 5_000_000;
const PING_US = 5_000_000;
const CONNECT_US = 10_000_000;
/** Its kernel gives up a connection on which nothing was acknowledged for this long. */
const SILENCE_US = 30_000_000;
/** An id that no visitor socket has. */
const NOBODY = 7;

type Frame = {
  readonly type?: unknown;
  readonly request_id?: unknown;
  readonly conn_id?: unknown;
  readonly method?: unknown;
  readonly path?: unknown;
  readonly query?: unknown;
  readonly payload?: unknown;
  readonly body?: unknown;
};

export class MoosicBoxAgent implements AgentProgram {
  readonly #world: World;
  readonly #dialler: Dialler;
  readonly #home: Home;
  readonly #spec: HomeSpec;
  readonly #signature: string;
  /** Of its processes, which are numbered. */
  readonly #name: string;
  #host: SleepyHost | null = null;
  #socket: ClientSocket | null = null;
  #open = false;
  #boots = 0;
  #firstLoss = true;
  #heardUs = 0;
  #requests = new Map<number, HomeRequest>();
  /** Visitor sockets that asked something, oldest first. */
  #askers = new Set<number>();
  /** 0 before any. */
  #lastQuestion = 0;

  constructor(
    world: World,
    dialler: Dialler,
    home: Home,
    {
      spec,
      signature,
      name = `moosicbox:${spec.clientId}`,
    }: { readonly spec: HomeSpec; readonly signature: string; readonly name?: string },
  ) {
    this.#world = world;
    this.#dialler = dialler;
    this.#home = home;
    this.#spec = spec;
    this.#signature = signature;
    this.#name = name;
    this.boot();
  }

  get running(): boolean {
    return this.#host !== null;
  }

  get sessionHolds(): SessionHold {
    return NOTHING_HELD;
  }

  boot(): void {
    if (this.#host !== null) return;
    this.#host = new SleepyHost(this.#world, `${this.#name}:${this.#boots++}`);
    this.#world.trace?.started(this.#world.nowUs, this.#host.name, null);
    this.#firstLoss = true;
    this.#connect(this.#host);
  }

  crash(how: "process" | "power"): void {
    if (this.#host !== null) this.#world.trace?.ended(this.#world.nowUs, this.#host.name);
    this.#host?.die();
    this.#host = null;
    if (how === "power") this.#socket?.vanish();
    else this.#socket?.hangUp();
    this.#socket = null;
    this.#open = false;
    for (const request of this.#requests.values()) request.abort();
    this.#requests = new Map();
    this.#askers = new Set();
    this.#lastQuestion = 0;
  }

  /** It knows no drain: SIGTERM ends it. */
  /** It has none that could be. */
  change(): void {}

  drain(): void {
    this.crash("process");
  }

  stall(durationUs: number): void {
    this.#host?.stall(durationUs);
  }

  wake(): void {
    this.#host?.wake();
  }

  /** Nothing in it depends on the rate of a clock. */
  setClockRate(): void {}

  crashMidStep(): void {
    this.crash("process");
  }

  push(operation: PushOperation): void {
    if (operation.to === "neighbours_questions") {
      this.#answerNeighbours(operation);
      return;
    }
    const ids = [...this.#askers];
    const some = ids.slice(0, 1 + (operation.id % 2));
    const to = {
      all: {},
      some: { to_connection_ids: some },
      all_but_some: { exclude_connection_ids: some },
      unknown: { to_connection_ids: [NOBODY] },
      neighbours: { to_connection_ids: ids.flatMap(neighboursOf) },
    }[operation.to];
    const body = { home: this.#spec.clientId, push: operation.id };
    this.#send(JSON.stringify({ request_id: 0, body, ...to }));
  }

  /** Numbers follow each other, so that those of other homes can be guessed. */
  #answerNeighbours({ id }: PushOperation): void {
    if (this.#lastQuestion === 0) return;
    const body = { home: this.#spec.clientId, push: id };
    for (const requestId of neighboursOf(this.#lastQuestion))
      this.#send(JSON.stringify({ request_id: requestId, body }));
  }

  #connect(host: SleepyHost): void {
    const { clientId } = this.#spec;
    const socket = new ClientSocket(this.#dialler, {
      target: `/ws?clientId=${clientId}&sender=true&signature=${this.#signature}`,
      headers: ["host", "tunnel.example"],
      order: this.#spec.queue,
      host,
      handler: {
        opened: () => {
          this.#open = true;
          this.#firstLoss = true;
          this.#heardUs = this.#world.nowUs;
          this.#beat(host, this.#socket);
        },
        refused: () => {},
        text: (text) => this.#onText(text),
        bytes: () => {},
        heard: () => {
          this.#heardUs = this.#world.nowUs;
        },
        flushed: () => {},
        closed: () => this.#onClosed(host),
      },
    });
    this.#socket = socket;
    host.after(CONNECT_US, () => {
      if (this.#socket === socket && !this.#open) socket.terminate();
    });
  }

  #onClosed(host: SleepyHost): void {
    this.#socket = null;
    this.#open = false;
    const waitUs = this.#firstLoss ? 1_000 : RETRY_US;
    this.#firstLoss = false;
    host.after(waitUs, () => this.#connect(host));
  }

  #beat(host: SleepyHost, socket: ClientSocket | null): void {
    host.after(PING_US, () => {
      if (this.#socket !== socket || socket === null || !this.#open) return;
      if (this.#world.nowUs - this.#heardUs > SILENCE_US) {
        socket.terminate();
        return;
      }
      socket.ping();
      this.#beat(host, socket);
    });
  }

  #onText(text: string): void {
    this.#heardUs = this.#world.nowUs;
    const frame = JSON.parse(text) as Frame;
    const requestId = Number(frame.request_id);
    if (frame.type === "HTTP") this.#onRequest(requestId, frame);
    if (frame.type === "WS") this.#onMessage(requestId, frame);
    if (frame.type === "ABORT") {
      this.#world.sometimes("a model agent is told to abort");
      this.#requests.get(requestId)?.abort();
      this.#requests.delete(requestId);
    }
  }

  #onMessage(requestId: number, frame: Frame): void {
    this.#askers.add(Number(frame.conn_id));
    this.#lastQuestion = requestId;
    const body = { home: this.#spec.clientId, echo: frame.body };
    this.#send(JSON.stringify({ request_id: requestId, body }));
  }

  #onRequest(requestId: number, frame: Frame): void {
    const parts: string[] = [];
    for (const [key, value] of Object.entries(frame.query ?? {})) {
      parts.push(`${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`);
    }
    const response = new PacketWriter(requestId, this.#spec.packetBytes, (packet, asText) => {
      if (asText) this.#send(encodeSimTextPacket(packet));
      else this.#socket?.sendBytes([encodeSimPacket(packet)]);
    });
    const run = (task: () => void) => this.#host?.run(task);
    const name = this.#host?.name ?? "";
    const request = this.#home.request(
      {
        method: String(frame.method),
        headers: null,
        target: `/${String(frame.path)}?${parts.join("&")}`,
        body: frame.payload === undefined ? null : latin1Text(utf8Bytes(JSON.stringify(frame.payload))),
      },
      {
        name,
        flushed: () => {},
        interim: () => {},
        head: (status, headers) => run(() => response.begin(status, headers)),
        body: (bytes) => run(() => response.write(bytes)),
        ended: () => {
          this.#requests.delete(requestId);
          run(() => response.end());
        },
        // No packet says that an agent gave up: the stream just stops.
        failed: () => this.#requests.delete(requestId),
      },
    );
    this.#requests.set(requestId, request);
  }

  #send(text: string): void {
    this.#socket?.sendText(text);
  }
}

/** Those before and behind a number, without itself. */
function neighboursOf(number: number): number[] {
  const steps = Array.from({ length: NEIGHBOURS }, (_, index) => index + 1);
  return [...steps.map((step) => number - step), ...steps.map((step) => number + step)];
}

/** On each side. */
const NEIGHBOURS = 6;

/** Cuts a response into packets that are all full but the last. */
class PacketWriter {
  readonly #requestId: number;
  readonly #packetBytes: number;
  readonly #send: (packet: SimPacket, asText: boolean) => void;
  #head: SimPacket["head"] = null;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #packets = 0;

  constructor(requestId: number, packetBytes: number, send: (packet: SimPacket, asText: boolean) => void) {
    this.#requestId = requestId;
    this.#packetBytes = packetBytes;
    this.#send = send;
  }

  begin(status: number, list: readonly string[]): void {
    const headers: Record<string, string> = {};
    for (let index = 0; index + 1 < list.length; index += 2)
      headers[list[index] ?? ""] = list[index + 1] ?? "";
    this.#head = { status, headers };
  }

  write(bytes: Uint8Array): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    while (this.#heldBytes > this.#room()) {
      const whole = joined(this.#held);
      const room = this.#room();
      this.#held = [whole.subarray(room)];
      this.#heldBytes -= room;
      this.#packet(whole.subarray(0, room), false);
    }
  }

  end(): void {
    this.#packet(joined(this.#held), true);
    this.#held = [];
    this.#heldBytes = 0;
  }

  /** Body bytes that fit the next packet. */
  #room(): number {
    const head = this.#packets === 0 ? JSON.stringify(this.#head?.headers ?? {}).length + 6 : 0;
    return Math.max(1, this.#packetBytes - 13 - head);
  }

  #packet(body: Uint8Array, last: boolean): void {
    const head = this.#packets === 0 ? this.#head : null;
    this.#packets++;
    const packet = { requestId: this.#requestId, packetId: this.#packets, last, head, body };
    // Both encodings mean the same; some exchanges use the older one.
    this.#send(packet, this.#requestId % 16 === 15);
  }
}
