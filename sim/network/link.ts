/**
 * A simulated WebSocket: what the `ws` library and two kernels do between an agent or a visitor socket and a node.
 *
 * Each end behaves like the shipped adapter: it answers pings, echoes a close frame, reports `closed` exactly once and
 * last, and gives up a closing handshake that the peer does not finish.
 */
import type { QueueOrder } from "../scenario/scenario.ts";
import { latin1Bytes, latin1Text } from "../tools/text.ts";
import { bytesFrame, controlFrame, joined, type SocketFrame, textFrame } from "../wire/frame.ts";
import type { Host } from "../world/host.ts";
import type { Agenda, World } from "../world/world.ts";
import type { Connection, Direction, Path } from "./path.ts";
import { Pipe } from "./pipe.ts";

/** What an end tells its owner; the facts of `SocketEvent`. */
export type LinkHandler = {
  /** At the client's end with the subprotocol that the server chose. */
  readonly opened: (protocol: string | null) => void;
  /** The server answered the handshake with another status; `closed` follows. */
  readonly refused: (status: number, body: string, retryAfter?: string) => void;
  readonly text: (text: string) => void;
  readonly bytes: (bytes: Uint8Array) => void;
  readonly heard: () => void;
  readonly flushed: (bytes: number) => void;
  readonly closed: (code: number, reason: string) => void;
};

/** No close frame came (RFC 6455 section 7.1.5). */
const ABNORMAL = 1006;
/** The message is larger than its reader takes. */
const TOO_LARGE = 1009;
/** The adapters cut a connection whose peer does not finish the closing handshake in this time. */
const CLOSE_TIMEOUT_US = 5_000_000;

export class LinkEnd {
  state: "connecting" | "open" | "closing" | "closed" = "connecting";
  readonly #link: Link;
  readonly #agenda: Agenda;
  readonly #handler: LinkHandler;
  readonly #host: Host;
  readonly #messageBytesMax: number;

  constructor(
    link: Link,
    agenda: Agenda,
    owner: { readonly host: Host; readonly handler: LinkHandler },
    messageBytesMax: number,
  ) {
    this.#link = link;
    this.#agenda = agenda;
    this.#host = owner.host;
    this.#handler = owner.handler;
    this.#messageBytesMax = messageBytesMax;
  }

  sendText(text: string): void {
    if (this.state === "open") this.#transmit(textFrame(text));
  }

  /** One binary message made of the pieces, copied as it leaves. */
  sendBytes(pieces: readonly Uint8Array[]): void {
    if (this.state === "open") this.#transmit(bytesFrame(joined(pieces)));
  }

  ping(): void {
    if (this.state === "open") this.#transmit(controlFrame("ping"));
  }

  pause(paused: boolean): void {
    this.#link.pipeTo(this).pause(paused);
  }

  /** Server's end only: completes the handshake, and says so before anything that waits for its process is told. */
  accept(protocol: string | null): void {
    if (this.state !== "connecting") return;
    this.state = "open";
    this.#transmit(controlFrame("accepted", 0, protocol ?? ""));
    this.#handler.opened(protocol);
  }

  /** Server's end only: answers the handshake with a plain response. */
  refuse(status: number, body = "", retryAfter = ""): void {
    if (this.state !== "connecting") return;
    this.#transmit({ ...controlFrame("refused", status, body), bytes: latin1Bytes(retryAfter) });
    this.#finish(ABNORMAL, "");
  }

  close(code: number, reason: string): void {
    if (this.state === "connecting") this.terminate();
    if (this.state !== "open") return;
    this.state = "closing";
    this.#transmit(controlFrame("close", code, reason));
    this.#agenda.after(CLOSE_TIMEOUT_US, () => this.terminate());
  }

  /** Cuts the connection; what the kernel has already still arrives before the peer hears of it. */
  terminate(): void {
    if (this.state === "closed") return;
    this.hangUp();
    this.#finish(ABNORMAL, "");
  }

  /** The end is gone without a word to its owner, who has died: the kernel tells the peer. */
  hangUp(): void {
    this.#link.pipeFrom(this).dropUnsent();
    this.#transmit(controlFrame("ended"));
    this.#leave();
  }

  /** The end is gone and not even its kernel is left to tell. */
  vanish(): void {
    this.#link.pipeFrom(this).kill();
    this.#leave();
  }

  /** The connection broke: reset by the network. */
  broken(): void {
    if (this.state !== "closed") this.#finish(ABNORMAL, "");
  }

