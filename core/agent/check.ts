/** What must hold between any two steps of the agent. For tests and the simulator: it walks everything. */
import { assert } from "../assert.ts";
import { isArmed, type Timer } from "../timers.ts";
import { type AgentState, type Exchange, type TimerOwner, type Tunnel, tunnelOf } from "./state.ts";

/** Throws an `InvariantError` that names what is broken. */
export function checkAgent(state: AgentState): void {
  const { life, lifeTimer, timers, counters } = state;
  const tunnel = tunnelOf(state);
  const waits = life.phase !== "connected" && life.phase !== "stopped";
  assert(isArmed(lifeTimer) === waits, "the deadline of a phase is missing, or has no owner");
  const owned = (waits ? inHeap(state, lifeTimer) : 0) + (tunnel === null ? 0 : checkTunnel(state, tunnel));
  // All that must be armed are in the heap, so with as many there is nothing else in it.
  assert(timers.heap.length === owned, "a timer has no live owner");
  const ended =
    counters.exchangesCompleted +
    counters.exchangesFailed +
    counters.exchangesAborted +
    counters.exchangesLost;
  const live = tunnel?.exchanges.size ?? 0;
  assert(counters.exchangesStarted === ended + live, "the counters do not add up to the live exchanges");
}

/** Counts the timers of the tunnel that must be armed, and are. */
function checkTunnel(state: AgentState, tunnel: Tunnel): number {
  const { exchangesMax, sendBytesHigh, sendBytesLow } = state.config.limits;
  const { unsentBytes, congested, exchanges, byWireId } = tunnel;
  assert(isArmed(tunnel.heartbeat), "a tunnel has no heartbeat");
  let owned = inHeap(state, tunnel.heartbeat);
  assert(unsentBytes >= 0, "more bytes were flushed than were sent");
  assert(congested || unsentBytes <= sendBytesHigh, "a full tunnel is not congested");
  assert(!congested || unsentBytes > sendBytesLow, "a drained tunnel is still congested");
  assert(exchanges.size <= exchangesMax, "more exchanges live than are allowed");
  assert(exchanges.size === byWireId.size, "the two tables of exchanges differ");
  for (const exchange of exchanges.values()) {
    assert(byWireId.get(exchange.wireId) === exchange, "an exchange is not found by its wire id");
    assert(
      exchange.paused === (exchange.headed && congested),
      "an origin is paused for nothing, or not paused",
    );
    owned += checkExchange(state, exchange);
  }
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

/** One, for a timer that is where it says it is. */
function inHeap({ timers }: AgentState, timer: Timer<TimerOwner>): number {
  assert(timers.heap[timer.index] === timer, "a timer is armed outside the heap");
  return 1;
}
