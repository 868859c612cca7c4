/**
 * Handshakes on their way in: those that the registry is asked about, and those that stand in line for that.
 *
 * A server that all agents come to in one moment begins with so many in each turn of its loop, and serves everybody else in
 * between. Who would have to wait for longer than an agent has patience is sent away at once: a late answer finds nobody.
 */
import { assert } from "../../assert.ts";
import { createPlace } from "../../lineup.ts";
import type { RegistryOperation } from "../../registry.ts";
import { enterDoor, leaveDoor } from "../registry/strangers.ts";
import type { ServerState } from "../state/server.ts";
import type { Handshake, Socket } from "../state/tunnels.ts";

/** What the registry is to be asked for a handshake. */
export type Question = {
  readonly operation: RegistryOperation;
  /** The trust that a good answer earns. */
  readonly key: string;
  /** The address of somebody who has shown nothing good lately; null for who has. */
  readonly stranger: string | null;
};

/** The way in of a socket. It stands in line, and is the first where nobody else does. */
export function joinLine(state: ServerState, socket: Socket, question: Question): void {
  assert(socket.handshake === null, "a socket comes in twice");
  const { handshakes, nowMs } = state;
  const handshake: Handshake = { socket, ...question, sinceMs: nowMs, place: createPlace() };
  socket.handshake = handshake;
  handshakes.line.join(handshake);
  if (socket.kind === "tunnel") handshakes.ofAgents.set(question.key, handshake);
  if (question.stranger === null) return;
  handshakes.strangers++;
  enterDoor(state, question.stranger);
}

/** It is its turn. Whoever takes it asks the registry. */
export function leaveLine(state: ServerState, handshake: Handshake): void {
  const { handshakes } = state;
  assert(handshake.place.stands, "a handshake leaves the line twice");
  handshakes.line.leave(handshake);
  handshakes.running++;
  handshakes.begun++;
  leaveAsStranger(state, handshake);
}

/** The socket was let in or sent away, or is gone. Does nothing where that is known already. */
export function endHandshake(state: ServerState, socket: Socket): void {
  const { handshakes } = state;
  const { handshake } = socket;
  if (handshake === null) return;
  socket.handshake = null;
  if (handshakes.ofAgents.get(handshake.key) === handshake) handshakes.ofAgents.delete(handshake.key);
  if (handshake.place.stands) {
    handshakes.line.leave(handshake);
    leaveAsStranger(state, handshake);
  } else handshakes.running--;
}

/** Whether one more can be answered while its agent is there. Strangers leave room for who was here a moment ago. */
export function hasRoomInLine({ handshakes, nowMs, config }: ServerState, stranger: string | null): boolean {
  const { line, strangers } = handshakes;
  const { handshakesMax, handshakesStrangersMax, handshakeLineMs } = config.limits;
  if (line.first !== null && nowMs - line.first.sinceMs >= handshakeLineMs) return false;
  return line.size < handshakesMax && (stranger === null || strangers < handshakesStrangersMax);
}

/** Whose turn it is now; null where nobody's is. */
export function nextInLine({ handshakes, config }: ServerState): Handshake | null {
  const { line, running, begun } = handshakes;
  const { handshakesRunningMax, handshakesPerTick } = config.limits;
  return begun < handshakesPerTick && running < handshakesRunningMax ? line.first : null;
}

/** One that has stood in line for too long, after all; null where nobody has. */
export function lateInLine(state: ServerState): Handshake | null {
  const { first } = state.handshakes.line;
  return first !== null && state.nowMs >= lateMs(state, first) ? first : null;
}

/** When the line has to be looked at; Infinity where nobody stands there. */
export function lineDeadlineMs(state: ServerState): number {
  const { line, running, begun } = state.handshakes;
  // A turn ends, or another one can begin with what is there.
  const isNext = line.first !== null && running < state.config.limits.handshakesRunningMax;
  if (begun > 0 || isNext) return state.nowMs;
  return line.first === null ? Number.POSITIVE_INFINITY : lateMs(state, line.first);
}

/** As long again as for who comes: what stood before it went on, if slowly. */
function lateMs({ config }: ServerState, { sinceMs }: Handshake): number {
  return sinceMs + 2 * config.limits.handshakeLineMs;
}

/** He stands at the door on, as a call's. */
function leaveAsStranger(state: ServerState, { stranger }: Handshake): void {
  if (stranger === null) return;
  state.handshakes.strangers--;
  leaveDoor(state, stranger);
}
