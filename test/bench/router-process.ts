/**
 * A router between two networks, as a process of its own: a line each way that carries so many bits a second behind a queue that drops
 * what does not fit, and a delay. What it carries are whole packets: each network sends its own to this machine by VXLAN
 * (RFC 7348), and so TCP at both ends is the kernel's own. Usage: `router-process.ts NEAR FAR PORT BITS_PER_MS DELAY_MS QUEUE_BYTES`.
 */
import { createSocket, type Socket } from "node:dgram";

const [near, far, ...numbers] = process.argv.slice(2);
const [port = 0, bitsPerMs = 0, delayMs = 0, queueBytes = 0] = numbers.map(Number);
if (near === undefined || far === undefined || !(port > 0 && bitsPerMs > 0 && queueBytes > 0 && delayMs >= 0))
  throw new Error("usage: router-process.ts NEAR FAR PORT BITS_PER_MS DELAY_MS QUEUE_BYTES");

/** VXLAN's header and that of the Ethernet frame in it: a line to somebody's house carries what is behind them. */
const ENCAPSULATION_BYTES = 8 + 14;
const TCP = 6;
/** In the headers of TCP and of IPv4. */
const CHECKSUM_AT = 16;
const ADDRESSES_AT = 12;

class Line {
  readonly #socket: Socket;
  readonly #target: string;
  readonly #waiting: { readonly packet: Buffer; readonly leavesMs: number }[] = [];
  /** When the last packet has left the queue. */
  #freeMs = 0;
  #isArmed = false;

  constructor(socket: Socket, target: string) {
    this.#socket = socket;
    this.#target = target;
  }

  carry(packet: Buffer): void {
    const nowMs = performance.now();
    const bytes = packet.length - ENCAPSULATION_BYTES;
    const startMs = Math.max(nowMs, this.#freeMs);
    if (((startMs - nowMs) * bitsPerMs) / 8 + bytes > queueBytes) return;
    fillChecksum(packet.subarray(ENCAPSULATION_BYTES));
    this.#freeMs = startMs + (bytes * 8) / bitsPerMs;
    this.#waiting.push({ packet, leavesMs: this.#freeMs + delayMs });
    this.#arm();
  }

  #arm(): void {
    const first = this.#waiting[0];
    if (this.#isArmed || first === undefined) return;
    this.#isArmed = true;
    setTimeout(() => this.#deliver(), Math.max(0, first.leavesMs - performance.now()));
  }

  #deliver(): void {
    this.#isArmed = false;
    const nowMs = performance.now();
    let count = 0;
    for (const { packet, leavesMs } of this.#waiting) {
      if (leavesMs > nowMs) break;
      count++;
      this.#socket.send(packet, port, this.#target);
    }
    this.#waiting.splice(0, count);
    this.#arm();
  }
}

/**
 * Kernels leave a checksum to the network card that sends a packet, and there is none here: RFC 9293 section 3.1, over IPv4's
 * pseudo header and the segment.
 */
function fillChecksum(packet: Buffer): void {
  const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
  if ((packet[0] ?? 0) >> 4 !== 4 || packet[9] !== TCP || packet.length < headerBytes + 20) return;
  const end = packet.readUInt16BE(2);
  packet.writeUInt16BE(0, headerBytes + CHECKSUM_AT);
  let sum = TCP + end - headerBytes;
  for (let at = ADDRESSES_AT; at < ADDRESSES_AT + 8; at += 2) sum += packet.readUInt16BE(at);
  for (let at = headerBytes; at + 1 < end; at += 2) sum += packet.readUInt16BE(at);
  if ((end - headerBytes) % 2 === 1) sum += (packet[end - 1] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  packet.writeUInt16BE(~sum & 0xffff, headerBytes + CHECKSUM_AT);
}

const socket = createSocket({ type: "udp4", recvBufferSize: 4 * 1024 * 1024 });
const toFar = new Line(socket, far);
const toNear = new Line(socket, near);
socket.on("message", (packet, { address }) => {
  if (address === near) toFar.carry(packet);
  else if (address === far) toNear.carry(packet);
});
socket.bind(port, () => console.log("carrying"));
