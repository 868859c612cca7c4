/**
 * Each end of the native protocol keeps its rules, seen at that end: frames are numbered without a gap and sent again only
 * after a resumption and only as they were; no body goes beyond the credit that was given; what is acknowledged has come;
 * nothing goes out before the welcome, or before the other side has said where it stands. A server opens no exchange
 * twice in a session, and a peer that leaves out a number, or goes beyond its credit, is left at once. Windows do not grow
 * beyond their limit, an exchange begins beside idle ones as it would alone, and what may go does not wait.
 */

import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../core/events.ts";
import type { AgentLimits, ServerLimits } from "../../core/limits.ts";
import type { SessionLimits } from "../../core/session/limits.ts";
import { socketNamedIn } from "../ledger/socket.ts";
import type { Property, Violate } from "../record/checker.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import { creditOf, KIND, type NativeFrame, readGreeting, readNativeFrame } from "../wire/native.ts";
import { FlowSession, hearEntries, NOWHERE, sentReset, type Wrong, wrongEntries } from "./native-session.ts";
import { Waits } from "./native-waits.ts";
import { homeOfLinks } from "./of-one-link.ts";

type Effects = readonly (ServerEffect | AgentEffect | undefined)[];
type Packet = Extract<ServerEffect | AgentEffect, { readonly type: "socket_send_packet" }>;

export const nativeFlow: Property = {
  name: "native_flow",
  create: (violate, judged) => {
    const servers = new Map<string, End>();
    const agents = new Map<string, End>();
    let limits: { readonly server: Limits; readonly agent: Limits } | null = null;
    const watch = (ends: Map<string, End>, role: End["role"], name: string): End | undefined => {
      const known = ends.get(name);
      if (known !== undefined || limits === null) return known;
      const end = new End(role, name, limits[role], violate, judged);
      ends.set(name, end);
      return end;
    };
    let homes: readonly HomeSpec[] = [];
    return {
      begun: ({ scenario, serverLimits, agentLimits }) => {
        homes = scenario.homes;
        limits = { server: serverEnd(serverLimits, agentLimits), agent: agentEnd(agentLimits) };
      },
      serverStep: ({ name, nowMs, ledger }, event, effects, count) => {
        const id = socketNamedIn(event);
        const socket = id === null ? undefined : ledger.sockets.get(id);
        const isNative = socket?.native === true;
        // The step that ends the last session is looked at as well: what comes on its socket after that is read by nobody.
        if (!isNative && ledger.natives.size === 0 && !servers.has(name)) return;
        const end = watch(servers, "server", name);
        if (end === undefined) return;
        end.told(nowMs, event);
        if (isNative && event.type === "socket_bytes") end.hear(event.socket, socket.clientId, event.bytes);
        end.look(effects, count, (of) => ledger.sockets.get(of)?.clientId);
        end.wait(event, effects, count);
      },
      agentStep: ({ name, nowMs }, event, effects, count) => {
        // Two servers number their exchanges alike, and what is said here of an agent is said of one session.
        if (homeOfLinks(homes, name) !== null) return;
        if (event.type === "socket_opened" && event.protocol !== null)
          watch(agents, "agent", name)?.opens(event.socket);
        const end = agents.get(name);
        if (end === undefined) return;
        end.told(nowMs, event);
        if (event.type === "socket_bytes" && !end.refuses(event.socket, effects, count))
          end.hear(event.socket, "", event.bytes);
        end.look(effects, count, () => "");
        end.wait(event, effects, count);
      },
    };
  },
};

type Limits = {
  readonly own: SessionLimits;
  /** That an agent gives each request at first. */
  readonly agentWindow: number;
  readonly fillMs: number;
};

function serverEnd(own: ServerLimits, { windowBytes }: AgentLimits): Limits {
  return { own, agentWindow: windowBytes, fillMs: 0 };
}

