/**
 * The WebSocket between a server and an agent: encoded messages in two queues, each a copy, so that the two machines never
 * share memory. A test may hold, cut, drop and reorder what is under way.
 */

export type WireFrame =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "ping" | "pong" }
  | { readonly kind: "accepted"; readonly protocol: string | null }
  | { readonly kind: "refused"; readonly status: number; readonly body: string }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

export class FakeWire {
  readonly toAgent: WireFrame[] = [];
  readonly toServer: WireFrame[] = [];
  isHeld = false;
  /** The server does not read. */
  isPaused = false;
  isCut = false;
  /** Which of the messages to the server goes first, as its index; the oldest unless the test says otherwise. */
  order: (frames: readonly WireFrame[]) => number = () => 0;
  /** Most bytes that ever waited to be read by the server. */
  waitingBytesMax = 0;

  hold(): void {
    this.isHeld = true;
  }

  release(): void {
    this.isHeld = false;
  }

  /** Everything under way vanishes, and neither end hears of it; what was sent counts as gone. */
  dropAll(): WireFrame[] {
    this.toAgent.length = 0;
    return this.toServer.splice(0);
  }

  sendToServer(frame: WireFrame): void {
    this.toServer.push(frame);
    let waiting = 0;
    for (const each of this.toServer) waiting += frameBytes(each);
    this.waitingBytesMax = Math.max(this.waitingBytesMax, waiting);
  }

  takeForAgent(): WireFrame | undefined {
    return this.isHeld ? undefined : this.toAgent.shift();
  }

  takeForServer(): WireFrame | undefined {
    if (this.isHeld || this.isPaused || this.toServer.length === 0) return undefined;
    return this.toServer.splice(this.order(this.toServer), 1)[0];
  }
}

/** Deployed agents send smaller messages first, equal ones in order. */
export function smallerFirst(frames: readonly WireFrame[]): number {
  let first = 0;
  for (const [index, frame] of frames.entries()) {
    const best = frames[first];
    if (best !== undefined && frameBytes(frame) < frameBytes(best)) first = index;
  }
  return first;
}

/** What the sender counts. */
export function frameBytes(frame: WireFrame): number {
  if (frame.kind === "text") return Buffer.byteLength(frame.text);
  return frame.kind === "bytes" ? frame.bytes.length : 0;
}
