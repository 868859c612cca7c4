/** One exchange in a ledger: what came for it and what went out, byte by byte, and what its agent still owes. */
import type { ServerEvent } from "../../core/events.ts";
import type { ExchangeId, SocketId } from "../../core/ids.ts";
import { headerOf } from "../tools/headers.ts";
import type { NativeFrame } from "../wire/native.ts";
import { asVisitors, passIn, type SeenPass } from "./pass.ts";
import { isOfSignIn, type Place, placeOf } from "./place.ts";
import { type SeenPacket, sameContent } from "./seen-packet.ts";

type Opened = Extract<ServerEvent, { readonly type: "exchange_opened" }>;

/** Numbers are told modulo 2^32: what is so far ahead is behind. */
const HALF_OF_NUMBERS = 2 ** 31;

export class LedgerExchange {
  readonly id: ExchangeId;
  /** Its id on the wire. */
  readonly requestId: number;
  /** As the visitor made it, also where another node has brought it. */
  readonly opened: Opened;
  /** What that node tells of it; null where it has no such field. */
  readonly pass: SeenPass | null;
  readonly openedMs: number;
  /** Whether the visitor asked for all or nothing. */
  readonly blocking: boolean;
  /** `over`: how it ends was ordered, and what is left is the adapter's writing. */
  phase: "arrived" | "reading" | "asked" | "over" = "arrived";
  /** When something last moved for it, by the process's clock. */
  progressMs: number;
  /** How long the process had slept when it was opened. */
  sleptMs = 0;
  /** Of the request body, and not sent on yet. */
  requestBytes = 0;
  /** Of the request body, given to a session of the native protocol. */
  sessionBytes = 0;
  /** Its home's agent speaks the native protocol; known from the first order on that says so. */
  native = false;
  /** The number of its request to another node, which has its home; null where it went to none. */
  elsewhere: ExchangeId | null = null;
  /** Of its answer: came from there, and is passed on with what follows at once. */
  heldBack = 0;
  headHeld = false;
  /** Its request body was asked for, is held up, and has come whole. */
  reads = false;
  bodyPaused = false;
  /** When it went on its way to its home at last, or on after it was held up: no progress of its own. */
  relievedMs = 0;
  requestEnded = false;
  /** What it brings is a form for the server itself, and no more than that once it has come. */
  readonly isForm: boolean;
  /** Status of the home's final head, 0 before that. */
  status = 0;
  /** Number of the frame that comes next from a native agent. */
  nextFrame = 0;
  readonly place: Place;
  /** Whose home it is for; empty where the request does not say. */
  readonly clientId: string;
  /** The tunnel that its request frame went out on. */
  tunnel: SocketId | null = null;
  /** The agent said that it will not finish it. */
  givenUp = false;
  /** After a resumption: the agent knows nothing of it. */
  isForgotten = false;
  /** Number of the packet that continues what was put in order; packets before it have come without a gap. */
  next = 1;
  /** Number of the last packet, 0 while it is not known. */
  last = 0;
  /** By number: everything that came, for the recognition of what comes twice. */
  readonly packets = new Map<number, SeenPacket>();
  parkedPackets = 0;
  parkedBytes = 0;
  /** Body bytes that came without a gap; none where the response has no body. */
  orderedBytes = 0;
  /** Body bytes that were ordered to be written. */
  writtenBytes = 0;
  unflushedBytes = 0;
  /** The last step that had something written, and what was unflushed before it. */
  writtenStep = 0;
  formerBytes = 0;
  /** What of its `heldBytes` is in the ledger's sum. */
  countedBytes = 0;
  headSent = false;
  /** The end of a streamed response was ordered, which says that all of it was there. */
  endedWhole = false;
  /** Its connection was ordered to be destroyed. */
  isCut = false;
  /** The last step that brought a packet which had come before, byte by byte the same. */
  repeatedStep = 0;
  /**
   * The step and the time that ordered its end, the phase that it ended, how long nothing had moved then, and what was unflushed
   * before.
   */
  endedStep = 0;
  endedMs = 0;
  endedIn: "arrived" | "reading" | "asked" = "arrived";
  waitedMs = 0;
  waitingBytes = 0;

