/**
 * Each end of the native protocol keeps its rules, seen at that end: frames are numbered without a gap and sent again only
 * after a resumption and only as they were; no body goes beyond the credit that was given; what is acknowledged has come;
 * nothing goes out before the welcome, or before the other side has said where it stands. A server opens no exchange
 * twice in a session, and a peer that leaves out a number, or goes beyond its credit, is left at once.
 */
import {
  KIND,
  type NativeFrame,
  readEntries,
  readGreeting,
  readNativeFrame,
  readRequestHead,
} from "../native-wire.ts";
import type { AgentEffect, Property, ServerEffect, Violate } from "./checker.ts";
import { socketNamedIn } from "./ledger-socket.ts";

type Packet = Extract<ServerEffect | AgentEffect, { readonly type: "socket_send_packet" }>;

/** One exchange at one end. */
type Flow = {
  /** Of each frame that was sent and is not known to have come: its length. */
  readonly sent: Map<number, number>;
  /** Numbers of the frames that are sent next for the first time, and that are sent again next. */
  next: number;
  again: number;
  sentBytes: number;
  sendLimit: number;
  /** The last of this end's frames was sent. */
  finished: boolean;
  received: number;
  receivedBytes: number;
  receiveLimit: number;
  /** The other side's last has come. */
  ended: boolean;
  /** This end has ended it, or the other has. */
  over: boolean;
};

/** One session at one end. */
class FlowSession {
  socket: number;
  /** What the other end gives each direction of an exchange at its start; the server's, from the hello. */
  readonly peerWindow: number;
  readonly flows = new Map<number, Flow>();
  /** Exchanges that were opened. */
  readonly opened = new Set<number>();
  /** Reset while they were not there: what is told of that is no news about one that is opened later, or was before. */
  readonly resetUnknown = new Set<number>();
  /** After a resumption: own resume frame and the other side's have to go first. */
  resumeDue: boolean;
  resumeAwaited: boolean;
  /** Of what it sent on its socket, what has not left yet. */
  unsentBytes = 0;

  constructor(socket: number, peerWindow: number) {
    this.socket = socket;
    this.peerWindow = peerWindow;
    this.resumeDue = false;
    this.resumeAwaited = false;
  }

  resumeOn(socket: number): void {
    this.socket = socket;
    this.unsentBytes = 0;
    this.resumeDue = true;
    this.resumeAwaited = true;
  }
}

/** No socket has that number. */
const NOWHERE = -1;

/** What is wrong, or null. */
type Wrong = string | null;

export const nativeFlow: Property = {
  name: "native_flow",
  create: (violate, judged) => {
    const servers = new Map<string, End>();
    const agents = new Map<string, End>();
    let agentWindow = 0;
    const socketBytesMax = { server: 0, agent: 0 };
    const watch = (ends: Map<string, End>, role: End["role"], name: string): End => {
      const known = ends.get(name);
      if (known !== undefined) return known;
      const limits = { agentWindow, socketBytesMax: socketBytesMax[role] };
      const end = new End(role, name, limits, violate, judged);
      ends.set(name, end);
      return end;
    };
    return {
      begun: ({ serverLimits, agentLimits }) => {
        agentWindow = agentLimits.windowBytes;
        socketBytesMax.server = serverLimits.socketBytesMax;
        socketBytesMax.agent = agentLimits.socketBytesMax;
      },
      serverStep: ({ name, ledger }, event, effects, count) => {
        const id = socketNamedIn(event);
        const socket = id === null ? undefined : ledger.sockets.get(id);
        const isNative = socket?.native === true;
        if (!isNative && ledger.natives.size === 0) return;
        const end = watch(servers, "server", name);
        if (event.type === "socket_flushed") end.flushed(event.socket, event.bytes);
        if (isNative && event.type === "socket_bytes") end.hear(event.socket, socket.clientId, event.bytes);
        end.look(effects, count, (of) => ledger.sockets.get(of)?.clientId);
      },
      agentStep: ({ name }, event, effects, count) => {
        if (event.type === "socket_opened" && event.protocol !== null)
          watch(agents, "agent", name).opens(event.socket);
        const end = agents.get(name);
        if (end === undefined) return;
        if (event.type === "socket_flushed") end.flushed(event.socket, event.bytes);
        if (event.type === "socket_bytes") end.hear(event.socket, "", event.bytes);
        end.look(effects, count, () => "");
      },
    };
  },
};

