/**
 * A visitor: makes one HTTP request, on a connection of its own or one that others use, reads the answer at its own pace, and
 * may leave at any time. What it saw stays in the `Visit`, for the checkers.
 */
import type { Visit, VisitEnd } from "../record/visit.ts";
import { REQUEST_TRAILERS } from "../scenario/request.ts";
import type { RequestHead } from "../scenario/request-head.ts";
import type { Random } from "../tools/random.ts";
import { latin1Bytes } from "../tools/text.ts";
import { WebSocketReader } from "../wire/web-socket-frame.ts";
import type { Agenda, World } from "../world/world.ts";
import type { ClientConnection } from "./client-connection.ts";
import type { LeavesBy, Turn } from "./turn.ts";

/** What a fault may do to a visitor's behaviour. */
export type VisitorMood = {
  /** Reads this many bytes per millisecond; null leaves the operation's pace. */
  readBytesPerMs: number | null;
  /** Reads nothing from that many bytes on. */
  stallsAtBytes: number | null;
  /** Stops sending its request body after that many bytes. */
  stopsUploadAtBytes: number | null;
  /** Sends a piece of its request body this often; null leaves the usual pace. */
  uploadEveryUs: number | null;
};

/** Who waits for `100 Continue` goes on without it after this (RFC 9110 section 10.1.1). */
const CONTINUE_US = 3_000_000;
/** Of an upload, one piece each this often. */
const UPLOAD_PIECE_US = 1_000;

export class Visitor {
  readonly visit: Visit;
  readonly #world: World;
  readonly #agenda: Agenda;
  readonly #body: string | null;
  readonly #mood: VisitorMood;
  readonly #random: Random;
  readonly #turn: Turn;
  #uploads = false;
  /** After so many bytes of its request body. */
  #stoppedAt: number | null = null;
  #frames: WebSocketReader | null = null;

