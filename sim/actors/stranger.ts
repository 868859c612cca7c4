/**
 * Somebody without a token who wants to keep others out: one connection after the other, each used against its purpose.
 * Nothing is asked of what comes of it but that nobody else is worse off.
 */
import { VisitorLine } from "../network/visitor-line.ts";
import type { Random } from "../tools/random.ts";
import { latin1Bytes } from "../tools/text.ts";
import { requestHead } from "../wire/http-request.ts";
import type { Agenda, World } from "../world/world.ts";
import { connect, type Dialler } from "./dial.ts";

/**
 * `pipelines`: asks many things at once and reads no answer. `drips`: sends a head byte by byte. `knocks`: shakes hands with a
 * wrong token. `leaves`: is gone in the middle of an upload.
 */
export const STRANGE_WAYS = ["pipelines", "drips", "knocks", "leaves"] as const;

export type StrangeWay = (typeof STRANGE_WAYS)[number];

/** Between two connections. */
const AGAIN_US = 200_000;
const DRIP_US = 250_000;
const STAYS_US = 120_000;
const PIPELINED = 60;
const UPLOAD_BYTES = 200_000;
const UPLOADED_BYTES = 60_000;

export class Stranger {
  readonly #world: World;
  readonly #dialler: Dialler;
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #way: StrangeWay;
  readonly #peer: string;
  readonly #clientId: string;
  #line: VisitorLine | null = null;
  #stopped = false;
  #came = 0;

  /** `name` is unique in a run. */
  constructor(
    dialler: Dialler,
    options: {
      readonly name: string;
      readonly way: StrangeWay;
      readonly peer: string;
      /** The home that it asks for. */
      readonly clientId: string;
    },
  ) {
    const { world } = dialler;
    this.#world = world;
    this.#dialler = dialler;
    this.#agenda = world.agenda(options.name);
    this.#random = world.random(options.name);
    this.#way = options.way;
    this.#peer = options.peer;
    this.#clientId = options.clientId;
    this.#agenda.after(this.#random.below(AGAIN_US), () => this.#come());
  }

  /** Goes away for good. */
  stop(): void {
    this.#stopped = true;
    this.#line?.abort();
  }

  #come(): void {
    if (this.#stopped) return;
    const came = ++this.#came;
    const { path } = this.#dialler;
    const again = () => {
      if (this.#came === came) this.#agenda.after(AGAIN_US, () => this.#come());
    };
    connect(
      this.#dialler,
      { kind: "connect" },
      {
        refused: again,
        reached: (server) => {
          if (this.#stopped) return;
          const line: VisitorLine = new VisitorLine({
            world: this.#world,
            path,
            name: `line:${path.name}:${path.made}`,
            host: server.process,
            visitor: {
              bytes: () => {},
              ended: () => {
                line.leave();
                again();
              },
            },
            accept: (accepted) => server.edge.accept(accepted, this.#peer),
          });
          this.#line = line;
          this.#begin(line, again);
        },
      },
    );
  }

  #begin(line: VisitorLine, again: () => void): void {
    switch (this.#way) {
      case "pipelines":
        line.pauseReading(true);
        return line.send(joined(Array.from({ length: PIPELINED }, () => this.#head("GET", this.#home()))));
      case "drips":
        return this.#drip(line, this.#head("GET", this.#home(), "x-filler", "x".repeat(1_000)), 0);
      case "knocks":
        return line.send(this.#handshake());
      case "leaves": {
        line.send(this.#head("POST", this.#home(), "content-length", String(UPLOAD_BYTES)));
        line.send(new Uint8Array(this.#random.below(UPLOADED_BYTES)));
        const byReset = this.#random.chance(1, 2);
        this.#agenda.after(this.#random.below(STAYS_US), () => {
          if (byReset) line.abort();
          else line.leave();
          again();
        });
      }
    }
  }

  #drip(line: VisitorLine, head: Uint8Array, at: number): void {
    if (this.#stopped || this.#line !== line) return;
    line.send(head.slice(at, at + 1));
    if (at + 1 < head.length) this.#agenda.after(DRIP_US, () => this.#drip(line, head, at + 1));
  }

  #home(): string {
    return `/strange?clientId=${this.#clientId}`;
  }

  #head(method: string, target: string, ...fields: readonly string[]): Uint8Array {
    return requestHead({ method, target, minorVersion: 1 }, ["host", "stranger.example", ...fields]);
  }

  #handshake(): Uint8Array {
    const target = `/ws?clientId=${this.#clientId}&sender=true&signature=wrong-${this.#came}`;
    return this.#head("GET", target, ...HANDSHAKE);
  }
}

const HANDSHAKE = [
  ...["connection", "upgrade", "upgrade", "websocket"],
  ...["sec-websocket-version", "13", "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="],
];

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return latin1Bytes(pieces.map((piece) => Buffer.from(piece).toString("latin1")).join(""));
}
