/**
 * Gives frames to the socket: first what is about the session and its exchanges, then pieces by turns for as long as the
 * link has room (`pace.ts`) and the socket. The socket never holds more than `socketBytesMax` and one frame of pieces, so that
 * whatever comes next does not wait long.
 */
import { assert } from "../assert.ts";
import { dequeue } from "../queue.ts";
import { arm, disarm, isArmed, type Timer, type Timers } from "../timers.ts";
import {
  CREDIT_ENTRY_BYTES,
  FRAME,
  FRAME_HEADER_BYTES,
  PING_BYTES,
  writeFrameHeader,
  writeU32,
  writeU48,
} from "../wire/native.ts";
import { passTime } from "./budget.ts";
import { formReset, nextFrame } from "./frames.ts";
import { arrive, give, isUnmarked, mark, mayGive, starve, wantsMark } from "./pace.ts";
import { queueRoom } from "./room.ts";
import { endTurn, takeTurn } from "./schedule.ts";
import type { PacketOutbox, ReceiveHalf, Session, Stream } from "./state.ts";

/** To be called at the end of each step that touched the session, when `pumpDueMs` has come and after a flush. */
export function pump(session: Session, nowMs: number, out: PacketOutbox): void {
  if (session.socket === null) return;
  const { pace } = session;
  passTime(session, nowMs);
  arrive(pace, session.ponged, nowMs);
  if (session.resumeDue) sendResume(session, out);
  if (session.resumeAwaited) return;
  if (!isClogged(session)) sendControl(session, nowMs, out);
  while (session.unsentBytes < session.limits.socketBytesMax && mayGive(pace)) {
    const stream = takeTurn(session);
    if (stream === undefined) {
      starve(pace);
      break;
    }
    const frame = nextFrame(session, stream);
    send(session, out, frame.header, frame.body, frame.bytes);
    endTurn(session, stream, frame.bytes);
    relieve(session, stream);
    give(pace, frame.bytes, nowMs);
    if (wantsMark(pace) && !isClogged(session)) sendPing(session, nowMs, out);
  }
  // Where the limit fell, what is under way may be less than what a mark waits for.
  if (!mayGive(pace) && isUnmarked(pace) && !isClogged(session)) sendPing(session, nowMs, out);
}

/**
 * Pumps, and keeps the owner's timer at the time when it has to be done again by itself. The timer is armed anew only where
 * that time has changed: most steps leave it.
 */
export function pumpAndArm<O>(
  session: Session,
  timers: Timers<O>,
  timer: Timer<O>,
  nowMs: number,
  out: PacketOutbox,
): void {
  pump(session, nowMs, out);
  const dueMs = pumpDueMs(session);
  if (dueMs === Number.POSITIVE_INFINITY) disarm(timers, timer);
  else if (!isArmed(timer) || timer.atMs !== dueMs) arm(timers, timer, dueMs);
}

/** `bytes` that were ordered on the session's socket have left. */
export function onSessionFlushed(session: Session, bytes: number): void {
  // The owner's hello or welcome went the same way and was never counted here.
  session.unsentBytes = Math.max(0, session.unsentBytes - bytes);
}

/** When `pump` has to be called although nothing happens; Infinity where that is never. */
export function pumpDueMs(session: Session): number {
  const canTell = session.socket !== null && !session.resumeAwaited && !isClogged(session);
  return canTell && session.tells.length > 0 ? session.tellDueMs : Number.POSITIVE_INFINITY;
}

/** A courtesy acknowledgement waits for so many others at most. */
const TELLS_TOGETHER = 64;
/** 64 KiB in a frame. */
const ENTRIES_MAX = 4_096;

const NOTHING: readonly Uint8Array[] = [];

/** Whether the socket is so full that even what overtakes pieces has to wait: the other side does not read. */
function isClogged(session: Session): boolean {
  return session.unsentBytes >= 2 * session.limits.socketBytesMax;
}

function send(
  session: Session,
  out: PacketOutbox,
  header: Uint8Array,
  body: readonly Uint8Array[],
  bytes: number,
): void {
  assert(session.socket !== null, "a frame has no socket to go to");
  session.unsentBytes += bytes;
  out.push({ type: "socket_send_packet", socket: session.socket, header, body });
}