  receive(frame: SocketFrame): void {
    if (frame.size > this.#messageBytesMax) {
      this.#transmit(controlFrame("close", TOO_LARGE));
      this.#finish(ABNORMAL, "");
      return;
    }
    switch (frame.kind) {
      case "accepted":
        this.state = "open";
        this.#handler.opened(frame.text === "" ? null : frame.text);
        break;
      case "refused":
        this.#handler.refused(frame.code, frame.text, latin1Text(frame.bytes));
        this.#finish(ABNORMAL, "");
        break;
      case "text":
        this.#handler.text(frame.text);
        break;
      case "bytes":
        this.#handler.bytes(frame.bytes);
        break;
      case "ping":
        this.#handler.heard();
        if (this.state === "open") this.#transmit(controlFrame("pong"));
        break;
      case "pong":
        this.#handler.heard();
        break;
      case "close":
        if (this.state === "open") this.#transmit(controlFrame("close", frame.code, frame.text));
        this.#finish(frame.code, frame.text);
        break;
      case "ended":
        this.#finish(ABNORMAL, "");
        break;
      case "void":
        break;
    }
  }

  sent(frame: SocketFrame): void {
    if (frame.flushBytes === 0 || this.state === "closed") return;
    this.#host.run(() => {
      if (this.state !== "closed") this.#handler.flushed(frame.flushBytes);
    });
  }

  #transmit(frame: SocketFrame): void {
    const pipe = this.#link.pipeFrom(this);
    const { filters } = this.#link.path.lane(this.#link.directionFrom(this));
    if (filters.size === 0) {
      pipe.send(frame);
      return;
    }
    let frames: readonly SocketFrame[] = [frame];
    for (const filter of filters) frames = frames.flatMap((each) => filter(each, this.#link) ?? [each]);
    for (const each of frames) pipe.send(each);
  }

  #finish(code: number, reason: string): void {
    this.#leave();
    this.#host.run(() => this.#handler.closed(code, reason));
  }

  #leave(): void {
    this.state = "closed";
    this.#link.pipeTo(this).kill();
    this.#link.left();
  }
}

export class Link implements Connection {
  readonly path: Path;
  readonly client: LinkEnd;
  readonly server: LinkEnd;
  /** Counted per path. */
  readonly number: number;
  readonly #agenda: Agenda;
  readonly #up: Pipe<SocketFrame>;
  readonly #down: Pipe<SocketFrame>;

  constructor(
    world: World,
    options: {
      /** Of its streams; unique in a run. */
      readonly name: string;
      readonly path: Path;
      readonly order: QueueOrder;
      readonly client: { readonly host: Host; readonly handler: LinkHandler };
      readonly server: { readonly host: Host; readonly handler: LinkHandler };
      /** The server's end takes no larger message. */
      readonly messageBytesMax: number;
    },
  ) {
    const { name, path, client, server } = options;
    const random = world.random(name);
    const agenda = world.agenda(name);
    this.#agenda = agenda;
    this.path = path;
    this.number = path.made;
    this.client = new LinkEnd(this, agenda, client, Number.POSITIVE_INFINITY);
    this.server = new LinkEnd(this, agenda, server, options.messageBytesMax);
    this.#up = new Pipe({
      world,
      agenda,
      path,
      direction: "up",
      random,
      order: options.order,
      server: server.host,
      reader: server.host,
      sent: (frame) => this.client.sent(frame),
      arrived: (frame) => this.server.receive(frame),
    });
    this.#down = new Pipe({
      world,
      agenda,
      path,
      direction: "down",
      random,
      order: "fifo",
      server: server.host,
      reader: client.host,
      sent: (frame) => this.server.sent(frame),
      arrived: (frame) => this.client.receive(frame),
    });
    path.connections.add(this);
  }

  pipeFrom(end: LinkEnd): Pipe<SocketFrame> {
    return end === this.client ? this.#up : this.#down;
  }

  pipeTo(end: LinkEnd): Pipe<SocketFrame> {
    return end === this.client ? this.#down : this.#up;
  }

  directionFrom(end: LinkEnd): Direction {
    return end === this.client ? "up" : "down";
  }

  inject(frame: SocketFrame): void {
    if (this.client.state === "open") this.#up.send(frame);
  }

  left(): void {
    if (this.client.state === "closed" && this.server.state === "closed") this.path.connections.delete(this);
  }

  cut({ near, far }: { readonly near: number; readonly far: number }): void {
    this.#up.kill();
    this.#down.kill();
    this.path.connections.delete(this);
    this.#agenda.after(near, () => this.client.broken());
    this.#agenda.after(far, () => this.server.broken());
  }

  lose(direction: Direction): void {
    if (direction === "up") this.#up.lose();
    else this.#down.lose();
  }

  leaveBehind(farUs: number): void {
    this.client.broken();
    this.#agenda.after(farUs, () => this.cut({ near: 0, far: 0 }));
  }

  hangUp(code: number): void {
    const frame = controlFrame("close", code, "cut by a middlebox");
    if (this.server.state === "open") this.#up.send(frame);
    if (this.client.state === "open") this.#down.send(frame);
  }
}
