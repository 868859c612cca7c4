/** What must hold between any two steps of the agent. For tests and the simulator: it walks everything. */
import { assert } from "../assert.ts";
import { checkSession } from "../session/check.ts";
import { isArmed, type Timer } from "../timers.ts";
import {
  type AgentSession,
  type AgentState,
  type Exchange,
  type MoosicBoxTunnel,
  type NativeExchange,
  type TimerOwner,
  tunnelOf,
} from "./state.ts";

/** Throws an `InvariantError` that names what is broken. */
export function checkAgent(state: AgentState): void {
  const { life, lifeTimer, timers, counters, session } = state;
  const tunnel = tunnelOf(state);
  const waits = life.phase !== "connected" && life.phase !== "stopped";
  assert(isArmed(lifeTimer) === waits, "the deadline of a phase is missing, or has no owner");
  let owned = waits ? inHeap(state, lifeTimer) : 0;
  let live = session?.exchanges.size ?? 0;
  if (tunnel !== null) {
    assert(isArmed(tunnel.heartbeat), "a tunnel has no heartbeat");
    owned += inHeap(state, tunnel.heartbeat);
  }
  if (tunnel?.protocol === "moosicbox") {
    owned += checkMoosicBoxTunnel(state, tunnel);
    live += tunnel.exchanges.size;
  }
  if (session !== null) owned += checkAgentSession(state, session);
  assert(
    session === null || tunnel?.protocol !== "moosicbox",
    "a session waits although the server has none",
  );
  assert(session !== null || tunnel?.protocol !== "native", "a native tunnel has no session");
  assert(session === null || life.phase !== "stopped", "a session outlives its agent");
  // All that must be armed are in the heap, so with as many there is nothing else in it.
  assert(timers.heap.length === owned, "a timer has no live owner");
  const ended =
    counters.exchangesCompleted +
    counters.exchangesFailed +
    counters.exchangesAborted +
    counters.exchangesLost;
  assert(counters.exchangesStarted === ended + live, "the counters do not add up to the live exchanges");
}

/** Counts the timers of the tunnel's exchanges that must be armed, and are. */
function checkMoosicBoxTunnel(state: AgentState, tunnel: MoosicBoxTunnel): number {
  const { exchangesMax, sendBytesHigh, sendBytesLow } = state.config.limits;
  const { unsentBytes, congested, exchanges, byWireId } = tunnel;
  let owned = 0;
  assert(unsentBytes >= 0, "more bytes were flushed than were sent");
  assert(congested || unsentBytes <= sendBytesHigh, "a full tunnel is not congested");
  assert(!congested || unsentBytes > sendBytesLow, "a drained tunnel is still congested");
  assert(exchanges.size <= exchangesMax, "more exchanges live than are allowed");
  assert(exchanges.size === byWireId.size, "the two tables of exchanges differ");
  exchanges.forEach((exchange) => {
    assert(byWireId.get(exchange.wireId) === exchange, "an exchange is not found by its wire id");
    assert(
      exchange.paused === (exchange.headed && congested),
      "an origin is paused for nothing, or not paused",
    );
    owned += checkExchange(state, exchange);
  });
  return owned;
}

function checkExchange(state: AgentState, exchange: Exchange): number {
  const { originTimer, fillTimer, firstHeader, heldBytes, packetsSent, headed } = exchange;
  assert(isArmed(originTimer), "an exchange has no deadline");
  let bytes = 0;
  for (const part of exchange.held) bytes += part.length;
  assert(bytes === heldBytes, "held bytes are miscounted");
  assert(heldBytes <= state.config.limits.packetBytesMax, "more is held than fits a packet");
  const holds = firstHeader !== null || heldBytes > 0;
  assert(isArmed(fillTimer) === holds, "something is held without end, or a timer waits for nothing");
  assert(headed === (firstHeader !== null || packetsSent > 0), "an origin's head is neither held nor sent");
  return inHeap(state, originTimer) + (holds ? inHeap(state, fillTimer) : 0);
}

/** Counts the timers of the session that must be armed, and those that may be, and are. */
function checkAgentSession(state: AgentState, session: AgentSession): number {
  const { wire, graceTimer, pumpTimer, exchanges, byStream } = session;
  checkSession(wire);
  const tunnel = tunnelOf(state);
  const attached = tunnel?.protocol === "native" && tunnel.session === session ? tunnel.socket : null;
  assert(wire.socket === attached, "a session sends where its tunnel is not");
  assert(isArmed(graceTimer) === (attached === null), "a session without a tunnel waits for ever");
  assert(!isArmed(pumpTimer) || attached !== null, "a session is to send without a tunnel");
  assert(wire.relieved.length === 0, "a paused origin was not told to go on");
  assert(session.fed === null, "an origin's pace was not looked at");
  assert(exchanges.size <= state.config.limits.exchangesMax, "more exchanges live than are allowed");
  assert(exchanges.size === byStream.size, "the two tables of exchanges differ");
  let owned = isArmed(graceTimer) ? inHeap(state, graceTimer) : 0;
  if (isArmed(pumpTimer)) owned += inHeap(state, pumpTimer);
  exchanges.forEach((exchange) => {
    owned += checkNativeExchange(state, session, exchange);
  });
  return owned;
}

function checkNativeExchange(state: AgentState, session: AgentSession, exchange: NativeExchange): number {
  const { stream, originTimer, fillTimer, headed, upgraded, unflushedBytes } = exchange;
  const { queueBytesMax } = state.config.limits;
  assert(session.byStream.get(stream.id) === exchange, "an exchange is not found by its stream");
  assert(session.wire.streams.get(stream.id) === stream, "an origin works for a stream that is gone");
  assert(isArmed(originTimer), "an exchange has no deadline");
  assert(headed || !isArmed(fillTimer), "a timer waits for nothing");
  assert(headed || !upgraded, "a request is upgraded without an answer");
  assert(unflushedBytes >= 0, "an origin took more bytes than it was sent");
  assert(stream.sourcePaused || stream.send.queuedBytes <= queueBytesMax, "a full exchange is not paused");
  return inHeap(state, originTimer) + (isArmed(fillTimer) ? inHeap(state, fillTimer) : 0);
}

/** One, for a timer that is where it says it is. */
function inHeap({ timers }: AgentState, timer: Timer<TimerOwner>): number {
  assert(timers.heap[timer.index] === timer, "a timer is armed outside the heap");
  return 1;
}
