/**
 * A client's end of an HTTP/1.1 connection: requests go out one behind the other, answers come back in their order, and the
 * connection is kept or closed as both sides say.
 */
import { VisitorLine } from "../network/visitor-line.ts";
import { PEERS } from "../scenario/forwarding.ts";
import type { RequestHead } from "../scenario/request-head.ts";
import { headerOf } from "../tools/headers.ts";
import type { Random } from "../tools/random.ts";
import { piecesOf, requestHead } from "../wire/http-request.ts";
import { type Asked, type ResponsePart, ResponseReader } from "../wire/http-response.ts";
import type { Agenda, World } from "../world/world.ts";
import { connect, type Dialler } from "./dial.ts";
import { type Asker, type AskOptions, type LeavesBy, Turn, type TurnOwner } from "./turn.ts";

/** Of what a server announces, so much of the time a connection is used again: a request must not meet its end. */
const KEPT_PARTS = 2;

export class ClientConnection implements TurnOwner {
  readonly #world: World;
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #pieceBytesMax: number | null;
  readonly #reader = new ResponseReader();
  /** In the order of their requests. */
  readonly #turns: Turn[] = [];
  /** Null until it is there; what was written meanwhile waits. */
  #line: VisitorLine | null = null;
  #waiting: Uint8Array[] = [];
  /** Whether another request may go out on it. */
  #open = true;
  #over = false;
  #paused = false;
  #left: LeavesBy | null = null;
  #usableUntilUs = Number.POSITIVE_INFINITY;
  #asks = 0;

