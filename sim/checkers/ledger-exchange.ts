/** One exchange in a ledger: what came for it and what went out, byte by byte, and what its agent still owes. */
import type { ExchangeId, SocketId } from "../../core/ids.ts";
import { headerOf } from "../visitor.ts";
import type { ServerEvent } from "./checker.ts";
import { type SeenPacket, sameContent } from "./packet.ts";

type Opened = Extract<ServerEvent, { readonly type: "exchange_opened" }>;

export class LedgerExchange {
  readonly id: ExchangeId;
  /** Its id on the wire. */
  readonly requestId: number;
  readonly opened: Opened;
  readonly openedMs: number;
  /** Whether the visitor asked for all or nothing. */
  readonly blocking: boolean;
  /** `over`: how it ends was ordered, and what is left is the adapter's writing. */
  phase: "arrived" | "reading" | "asked" | "over" = "arrived";
  /** When something last moved for it, by the process's clock. */
  progressMs: number;
  /** Of the request body, and not sent on yet. */
  requestBytes = 0;
  /** The tunnel that its request frame went out on. */
  tunnel: SocketId | null = null;
  /** The agent said that it will not finish it. */
  givenUp = false;
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
  headSent = false;
  /** The end of a streamed response was ordered, which says that all of it was there. */
  endedWhole = false;
  /** Its connection was ordered to be destroyed. */
  isCut = false;
  /** The last step that brought a packet which had come before, byte by byte the same. */
  repeatedStep = 0;
  /** The step and the time that ordered its end, the phase that it ended, and how long nothing had moved then. */
  endedStep = 0;
  endedMs = 0;
  endedIn: "arrived" | "reading" | "asked" = "arrived";
  waitedMs = 0;

  constructor(opened: Opened, idBase: number, nowMs: number) {
    this.id = opened.exchange;
    this.requestId = idBase + opened.exchange;
    this.opened = opened;
    this.blocking = headerOf(opened.headers, "culvert-response") === "blocking";
    this.openedMs = nowMs;
    this.progressMs = nowMs;
  }

  /** Every packet of the response has come. */
  get complete(): boolean {
    return this.last > 0 && this.next > this.last;
  }

  /** The agent still has something to send for it, as far as the server can know. */
  get owed(): boolean {
    return this.tunnel !== null && !this.complete && !this.givenUp;
  }

  /** What a server has to keep for it now: no more and no less. */
  get heldBytes(): number {
    if (this.isCut) return 0;
    if (this.phase === "reading") return this.requestBytes;
    const gathered = this.blocking && this.phase === "asked" ? this.orderedBytes : 0;
    const parked = this.phase === "asked" ? this.parkedBytes : 0;
    return gathered + parked + this.unflushedBytes;
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

  /** RFC 9112 section 6.3; known when packet 1 has come. */
  get hasBody(): boolean {
    const status = this.packets.get(1)?.status ?? 0;
    return this.opened.method !== "HEAD" && status !== 204 && status !== 304;
  }

  /** How it ends was ordered. */
  end(nowMs: number, step: number): void {
    if (this.phase === "over") return;
    this.endedMs = nowMs;
    this.endedIn = this.phase;
    this.waitedMs = nowMs - this.progressMs;
    this.phase = "over";
    this.progressMs = nowMs;
    this.endedStep = step;
    this.requestBytes = 0;
  }
}
