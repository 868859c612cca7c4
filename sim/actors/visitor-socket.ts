/** A visitor socket: a visitor's own WebSocket to a client id. It says what its operation tells it to, and listens. */
import type { SeenVisitorSocket } from "../record/visitor-socket.ts";
import { handshakeOf } from "../scenario/quirks.ts";
import type { MessageSpec, SocketOperation } from "../scenario/scenario.ts";
import { attentive } from "../world/host.ts";
import type { World } from "../world/world.ts";
import { ClientSocket, type Dialler } from "./dial.ts";

export class VisitorSocket implements SeenVisitorSocket {
  readonly operation: SocketOperation;
  readonly clientId: string;
  readonly #world: World;
  readonly #socket: ClientSocket;
  opened = false;
  /** Messages that it sent, and answers to them that it got. */
  asked = 0;
  answered = 0;
  /** The close code; null while it is there. */
  closedCode: number | null = null;

  constructor(world: World, dialler: Dialler, operation: SocketOperation, clientId: string, token: string) {
    this.#world = world;
    this.operation = operation;
    this.clientId = clientId;
    this.#socket = new ClientSocket(dialler, {
      ...handshakeOf(operation.quirk ?? null, { clientId, token }),
      order: "fifo",
      host: attentive,
      handler: {
        opened: () => {
          this.opened = true;
          world.sometimes("a visitor socket is accepted");
          this.#misbehave();
        },
        refused: () => world.sometimes("a visitor socket is refused"),
        text: (text) => this.#onText(text),
        bytes: () => {},
        heard: () => {},
        flushed: () => {},
        closed: (code) => {
          this.closedCode = code;
        },
      },
    });
    const agenda = world.agenda(`socket:${operation.id}`);
    operation.messages.forEach((message, index) => {
      agenda.at(message.atMs * 1000, () => this.#say(index, message));
    });
    agenda.at(operation.closesAtMs * 1000, () => this.#socket.close(1000, ""));
  }

  #misbehave(): void {
    const { quirk } = this.operation;
    if (quirk === "reads_nothing") this.#socket.pause(true);
    if (quirk === "sends_bytes") this.#socket.sendBytes([new Uint8Array(3)]);
  }

  #say(index: number, { json, wideCharacters }: MessageSpec): void {
    if (!this.opened || this.closedCode !== null) return;
    this.asked++;
    const message = { socket: this.operation.id, message: index, fill: "\u00e9".repeat(wideCharacters) };
    this.#socket.sendText(json ? JSON.stringify(message) : "not JSON {");
  }

  #onText(text: string): void {
    this.answered++;
    this.#world.trace?.line(this.#world.nowUs, `socket ${this.operation.id}`, `got ${text}`);
    this.#world.watch.visitorSocketText(this, text);
  }
}