  constructor(
    dialler: Dialler,
    options: { readonly peer?: string | undefined; readonly pieceBytesMax?: number | undefined } = {},
  ) {
    const { world, path } = dialler;
    const name = `line:${path.name}:${path.made}`;
    this.#world = world;
    this.#agenda = world.agenda(`client:${name}`);
    this.#random = world.random(`client:${name}`);
    this.#pieceBytesMax = options.pieceBytesMax ?? null;
    connect(
      dialler,
      { kind: "connect" },
      {
        refused: () => this.#end("refused"),
        reached: (server) => {
          const line = new VisitorLine({
            world,
            path,
            name,
            host: server.process,
            visitor: { bytes: (bytes) => this.#onBytes(bytes), ended: (how) => this.#onEnded(how) },
            accept: (accepted) => server.edge.accept(accepted, options.peer ?? PEERS[0]),
          });
          this.#onLine(line);
        },
      },
    );
  }

  /** Whether a request may go out now; behind others only where `pipelined` says so. */
  takes(pipelined: boolean): boolean {
    const last = this.#turns.at(-1);
    if (!this.#open || this.#over) return false;
    if (last !== undefined) return pipelined && last.written && (!last.closes || last.forgettable);
    return this.#world.nowUs < this.#usableUntilUs;
  }

  ask(request: RequestHead, asker: Asker, options: AskOptions = {}): Turn {
    const turn = new Turn(this, request, asker, options);
    this.#asks++;
    if (this.#asks > 1) this.#world.sometimes("a visitor's connection is used again");
    if (this.#turns.length > 0) this.#world.sometimes("requests are pipelined");
    this.#turns.push(turn);
    const { method, minorVersion } = turn.asked;
    const fields = options.closes === true ? ["connection", "close", ...request.headers] : request.headers;
    this.write(turn, requestHead({ method, target: request.target, minorVersion }, fields));
    turn.sayMore();
    if (this.#turns.length === 1) asker.turn?.();
    return turn;
  }

  write(turn: Turn, bytes: Uint8Array): void {
    if (this.#over || !this.#turns.includes(turn)) return;
    if (this.#line === null) this.#waiting.push(bytes);
    else this.#send(this.#line, bytes);
  }

  endRaw(turn: Turn): void {
    if (this.#turns[0] === turn) this.#line?.sayEnd();
  }

  pauseReading(turn: Turn, paused: boolean): void {
    if (this.#turns[0] !== turn || this.#over || this.#paused === paused) return;
    this.#paused = paused;
    this.#line?.pauseReading(paused);
    if (!paused) this.#readOn();
  }

  leave(turn: Turn, how: LeavesBy): void {
    if (this.#over || !this.#turns.includes(turn)) return;
    this.#turns.splice(this.#turns.indexOf(turn), 1);
    this.#left = how;
    this.#over = true;
    if (this.#line !== null) this.#leaveBy(this.#line, how);
    this.#forsake();
  }

  #onLine(line: VisitorLine): void {
    this.#line = line;
    const waiting = this.#waiting;
    this.#waiting = [];
    // What waited leaves in one go, as far as it may.
    if (waiting.length > 0) this.#send(line, joined(waiting));
    if (this.#paused) line.pauseReading(true);
    if (this.#left !== null) this.#leaveBy(line, this.#left);
  }

  #leaveBy(line: VisitorLine, how: LeavesBy): void {
    if (how === "reset") line.abort();
    else if (how === "close") line.leave();
    else line.sayEnd();
    if (how === "half") line.pauseReading(false);
  }

  #send(line: VisitorLine, bytes: Uint8Array): void {
    const most = this.#pieceBytesMax;
    if (most === null || bytes.length <= 1) return line.send(bytes);
    for (const piece of piecesOf(bytes, () => this.#random.between(1, most))) line.send(piece);
  }

  #onBytes(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#reader.put(bytes);
    this.#readOn();
  }

  #readOn(): void {
    while (!this.#over && !this.#paused) {
      const turn = this.#turns[0];
      const part = this.#reader.next(turn?.asked ?? NOTHING_ASKED);
      if (part === null) return;
      if (turn === undefined) this.#onUnasked(part);
      else this.#onPart(turn, part);
    }
  }

  #onPart(turn: Turn, part: ResponsePart): void {
    switch (part.type) {
      case "interim":
        return turn.asker.interim(part.status, part.headers);
      case "head":
        turn.closes ||= part.closes;
        if (part.closes) turn.forgettable = false;
        if (part.status === 101) turn.becomeRaw();
        this.#keep(part.headers);
        return turn.asker.head(part.status, part.status === 101 ? part.headers : withoutHop(part.headers));
      case "body":
        return turn.asker.body(part.bytes);
      case "end":
        return this.#finish(turn, part.trailers);
      case "malformed":
        return this.#onMalformed(part.why);
    }
  }

  /** A server may say why it closes a connection on which nothing was asked; anything else is somebody else's. */
  #onUnasked(part: ResponsePart): void {
    this.#open = false;
    if (part.type === "malformed") this.#onMalformed(part.why);
    else if (part.type === "head" && part.status !== 408) this.#onMalformed(`${part.status} to nobody`);
  }

  #onMalformed(why: string): void {
    this.#world.watch.responseMalformed(why);
    this.#line?.abort();
    this.#end("cut");
  }

  #keep(headers: readonly string[]): void {
    const announced = /^timeout=(\d+)$/.exec(headerOf(headers, "keep-alive") ?? "")?.[1];
    const keptUs = announced === undefined ? 0 : (Number(announced) * 1_000_000) / KEPT_PARTS;
    this.#usableUntilUs = this.#world.nowUs + keptUs;
  }

  /** The answer is whole. */
  #finish(turn: Turn, trailers: readonly string[]): void {
    this.#turns.shift();
    this.#paused = false;
    this.#line?.pauseReading(false);
    // Of a request that is not all written the rest would be read as another.
    const isLast = turn.closes || !turn.written;
    if (isLast) this.#close();
    turn.asker.ended("complete", trailers);
    if (isLast) return this.#forsake();
    const next = this.#turns[0];
    if (next !== undefined) return next.asker.turn?.();
    const asks = this.#asks;
    if (turn.staysUs === 0) return this.#close();
    this.#agenda.after(turn.staysUs, () => {
      if (this.#asks === asks) this.#close();
    });
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#line?.leave();
  }

  /** Nothing more comes from the server. */
  #onEnded(how: "in_order" | "reset"): void {
    const turn = this.#turns[0];
    if (!this.#over && this.#turns.length === 0 && how === "in_order")
      this.#world.sometimes("a server closes an idle connection");
    this.#line?.leave();
    if (this.#over) return;
    if (how === "in_order" && turn !== undefined && this.#reader.endsWithConnection) {
      this.#over = true;
      this.#turns.shift();
      turn.asker.ended("complete", []);
      return this.#forsake();
    }
    this.#end("cut");
  }

  #end(how: "cut" | "refused"): void {
    this.#over = true;
    const [first, ...others] = this.#turns.splice(0);
    first?.asker.ended(how, []);
    // Who was to get his answer later lost it to whatever befell the first.
    for (const turn of others) turn.asker.ended(how === "refused" ? how : "forsaken", []);
  }

  #forsake(): void {
    for (const turn of this.#turns.splice(0)) turn.asker.ended("forsaken", []);
  }
}

const NOTHING_ASKED: Asked = { method: "GET", minorVersion: 1 };

/** Without what a server says of this hop, once each: what is left of such fields came from behind it. */
function withoutHop(headers: readonly string[]): readonly string[] {
  const kept: string[] = [];
  const seen = new Set<string>();
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = (headers[index] ?? "").toLowerCase();
    const value = headers[index + 1] ?? "";
    const isOwn = HOP_VALUES[name]?.test(value) === true && !seen.has(name);
    if (isOwn) seen.add(name);
    else kept.push(headers[index] ?? "", value);
  }
  return kept;
}

const HOP_VALUES: Readonly<Record<string, RegExp>> = {
  connection: /^(close|keep-alive)$/,
  "keep-alive": /^timeout=\d+$/,
  "transfer-encoding": /^chunked$/,
};

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0] ?? new Uint8Array(0);
  return new Uint8Array(Buffer.concat(pieces));
}