  constructor(opened: Opened, idBase: number, nowMs: number) {
    this.id = opened.exchange;
    this.requestId = idBase + opened.exchange;
    this.pass = passIn(opened.headers);
    this.opened = asVisitors(opened, this.pass);
    this.blocking = headerOf(opened.headers, "culvert-response") === "blocking";
    this.openedMs = nowMs;
    this.place = placeOf(opened);
    this.clientId = this.place.clientId;
    this.isForm = opened.byPeer !== true && isOfSignIn(this.place);
    this.progressMs = nowMs;
  }

  /** Every packet of the response has come. */
  get complete(): boolean {
    return this.last > 0 && this.next > this.last;
  }

  /** The agent still has something to send for it, as far as the server can know. */
  get owed(): boolean {
    return this.tunnel !== null && !this.complete && !this.givenUp && !this.isForgotten;
  }

  /** What a server has to keep for it now: no more and no less. */
  get heldBytes(): number {
    if (this.isCut) return 0;
    if (this.phase === "reading") return this.requestBytes;
    const gathered = this.blocking && this.phase === "asked" ? this.orderedBytes : 0;
    const parked = this.phase === "asked" ? this.parkedBytes : 0;
    return gathered + parked + this.unflushedBytes;
  }

  write(bytes: number, step: number): void {
    if (this.writtenStep !== step) this.formerBytes = this.unflushedBytes;
    this.writtenStep = step;
    this.writtenBytes += bytes;
    this.unflushedBytes += bytes;
  }

  /** A packet came for it. */
  take(packet: SeenPacket, nowMs: number, step: number): void {
    const known = this.packets.get(packet.packetId);
    if (known !== undefined) {
      if (known.last === packet.last && sameContent(known.content, packet.content)) this.repeatedStep = step;
      return;
    }
    this.progressMs = nowMs;
    this.packets.set(packet.packetId, packet);
    if (packet.packetId === 1) this.status = packet.status;
    this.parkedPackets++;
    this.parkedBytes += packet.bodyBytes;
    if (packet.last) this.last = packet.packetId;
    for (let next = this.packets.get(this.next); next !== undefined; next = this.packets.get(this.next)) {
      this.next++;
      this.parkedPackets--;
      this.parkedBytes -= next.bodyBytes;
      if (this.hasBody) this.orderedBytes += next.bodyBytes;
    }
  }

  /** The same for a piece from a native agent; `status` where it has a head. */
  takePiece(frame: NativeFrame, status: number, nowMs: number): void {
    // What comes again after a resumption is dropped.
    if (frame.number !== this.nextFrame) return;
    this.nextFrame++;
    // A bounded number of interim responses says that the home is at work.
    if (frame.interim) {
      this.relievedMs = nowMs;
      return;
    }
    this.progressMs = nowMs;
    // A second head ends the exchange, and says nothing of it.
    if (frame.hasHead && this.status === 0) {
      this.status = status;
      this.next = 2;
    }
    if (this.hasBody) this.orderedBytes += frame.bodyBytes;
    if (frame.last) this.last = 1;
  }

  /** One whose number was taken already comes again, and changes nothing. */
  takeReset(frame: NativeFrame): void {
    this.givenUp ||= (frame.number - this.nextFrame) >>> 0 < HALF_OF_NUMBERS;
  }

  /** RFC 9112 section 6.3; known when the head has come. */
  get hasBody(): boolean {
    const { status } = this;
    return this.opened.method !== "HEAD" && status !== 204 && status !== 304;
  }

  /** How it ends was ordered. */
  end(nowMs: number, step: number): void {
    if (this.phase === "over") return;
    this.endedMs = nowMs;
    this.endedIn = this.phase;
    this.waitedMs = nowMs - this.progressMs;
    this.waitingBytes = this.writtenStep === step ? this.formerBytes : this.unflushedBytes;
    this.phase = "over";
    this.progressMs = nowMs;
    this.endedStep = step;
    this.requestBytes = 0;
  }
}