function agentEnd(own: AgentLimits): Limits {
  return { own, agentWindow: own.windowBytes, fillMs: own.packetFillMs };
}

/** No client id is like it. */
function olderKey(socket: number): string {
  return `on socket ${socket}`;
}

class End {
  readonly role: "server" | "agent";
  readonly #name: string;
  readonly #limits: Limits;
  readonly #violate: Violate;
  readonly #judged: () => void;
  /** By client id; an agent's newest is nobody's, and those of servers that leave are by their sockets. */
  readonly #sessions = new Map<string, FlowSession>();
  /** Sockets that are between handshake and welcome, with the window of their hello. */
  readonly #greeting = new Map<number, number>();
  /** Of hellos and welcomes: what has not left yet. */
  readonly #greetingBytes = new Map<number, number>();
  readonly #waits = new Waits();
  /** The exchange that the other side opened in this step. */
  #opened: number | null = null;
  #nowMs = 0;
  /** What came in this step asks for this socket to be closed. */
  #leaves: { readonly socket: number; readonly why: string } | null = null;

  constructor(role: End["role"], name: string, limits: Limits, violate: Violate, judged: () => void) {
    this.role = role;
    this.#name = name;
    this.#limits = limits;
    this.#violate = violate;
    this.#judged = judged;
  }

  opens(socket: number): void {
    this.#greeting.set(socket, 0);
  }

  /** To be called first. */
  told(nowMs: number, event: ServerEvent | AgentEvent): void {
    this.#nowMs = nowMs;
    if (event.type === "socket_flushed") this.#flushed(event.socket, event.bytes);
    if (event.type !== "socket_closed") return;
    this.#greetingBytes.delete(event.socket);
    this.#lose(event.socket);
  }

  #flushed(socket: number, bytes: number): void {
    const greetingBytes = this.#greetingBytes.get(socket) ?? 0;
    const ofGreeting = Math.min(bytes, greetingBytes);
    if (ofGreeting > 0) this.#greetingBytes.set(socket, greetingBytes - ofGreeting);
    for (const session of this.#sessions.values())
      if (session.socket === socket) session.unsentBytes -= bytes - ofGreeting;
  }

