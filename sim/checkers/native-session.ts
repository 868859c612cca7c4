/** What is known of a native session at one of its ends, by what that end sends and hears: how far each exchange is. */
import type { SessionLimits } from "../../core/session/limits.ts";
import { KIND, type NativeFrame, readEntries } from "../wire/native.ts";
import { Marks } from "./marks.ts";
import { Windows } from "./native-windows.ts";

/** One exchange at one end. */
export type Flow = {
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
  /** The other side did not name it when it came back: it is done with, or begins anew. */
  forgotten: boolean;
};

/** One session at one end. */
export class FlowSession {
  socket: number;
  /** What the other end gives each direction of an exchange at its start; the server's, from the hello. */
  readonly peerWindow: number;
  readonly flows = new Map<number, Flow>();
  readonly windows: Windows;
  /** Exchanges that were opened. */
  readonly opened = new Set<number>();
  /** Reset while they were not there: what is told of that is no news about one that is opened later, or was before. */
  readonly resetUnknown = new Set<number>();
  /** After a resumption: own resume frame and the other side's have to go first. */
  resumeDue: boolean;
  resumeAwaited: boolean;
  /** Of what it sent on its socket, what has not left yet. */
  unsentBytes = 0;
  readonly marks = new Marks();
  /** All that could go out had gone at the end of the last step: what begins to go out was opened in this one. */
  hadRoom = false;

  constructor(socket: number, peerWindow: number, limits: SessionLimits) {
    this.socket = socket;
    this.windows = new Windows(limits);
    this.peerWindow = peerWindow;
    this.resumeDue = false;
    this.resumeAwaited = false;
  }

  begin(exchange: number, sendLimit: number, receiveLimit: number, nowMs: number): Flow {
    const flow = newFlow(sendLimit, receiveLimit);
    this.flows.set(exchange, flow);
    this.opened.add(exchange);
    this.windows.opened(exchange, receiveLimit, nowMs);
    return flow;
  }

  resumeOn(socket: number): void {
    this.socket = socket;
    this.unsentBytes = 0;
    this.marks.clear();
    this.resumeDue = true;
    this.resumeAwaited = true;
  }
}

/** No socket has that number. */
export const NOWHERE = -1;

/** What is wrong, or null. */
export type Wrong = string | null;

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
    forgotten: false,
  };
}

/** The other side's word on how far it is, and how far this end may go. */
export function hearEntries(session: FlowSession, bytes: Uint8Array, kind: number): void {
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
  for (const [exchange, flow] of session.flows) {
    if (named.has(exchange)) continue;
    flow.again = 0;
    flow.forgotten = true;
    session.windows.forgotten(exchange);
  }
}

export function wrongEntries(session: FlowSession, bytes: Uint8Array, kind: number): Wrong {
  for (const { exchange, received, limit } of readEntries(bytes)) {
    const flow = session.flows.get(exchange);
    if (flow === undefined) continue;
    if (!session.resetUnknown.has(exchange)) {
      if (received > flow.received)
        return `acknowledges ${received} frames of exchange ${exchange}, of which ${flow.received} came`;
      if (limit < flow.receiveLimit && !flow.over) return `takes credit back for exchange ${exchange}`;
    }
    flow.receiveLimit = Math.max(flow.receiveLimit, limit);
    session.windows.told(exchange, limit - flow.receivedBytes);
  }
  // Where it says how far it is, it has not yet said which exchanges it has ended.
  return kind === KIND.resume ? null : session.windows.wrongGrowth();
}

export function sentReset(session: FlowSession, frame: NativeFrame): Wrong {
  const flow = session.flows.get(frame.exchange);
  if (flow === undefined) return null;
  session.windows.ended(frame.exchange);
  flow.over = true;
  flow.finished = true;
  flow.next = frame.number + 1;
  flow.again = flow.next;
  return null;
}