class End {
  readonly role: "server" | "agent";
  readonly #name: string;
  readonly #limits: { readonly agentWindow: number; readonly socketBytesMax: number };
  readonly #violate: Violate;
  readonly #judged: () => void;
  /** By client id; an agent has one. */
  readonly #sessions = new Map<string, FlowSession>();
  /** Sockets that are between handshake and welcome, with the window of their hello. */
  readonly #greeting = new Map<number, number>();
  /** What came in this step asks for this socket to be closed. */
  #leaves: { readonly socket: number; readonly why: string } | null = null;

  constructor(
    role: End["role"],
    name: string,
    limits: { readonly agentWindow: number; readonly socketBytesMax: number },
    violate: Violate,
    judged: () => void,
  ) {
    this.role = role;
    this.#name = name;
    this.#limits = limits;
    this.#violate = violate;
    this.#judged = judged;
  }

  opens(socket: number): void {
    this.#greeting.set(socket, 0);
  }

  flushed(socket: number, bytes: number): void {
    for (const session of this.#sessions.values())
      if (session.socket === socket) session.unsentBytes -= bytes;
  }

  hear(socket: number, clientId: string, bytes: Uint8Array): void {
    this.#leaves = null;
    const frame = readNativeFrame(bytes);
    if (frame === null) return;
    const session = this.#sessions.get(clientId);
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
    if (frame.kind === KIND.credit || frame.kind === KIND.resume) hearEntries(session, bytes, frame.kind);
    if (frame.kind === KIND.piece || frame.kind === KIND.reset) this.#hearNumbered(session, frame, bytes);
  }

  look(
    effects: readonly (ServerEffect | AgentEffect | undefined)[],
    count: number,
    clientIdOf: (socket: Packet["socket"]) => string | undefined,
  ): void {
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

  #lose(socket: number): void {
    for (const session of this.#sessions.values()) if (session.socket === socket) session.socket = NOWHERE;
  }

  #welcome(clientId: string, socket: number, resumed: boolean, window: number): void {
    const former = this.#sessions.get(clientId);
    if (resumed && former !== undefined) former.resumeOn(socket);
    else this.#sessions.set(clientId, new FlowSession(socket, window));
  }

  #hearNumbered(session: FlowSession, frame: NativeFrame, bytes: Uint8Array): void {
    let flow = session.flows.get(frame.exchange);
    if (flow === undefined && this.role === "agent" && frame.number === 0 && frame.headAt > 0) {
      const head = readRequestHead(bytes, frame.headAt);
      if (!session.opened.has(frame.exchange)) {
        flow = newFlow(head.creditBytes, this.#limits.agentWindow);
        session.flows.set(frame.exchange, flow);
        session.opened.add(frame.exchange);
      }
    }
    if (flow === undefined && frame.kind === KIND.reset) session.resetUnknown.add(frame.exchange);
    if (flow === undefined || (flow.over && frame.kind === KIND.piece)) return;
    const ahead = (frame.number - flow.received) | 0;
    // It may be forgotten by now, and then a reset is acknowledged as that of a stranger.
    if (ahead < 0 && frame.kind === KIND.reset) session.resetUnknown.add(frame.exchange);
    if (ahead < 0) return;
    if (frame.kind === KIND.reset) {
      flow.over = true;
      flow.received += ahead + 1;
      session.flows.delete(frame.exchange);
      return;
    }
    if (ahead > 0) {
      // What is finished may be forgotten, and it may have ended the exchange and have no room to say so: then all about
      // it is dropped.
      if (flow.ended || session.unsentBytes >= this.#limits.socketBytesMax) return;
      this.#leaves = { socket: session.socket, why: `left out a number of exchange ${frame.exchange}` };
      return;
    }
    flow.received++;
    if (flow.ended) return;
    flow.ended = frame.last;
    flow.receivedBytes += frame.bodyBytes;
    if (flow.receivedBytes > flow.receiveLimit)
      this.#leaves = { socket: session.socket, why: `went beyond its credit of exchange ${frame.exchange}` };
  }

  /** What is wrong with a packet that goes out. */
  #sent({ socket, header, body }: Packet, clientId: string): Wrong {
    let total = header.length;
    for (const part of body) total += part.length;
    const frame = readNativeFrame(header, total);
    if (this.role === "server" && frame?.kind === KIND.welcome) {
      const resumed = readGreeting(header)?.resumed === true;
      this.#welcome(clientId, socket, resumed, this.#greeting.get(socket) ?? 0);
      return null;
    }
    if (frame === null || frame.kind === KIND.hello) return null;
    const session = this.#sessions.get(clientId);
    if (session?.socket !== socket) return this.role === "agent" ? null : "sends frames before its welcome";
    session.unsentBytes += total;
    if (session.resumeDue) {
      if (frame.kind !== KIND.resume)
        return `goes on with frame ${frame.kind} before it says where it stands`;
      session.resumeDue = false;
    } else if (session.resumeAwaited) return `goes on with frame ${frame.kind} before the other side has`;
    if (frame.kind === KIND.credit || frame.kind === KIND.resume) return wrongEntries(session, header);
    if (frame.kind === KIND.piece) return this.#sentPiece(session, frame, header);
    if (frame.kind === KIND.reset) return sentReset(session, frame);
    return null;
  }

  #sentPiece(session: FlowSession, frame: NativeFrame, header: Uint8Array): Wrong {
    let flow = session.flows.get(frame.exchange);
    if (flow === undefined) {
      if (this.role === "agent") return `answers exchange ${frame.exchange}, which nobody opened`;
      if (session.opened.has(frame.exchange)) return `opens exchange ${frame.exchange} twice`;
      flow = newFlow(session.peerWindow, readRequestHead(header, frame.headAt).creditBytes);
      session.flows.set(frame.exchange, flow);
      session.opened.add(frame.exchange);
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

function newFlow(sendLimit: number, receiveLimit: number): Flow {
  return {
    sent: new Map(),
    next: 0,
    again: 0,
    sentBytes: 0,
    sendLimit,
    finished: false,
    received: 0,
    receivedBytes: 0,
    receiveLimit,
    ended: false,
    over: false,
  };
}

/** The other side's word on how far it is, and how far this end may go. */
function hearEntries(session: FlowSession, bytes: Uint8Array, kind: number): void {
  const named = new Set<number>();
  for (const { exchange, received, limit } of readEntries(bytes)) {
    const flow = session.flows.get(exchange);
    if (flow === undefined) continue;
    named.add(exchange);
    for (let number = received - 1; flow.sent.delete(number); ) number--;
    flow.sendLimit = Math.max(flow.sendLimit, limit);
    // What was acknowledged once is gone, even where the other side says now that it never came.
    const held = flow.sent.keys().next().value ?? flow.next;
    if (kind === KIND.resume) flow.again = Math.min(flow.next, Math.max(received, held));
    else flow.again = Math.max(flow.again, Math.min(received, flow.next));
  }
  if (kind !== KIND.resume) return;
  for (const [exchange, flow] of session.flows) if (!named.has(exchange)) flow.again = 0;
}

function wrongEntries(session: FlowSession, bytes: Uint8Array): Wrong {
  for (const { exchange, received, limit } of readEntries(bytes)) {
    const flow = session.flows.get(exchange);
    if (flow === undefined) continue;
    if (!session.resetUnknown.has(exchange)) {
      if (received > flow.received)
        return `acknowledges ${received} frames of exchange ${exchange}, of which ${flow.received} came`;
      if (limit < flow.receiveLimit && !flow.over) return `takes credit back for exchange ${exchange}`;
    }
    flow.receiveLimit = Math.max(flow.receiveLimit, limit);
  }
  return null;
}

function sentReset(session: FlowSession, frame: NativeFrame): Wrong {
  const flow = session.flows.get(frame.exchange);
  if (flow === undefined) return null;
  flow.over = true;
  flow.finished = true;
  flow.next = frame.number + 1;
  flow.again = flow.next;
  return null;
}
