/** What must hold between any two steps of the agent. For tests and the simulator: it walks everything. */
import { assert } from "../assert.ts";
import type { SocketId } from "../ids.ts";
import { checkSession } from "../session/check.ts";
import { isArmed, type Timer } from "../timers.ts";
import {
  type AgentSession,
  type AgentState,
  type Carried,
  type Exchange,
  type Link,
  type MoosicBoxCarried,
  type MoosicBoxTunnel,
  type NativeCarried,
  type TimerOwner,
  tunnelOf,
} from "./state.ts";

/** Throws an `InvariantError` that names what is broken. */
export function checkAgent(state: AgentState): void {
  const { timers, counters, exchanges, links, olderLinks } = state;
  let owned = 0;
  let carried = 0;
  for (const link of links) {
    owned += checkLink(state, link);
    carried += carriedOn(link);
  }
  const [{ life }] = links;
  const isLed = life.phase === "connected" || links.every((link) => link.life.phase !== "connected");
  assert(isLed, "a link that is not connected leads one that is");
  for (const older of olderLinks) {
    assert(isArmed(older.heartbeat), "an older link has no heartbeat");
    const isOne = links.some((link) => link.session === older.session || tunnelOf(link) === older);
    assert(!isOne, "a link is one of the agent's and an older one");
    owned += inHeap(state, older.heartbeat) + checkAgentSession(state, older.session, older.socket);
    carried += older.session.byStream.size;
  }
  const isOver = life.phase === "closing" || life.phase === "stopped";
  assert(olderLinks.length === 0 || !isOver, "a link outlives its agent");
  assert(
    links.length === 1 || (!isOver && life.phase !== "draining"),
    "an agent that stops has several links",
  );
  assert(exchanges.size <= state.config.limits.exchangesMax, "more exchanges live than are allowed");
  // Each exchange below finds its own record, so with as many there is no other.
  assert(exchanges.size === carried, "a carrier has a record of an exchange that is over");
  exchanges.forEach((exchange) => {
    owned += checkExchange(state, exchange);
  });
  // All that must be armed are in the heap, so with as many there is nothing else in it.
  assert(timers.heap.length === owned, "a timer has no live owner");
  const ended =
    counters.exchangesCompleted +
    counters.exchangesFailed +
    counters.exchangesAborted +
    counters.exchangesLost;
  assert(
    counters.exchangesStarted === ended + exchanges.size,
    "the counters do not add up to the live exchanges",
  );
}

/** Counts the timers of the link that must be armed, and those that may be, and are. */
function checkLink(state: AgentState, link: Link): number {
  const { life, lifeTimer, session } = link;
  const tunnel = tunnelOf(link);
  const waits = life.phase !== "connected" && life.phase !== "stopped";
  assert(isArmed(lifeTimer) === waits, "the deadline of a phase is missing, or has no owner");
  assert(
    session === null || tunnel?.protocol !== "moosicbox",
    "a session waits although the server has none",
  );
  assert(session !== null || tunnel?.protocol !== "native", "a native tunnel has no session");
  assert(session === null || life.phase !== "stopped", "a session outlives its agent");
  let owned = waits ? inHeap(state, lifeTimer) : 0;
  if (tunnel !== null) {
    assert(isArmed(tunnel.heartbeat), "a tunnel has no heartbeat");
    owned += inHeap(state, tunnel.heartbeat);
  }
  if (tunnel?.protocol === "moosicbox") {
    assert(link === state.links[0], "a link besides the first speaks a protocol of one tunnel");
    checkMoosicBoxTunnel(state, tunnel);
  }
  if (session === null) return owned;
  const attached = tunnel?.protocol === "native" && tunnel.session === session ? tunnel.socket : null;
  return owned + checkAgentSession(state, session, attached);
}

function carriedOn(link: Link): number {
  const tunnel = tunnelOf(link);
  const whole = tunnel?.protocol === "moosicbox" ? tunnel.byWireId.size : 0;
  return whole + (link.session?.byStream.size ?? 0);
}