  constructor(
    world: World,
    connection: ClientConnection,
    options: {
      readonly visit: Visit;
      readonly request: RequestHead;
      readonly body: string | null;
      readonly mood: VisitorMood;
    },
  ) {
    this.#world = world;
    this.visit = options.visit;
    const { id, connection: used = {} } = this.visit.operation;
    this.#agenda = world.agenda(`visitor:${id}`);
    this.#random = world.random(`visitor:${id}`);
    this.#body = options.body;
    this.#mood = options.mood;
    world.watch.visitStarted(this.visit);
    const { request } = options;
    this.#trace(`${request.method} ${request.target}`);
    this.#turn = connection.ask(
      request,
      {
        turn: () => {
          this.visit.turnUs = world.nowUs;
        },
        interim: (status) => this.#onInterim(status),
        head: (status, headers) => this.#onHead(status, headers),
        body: (bytes) => this.#onBody(bytes),
        ended: (how, trailers) => {
          this.visit.trailers = trailers;
          this.visit.closeCode = this.#frames?.closeCode ?? null;
          this.#end(how);
        },
      },
      {
        minorVersion: request.minorVersion ?? (used.old === true ? 0 : 1),
        closes: used.closes ?? false,
        staysUs: (used.staysMs ?? 0) * 1000,
        surplusBytes: used.surplusBytes ?? 0,
      },
    );
    if (request.upgrade !== true) {
      if (request.expectsContinue !== true) this.#beginUpload();
      else this.#agenda.after(CONTINUE_US, () => this.#beginUpload());
    }
    const { leaves } = this.visit.operation;
    if (leaves?.when === "after") this.#agenda.after(leaves.us, () => this.leave());
  }

  /** The visitor goes away, if it is still there. */
  leave(): void {
    const { status, bytesReceived, end } = this.visit;
    if (end !== null) return;
    if (status === null) this.#world.sometimes("a visitor leaves before the head");
    else if (bytesReceived === 0) this.#world.sometimes("a visitor leaves after the head");
    else this.#world.sometimes("a visitor leaves inside the body");
    this.#end("left");
    const how: LeavesBy = this.visit.operation.connection?.leavesBy ?? "close";
    this.#turn.leave(how);
  }

  /** Reads on after a stall. */
  wake(): void {
    this.#turn.pauseReading(false);
  }

  /** Sends on after it had stopped. */
  sayOn(): void {
    const stoppedAt = this.#stoppedAt;
    this.#stoppedAt = null;
    if (stoppedAt !== null) this.#upload(stoppedAt);
  }

  #beginUpload(): void {
    if (this.#uploads) return;
    this.#uploads = true;
    this.#upload(0);
  }

  #upload(sent: number): void {
    const body = this.#body;
    if (body === null || this.visit.end !== null) return;
    const stop = this.#mood.stopsUploadAtBytes;
    if (stop !== null && sent >= stop) {
      this.#stoppedAt = sent;
      return;
    }
    const piece = body.slice(sent, sent + this.visit.operation.request.uploadPieceBytes);
    if (piece !== "") this.#turn.sendBody(latin1Bytes(piece), this.#chunkBytes);
    const total = sent + piece.length;
    const { trailers, uploadEveryUs = UPLOAD_PIECE_US } = this.visit.operation.request;
    if (total === body.length) this.#turn.endBody(trailers === true ? REQUEST_TRAILERS : []);
    else this.#agenda.after(this.#mood.uploadEveryUs ?? uploadEveryUs, () => this.#upload(total));
  }

  readonly #chunkBytes = (): number => {
    const most = this.visit.operation.connection?.chunkBytesMax;
    return most === undefined ? Number.MAX_SAFE_INTEGER : this.#random.between(1, most);
  };

  #onInterim(status: number): void {
    this.#trace(`got ${status}`);
    this.#world.watch.visitInterim(this.visit, status);
    if (status === 100) this.#beginUpload();
    else this.visit.interims++;
  }

  #onHead(status: number, headers: readonly string[]): void {
    this.#trace(`got ${status}`);
    this.#world.watch.visitHead(this.visit, status, headers);
    this.visit.status = status;
    this.visit.headers = headers;
    // Who is answered before he was asked to go on keeps the body to himself.
    this.#uploads = true;
    if (status === 101) {
      this.#frames = new WebSocketReader();
      this.#upload(0);
    }
    if (this.visit.operation.leaves?.when === "at_head") this.leave();
  }

  #onBody(bytes: Uint8Array): void {
    const pieces = this.#frames === null ? [bytes] : this.#frames.read(bytes);
    if (this.#frames?.isBroken === true) this.#world.watch.visitFrameBroken(this.visit);
    for (const piece of pieces) {
      this.#world.watch.visitBody(this.visit, piece);
      this.visit.bytesReceived += piece.length;
    }
    const { leaves, readBytesPerMs } = this.visit.operation;
    if (leaves?.when === "at_bytes" && this.visit.bytesReceived >= leaves.bytes) {
      this.leave();
      return;
    }
    const stall = this.#mood.stallsAtBytes;
    if (stall !== null && this.visit.bytesReceived >= stall) {
      this.#turn.pauseReading(true);
      return;
    }
    const pace = this.#mood.readBytesPerMs ?? readBytesPerMs;
    if (pace === 0) return;
    this.#turn.pauseReading(true);
    this.#agenda.after(Math.ceil((bytes.length * 1000) / pace), () => this.#turn.pauseReading(false));
  }

  #end(end: VisitEnd): void {
    if (this.visit.end !== null) return;
    this.#trace(`${end} after ${this.visit.bytesReceived} bytes`);
    this.visit.end = end;
    this.visit.endedUs = this.#world.nowUs;
    this.#world.watch.visitEnded(this.visit, end);
  }

  #trace(text: string): void {
    this.#world.trace?.line(this.#world.nowUs, `visit ${this.visit.operation.id}`, text);
  }
}