  /** Whether what came is no welcome, however it begins: the session is as it was. */
  refuses(socket: number, effects: Effects, count: number): boolean {
    if (!this.#greeting.has(socket)) return false;
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect?.type === "socket_close" && effect.socket === socket) return true;
    }
    return false;
  }

  hear(socket: number, clientId: string, bytes: Uint8Array): void {
    this.#leaves = null;
    const frame = readNativeFrame(bytes);
    if (frame === null) return;
    const session = this.#sessionOn(socket, clientId);
    if (session?.socket !== socket) {
      const window = readGreeting(bytes)?.window;
      if (this.role === "server" && frame.kind === KIND.hello && typeof window === "number")
        this.#greeting.set(socket, window);
      if (this.role === "agent" && frame.kind === KIND.welcome && this.#greeting.delete(socket))
        this.#welcome(clientId, socket, readGreeting(bytes)?.resumed === true, 0);
      return;
    }
    if (session.resumeAwaited) {
      if (frame.kind !== KIND.resume) return;
      session.resumeAwaited = false;
    }
    this.#judged();
    session.marks.heard(bytes);
    if (frame.kind === KIND.credit || frame.kind === KIND.resume) hearEntries(session, bytes, frame.kind);
    if (frame.kind === KIND.piece || frame.kind === KIND.reset)
      this.#hearNumbered(session, clientId, frame, bytes);
  }

  look(effects: Effects, count: number, clientIdOf: (socket: Packet["socket"]) => string | undefined): void {
    let closed: number | null = null;
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect?.type === "socket_close" || effect?.type === "socket_terminate") closed = effect.socket;
      if (effect?.type !== "socket_send_packet") continue;
      const wrong = this.#sent(effect, clientIdOf(effect.socket) ?? "");
      if (wrong !== null) this.#violate("safety", `${this.#name} ${wrong}`);
    }
    const leaves = this.#leaves;
    this.#leaves = null;
    if (leaves !== null && leaves.socket !== closed)
      this.#violate("safety", `${this.#name} goes on with an other side that ${leaves.why}`);
    // Nothing of what still comes on it is read.
    if (closed !== null) this.#lose(closed);
  }

  /** To be called last: whether something waits that may go. */
  wait(event: ServerEvent | AgentEvent, effects: Effects, count: number): void {
    this.#waits.look(event, effects, count, this.#opened);
    this.#opened = null;
    const { own, fillMs } = this.#limits;
    for (const session of this.#sessions.values()) {
      const mayGo = session.socket !== NOWHERE && !session.resumeDue && !session.resumeAwaited;
      session.hadRoom = mayGo && session.unsentBytes < own.socketBytesMax && !session.marks.holdBack;
    }
    if (event.type !== "tick") return;
    const limits = { socketBytesMax: own.socketBytesMax, fillMs };
    const sessions = this.role === "agent" ? this.#newest() : this.#sessions.values();
    const wrong = this.#waits.overdue(sessions, limits, this.#nowMs);
    if (wrong !== null) this.#violate("liveness", `${this.#name} ${wrong}`);
  }

  #sessionOn(socket: number, clientId: string): FlowSession | undefined {
    return this.#sessions.get(olderKey(socket)) ?? this.#sessions.get(clientId);
  }

  /** Two servers may give one number each: what waits is known of the newest link's alone. */
  #newest(): FlowSession[] {
    const session = this.#sessions.get("");
    return session === undefined ? [] : [session];
  }

  #lose(socket: number): void {
    this.#sessions.delete(olderKey(socket));
    for (const session of this.#sessions.values()) if (session.socket === socket) session.socket = NOWHERE;
  }

  #welcome(clientId: string, socket: number, resumed: boolean, window: number): void {
    const former = this.#sessions.get(clientId);
    const isOlder = this.role === "agent" && !resumed && former !== undefined && former.socket !== NOWHERE;
    if (isOlder) this.#sessions.set(olderKey(former.socket), former);
    if (resumed && former !== undefined) former.resumeOn(socket);
    else {
      this.#sessions.set(clientId, new FlowSession(socket, window, this.#limits.own));
      // A server numbers the exchanges of all its sessions, another server begins with the first again.
      if (this.role === "agent") this.#waits.clear();
    }
  }

  #hearNumbered(session: FlowSession, clientId: string, frame: NativeFrame, bytes: Uint8Array): void {
    let flow = session.flows.get(frame.exchange);
    // Of one that was reset an agent knows nothing any more: where the server never sent that reset, it may open it again.
    if (flow === undefined && this.role === "agent" && frame.number === 0 && frame.headAt > 0) {
      const credit = creditOf(bytes, frame.headAt);
      flow = session.begin(frame.exchange, credit, this.#limits.agentWindow, this.#nowMs);
      if (session === this.#sessions.get(clientId)) this.#opened = frame.exchange;
    }
    if (flow === undefined && frame.kind === KIND.reset) session.resetUnknown.add(frame.exchange);
    if (flow === undefined || (flow.over && frame.kind === KIND.piece)) return;
    const ahead = (frame.number - flow.received) | 0;
    // It may be forgotten by now, and then a reset is acknowledged as that of a stranger.
    if (ahead < 0 && frame.kind === KIND.reset) session.resetUnknown.add(frame.exchange);
    if (ahead < 0) return;
    if (frame.kind === KIND.reset) {
      flow.over = true;
      session.windows.ended(frame.exchange);
      flow.received += ahead + 1;
      session.flows.delete(frame.exchange);
      return;
    }
    if (ahead > 0) {
      // What is finished may be forgotten, and it may have ended the exchange and have no room to say so: then all about
      // it is dropped.
      if (flow.ended || session.unsentBytes >= this.#limits.own.socketBytesMax) return;
      this.#leaves = { socket: session.socket, why: `left out a number of exchange ${frame.exchange}` };
      return;
    }
    flow.received++;
    if (flow.ended) return;
    flow.ended = frame.last;
    if (flow.ended) session.windows.ended(frame.exchange);
    session.windows.came(frame.exchange, frame.bodyBytes);
    flow.receivedBytes += frame.bodyBytes;
    if (flow.receivedBytes > flow.receiveLimit)
      this.#leaves = { socket: session.socket, why: `went beyond its credit of exchange ${frame.exchange}` };
  }

  /** What is wrong with a packet that goes out. */
  #sent({ socket, header, body }: Packet, clientId: string): Wrong {
    let total = header.length;
    for (const part of body) total += part.length;
    const frame = readNativeFrame(header, total);
    if (frame?.kind === KIND.hello || frame?.kind === KIND.welcome) this.#greetingBytes.set(socket, total);
    if (this.role === "server" && frame?.kind === KIND.welcome) {
      const resumed = readGreeting(header)?.resumed === true;
      this.#welcome(clientId, socket, resumed, this.#greeting.get(socket) ?? 0);
      return null;
    }
    if (frame === null || frame.kind === KIND.hello) return null;
    const session = this.#sessionOn(socket, clientId);
    if (session?.socket !== socket) return this.role === "agent" ? null : "sends frames before its welcome";
    session.unsentBytes += total;
    if (frame.kind === KIND.nodes) return null;
    session.marks.sent(header, total);
    if (session.resumeDue) {
      if (frame.kind !== KIND.resume)
        return `goes on with frame ${frame.kind} before it says where it stands`;
      session.resumeDue = false;
    } else if (session.resumeAwaited) return `goes on with frame ${frame.kind} before the other side has`;
    if (frame.kind === KIND.credit || frame.kind === KIND.resume)
      return wrongEntries(session, header, frame.kind);
    if (frame.kind === KIND.piece) return this.#sentPiece(session, frame, header);
    if (frame.kind === KIND.reset) return sentReset(session, frame);
    return null;
  }

  #sentPiece(session: FlowSession, frame: NativeFrame, header: Uint8Array): Wrong {
    let flow = session.flows.get(frame.exchange);
    if (flow === undefined) {
      if (this.role === "agent") return `answers exchange ${frame.exchange}, which nobody opened`;
      if (session.opened.has(frame.exchange)) return `opens exchange ${frame.exchange} twice`;
      const creditBytes = creditOf(header, frame.headAt);
      // What waited for its way was opened beside others than those that are there now.
      const wrong = session.hadRoom ? session.windows.wrongFirst(creditBytes, this.#nowMs) : null;
      if (wrong !== null) return wrong;
      flow = session.begin(frame.exchange, session.peerWindow, creditBytes, this.#nowMs);
    }
    if (flow.again < flow.next) {
      const before = flow.sent.get(flow.again);
      const name = `frame ${flow.again} of exchange ${frame.exchange}`;
      if (frame.number !== flow.again) return `sends ${frame.number} where ${name} has to come again`;
      if (before !== frame.bytes) return `sends ${name} again with ${frame.bytes} bytes, which had ${before}`;
      flow.again++;
      return null;
    }
    if (frame.number !== flow.next)
      return `sends frame ${frame.number} of exchange ${frame.exchange} where ${flow.next} is due`;
    if (flow.finished) return `goes on with exchange ${frame.exchange} after its last frame`;
    flow.sent.set(flow.next, frame.bytes);
    flow.next++;
    flow.again = flow.next;
    flow.sentBytes += frame.bodyBytes;
    flow.finished = frame.last;
    if (flow.sentBytes <= flow.sendLimit) return null;
    return `sends ${flow.sentBytes} bytes of exchange ${frame.exchange}, which has credit for ${flow.sendLimit}`;
  }
}