function sendFrame(session: Session, out: PacketOutbox, bytes: Uint8Array): void {
  send(session, out, bytes, NOTHING, bytes.length);
}

function sendControl(session: Session, nowMs: number, out: PacketOutbox): void {
  if (session.drainDue) {
    session.drainDue = false;
    sendFrame(session, out, frameOf(FRAME.drain, 0));
  }
  if (session.movedDue) {
    session.movedDue = false;
    sendFrame(session, out, frameOf(FRAME.moved, 0));
  }
  if (session.pong !== null) {
    const pong = frameOf(FRAME.pong, PING_BYTES);
    pong.set(session.pong, FRAME_HEADER_BYTES);
    session.pong = null;
    sendFrame(session, out, pong);
  }
  for (let stream = dequeue(session.resets); stream !== undefined; stream = dequeue(session.resets)) {
    // Both sides may have ended it at once.
    if (stream.phase === "reset") sendFrame(session, out, formReset(stream));
  }
  if (session.tells.length > 0) sendTells(session, nowMs, out);
  if (session.pingDue) {
    session.pingDue = false;
    session.pongAwaited = true;
    sendPing(session, nowMs, out);
    session.roundPing = session.pings;
  }
}

/** Marks what is under way. */
function sendPing(session: Session, nowMs: number, out: PacketOutbox): void {
  session.pings++;
  const ping = frameOf(FRAME.ping, PING_BYTES);
  writeU48(ping, FRAME_HEADER_BYTES + PING_BYTES - 6, session.pings);
  sendFrame(session, out, ping);
  mark(session.pace, session.pings, nowMs);
}

function sendTells(session: Session, nowMs: number, out: PacketOutbox): void {
  if (session.tellDueMs === Number.POSITIVE_INFINITY) session.tellDueMs = nowMs + session.limits.ackDelayMs;
  const isDue = session.tellNow || nowMs >= session.tellDueMs || session.tells.length >= TELLS_TOGETHER;
  if (!isDue) return;
  for (let from = 0; from < session.tells.length; from += ENTRIES_MAX) {
    const end = Math.min(from + ENTRIES_MAX, session.tells.length);
    sendFrame(session, out, entriesFrame(FRAME.credit, session.tells, from, end));
  }
  clearTells(session);
}

/** Everything that has to be told is told. */
export function clearTells(session: Session): void {
  for (const receive of session.tells) receive.tellQueued = false;
  session.tells.length = 0;
  session.tellNow = false;
  session.tellDueMs = Number.POSITIVE_INFINITY;
}

/** Tells where each exchange stands, and with that all that waited to be told. */
function sendResume(session: Session, out: PacketOutbox): void {
  session.resumeDue = false;
  const halves: ReceiveHalf[] = [];
  for (const stream of session.streams.values()) {
    // What never went out is no exchange yet.
    if (session.role === "agent" || stream.send.next > 0) halves.push(stream.receive);
  }
  sendFrame(session, out, entriesFrame(FRAME.resume, halves, 0, halves.length));
  clearTells(session);
}

function entriesFrame(kind: number, halves: readonly ReceiveHalf[], from: number, end: number): Uint8Array {
  const bytes = frameOf(kind, (end - from) * CREDIT_ENTRY_BYTES);
  let at = FRAME_HEADER_BYTES;
  for (let index = from; index < end; index++) {
    const receive = halves[index];
    assert(receive !== undefined, "an entry has nothing to tell");
    writeU48(bytes, at, receive.id);
    writeU32(bytes, at + 6, receive.received);
    writeU48(bytes, at + 10, receive.limit);
    receive.toldFrames = receive.received;
    receive.toldBytes = receive.receivedBytes;
    receive.toldLimit = receive.limit;
    at += CREDIT_ENTRY_BYTES;
  }
  return bytes;
}

/** A frame that is about no single exchange, its payload to be filled in. */
function frameOf(kind: number, payloadBytes: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payloadBytes);
  writeFrameHeader(bytes, kind, 0, 0, 0);
  return bytes;
}

function relieve(session: Session, stream: Stream): void {
  if (!stream.sourcePaused || stream.send.queuedBytes * 2 > queueRoom(session)) return;
  stream.sourcePaused = false;
  session.relieved.push(stream);
}