function checkMoosicBoxTunnel({ config }: AgentState, { unsentBytes, congested }: MoosicBoxTunnel): void {
  const { sendBytesHigh, sendBytesLow } = config.limits;
  assert(unsentBytes >= 0, "more bytes were flushed than were sent");
  assert(congested || unsentBytes <= sendBytesHigh, "a full tunnel is not congested");
  assert(!congested || unsentBytes > sendBytesLow, "a drained tunnel is still congested");
}

/** Counts the timers of the session that must be armed, and those that may be, and are. */
function checkAgentSession(state: AgentState, session: AgentSession, attached: SocketId | null): number {
  const { wire, graceTimer, pumpTimer } = session;
  checkSession(wire);
  assert(wire.socket === attached, "a session sends where its tunnel is not");
  assert(isArmed(graceTimer) === (attached === null), "a session without a tunnel waits for ever");
  assert(!isArmed(pumpTimer) || attached !== null, "a session is to send without a tunnel");
  assert(wire.relieved.length === 0, "a paused origin was not told to go on");
  assert(session.fed === null, "an origin's pace was not looked at");
  return (
    (isArmed(graceTimer) ? inHeap(state, graceTimer) : 0) +
    (isArmed(pumpTimer) ? inHeap(state, pumpTimer) : 0)
  );
}

/** Counts the timers of the exchange that must be armed, and those that may be, and are. */
function checkExchange(state: AgentState, exchange: Exchange): number {
  const { id, carried, originTimer, headed, upgraded, unflushedBytes } = exchange;
  const { fillTimer } = carried;
  assert(carried.exchange === id, "an exchange has the record of another");
  assert(isArmed(originTimer), "an exchange has no deadline");
  assert(headed || !isArmed(fillTimer), "a timer waits for nothing");
  assert(headed || !upgraded, "a request is upgraded without an answer");
  assert(unflushedBytes >= 0, "an origin took more bytes than it was sent");
  checkCarried(state, carried, headed);
  return inHeap(state, originTimer) + (isArmed(fillTimer) ? inHeap(state, fillTimer) : 0);
}

function checkCarried(state: AgentState, carried: Carried, headed: boolean): void {
  if (carried.protocol === "native") checkNative(state, carried, headed);
  else checkMoosicBox(state, carried, headed);
}

function checkMoosicBox(state: AgentState, carried: MoosicBoxCarried, headed: boolean): void {
  const { tunnel, wireId, paused, fillTimer, firstHeader, held, heldBytes, packetsSent } = carried;
  assert(tunnel === tunnelOf(state.links[0]), "an exchange outlives its tunnel");
  assert(tunnel.byWireId.get(wireId) === carried, "an exchange is not found by its wire id");
  assert(paused === (headed && tunnel.congested), "an origin is paused for nothing, or not paused");
  let bytes = 0;
  for (const part of held) bytes += part.length;
  assert(bytes === heldBytes, "held bytes are miscounted");
  assert(heldBytes <= state.config.limits.packetBytesMax, "more is held than fits a packet");
  const holds = firstHeader !== null || heldBytes > 0;
  assert(isArmed(fillTimer) === holds, "something is held without end, or a timer waits for nothing");
  assert(headed === (firstHeader !== null || packetsSent > 0), "an origin's head is neither held nor sent");
}

function checkNative(state: AgentState, carried: NativeCarried, headed: boolean): void {
  const { session, stream } = carried;
  const isLive =
    state.links.some((link) => link.session === session) ||
    state.olderLinks.some((link) => link.session === session);
  assert(isLive, "an exchange outlives its session");
  assert(session.byStream.get(stream.id) === carried, "an exchange is not found by its stream");
  assert(session.wire.streams.get(stream.id) === stream, "an origin works for a stream that is gone");
  assert(stream.send.headed === headed, "an origin's head is neither queued nor sent");
  assert(
    stream.sourcePaused || stream.send.queuedBytes <= state.config.limits.queueBytesMax,
    "a full exchange is not paused",
  );
}

/** One, for a timer that is where it says it is. */
function inHeap({ timers }: AgentState, timer: Timer<TimerOwner>): number {
  assert(timers.heap[timer.index] === timer, "a timer is armed outside the heap");
  return 1;
}
