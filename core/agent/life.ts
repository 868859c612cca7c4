/**
 * The agent's way to a tunnel, and back to one after a loss.
 *
 *   waiting -> registering -> signing -> connecting -> connected -> draining -> closing -> stopped
 *
 * `begin` takes the first step that is still missing: without a client token it registers, without a signature token it
 * fetches one, else it connects. Whatever fails leads back to `waiting`, with longer and longer waits. A token that the
 * server refuses is dropped before that, which makes the next attempt fetch it anew; where that cannot help a person is
 * needed, and the agent stops and says so.
 *
 * Handles decide what an event is for. The agent has one socket at most: one that it terminated, or that was refused, is
 * forgotten at once, and what is still reported of it is ignored, as is the late answer of an API call.
 */
import { assert } from "../assert.ts";
import type { AgentEffect } from "../effects.ts";
import { failureOf } from "../failure.ts";
import { validHeader } from "../http/headers.ts";
import type { CallId, SocketId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import { below } from "../prng.ts";
import { arm, createTimer, disarm } from "../timers.ts";
import { parseJson } from "../wire/json.ts";
import { abandonAll, giveUpAll } from "./exchange.ts";
import { type AgentState, type Life, type Tunnel, tunnelOf } from "./state.ts";

/** The first wait that is not zero; it doubles from here. A server that restarts is back after a few of these. */
const RETRY_FIRST_MS = 500;

/** The closing handshake gets this long. The adapter cuts the connection a little earlier, so this is a last resort. */
const CLOSE_MS = 6_000;

const ACCESS_TOKEN_SETTING = "--access-token or TUNNEL_ACCESS_TOKEN";

/** The deadline of the current phase has passed. */
export function onLifeDeadline(state: AgentState, out: Outbox<AgentEffect>): void {
  const { life } = state;
  switch (life.phase) {
    case "waiting":
      begin(state, out);
      break;
    case "registering":
    case "signing":
      retry(state, "silent", "the server did not answer in time", out);
      break;
    case "connecting":
      out.push({ type: "socket_terminate", socket: life.socket });
      retry(state, "silent", "the handshake was not completed in time", out);
      break;
    case "draining":
      giveUpAll(state, life.tunnel, "draining", out);
      closeTunnel(state, life.tunnel, out);
      break;
    case "closing":
      out.push({ type: "socket_terminate", socket: life.socket });
      stop(state, null, out);
      break;
    default:
      assert(false, `the phase ${life.phase} has no deadline`);
  }
}

export function onApiAnswered(
  state: AgentState,
  call: CallId,
  status: number,
  body: string,
  out: Outbox<AgentEffect>,
): void {
  const phase = phaseOfCall(state, call);
  if (phase === null) return;
  if (status === 401) {
    if (phase === "registering") onAccessTokenRefused(state, out);
    else onClientTokenRefused(state, out);
    return;
  }
  const token = status === 200 ? readToken(body) : null;
  if (token === null) {
    const cause = status === 200 ? "the server's answer has no token" : `the server answered ${status}`;
    retry(state, "answers", cause, out);
    return;
  }
  if (phase === "registering") {
    const { clientId } = state.config;
    state.clientToken = token;
    out.push({ type: "state_save", clientId, clientToken: token });
    out.push({ type: "report", report: { type: "registered", clientId } });
  } else {
    state.signatureToken = token;
  }
  begin(state, out);
}

export function onApiFailed(state: AgentState, call: CallId, reason: string, out: Outbox<AgentEffect>): void {
  if (phaseOfCall(state, call) !== null) retry(state, "silent", reason, out);
}

export function onSocketOpened(state: AgentState, socket: SocketId, out: Outbox<AgentEffect>): void {
  const { life, config, nowMs } = state;
  if (life.phase !== "connecting" || life.socket !== socket) return;
  const tunnel: Tunnel = {
    socket,
    openedMs: nowMs,
    heartbeat: createTimer({ kind: "heartbeat" }),
    heardMs: nowMs,
    nextPingMs: nowMs + config.limits.pingMs,
    exchanges: new Map(),
    byWireId: new Map(),
    unsentBytes: 0,
    congested: false,
    resumedFirst: 0,
  };
  state.counters.connects++;
  enter(state, { phase: "connected", tunnel }, null);
  arm(state.timers, tunnel.heartbeat, tunnel.nextPingMs);
  out.push({ type: "report", report: { type: "connected", clientId: config.clientId } });
}

export function onSocketRefused(
  state: AgentState,
  socket: SocketId,
  status: number,
  out: Outbox<AgentEffect>,
): void {
  const { life } = state;
  if (life.phase !== "connecting" || life.socket !== socket) return;
  if (status === 401) state.signatureToken = null;
  retry(state, "answers", `the server refused the handshake with ${status}`, out);
}

export function onSocketClosed(
  state: AgentState,
  socket: SocketId,
  code: number,
  reason: string,
  out: Outbox<AgentEffect>,
): void {
  const { life } = state;
  if (life.phase === "connecting" && life.socket === socket) {
    retry(state, "silent", "the server could not be reached", out);
  } else if (life.phase === "closing" && life.socket === socket) {
    stop(state, null, out);
  } else {
    const tunnel = tunnelOf(state);
    if (tunnel !== null && tunnel.socket === socket) onTunnelLost(state, tunnel, code, reason, out);
  }
}

/** Cuts a tunnel whose server is gone, and goes on as after any other loss. */
export function dropTunnel(state: AgentState, tunnel: Tunnel, cause: string, out: Outbox<AgentEffect>): void {
  out.push({ type: "socket_terminate", socket: tunnel.socket });
  onTunnelLost(state, tunnel, 1006, cause, out);
}

export function onDrainRequested(state: AgentState, out: Outbox<AgentEffect>): void {
  const { life } = state;
  if (life.phase === "draining" || life.phase === "closing") return;
  const exchanges = life.phase === "connected" ? life.tunnel.exchanges.size : 0;
  out.push({ type: "report", report: { type: "draining", exchanges } });
  if (life.phase === "connected") {
    enter(state, { phase: "draining", tunnel: life.tunnel }, state.config.limits.drainMs);
    return;
  }
  if (life.phase === "connecting") out.push({ type: "socket_terminate", socket: life.socket });
  stop(state, null, out);
}

/** To be called after every step: closes a draining tunnel as soon as all that ran is finished and sent. */
export function settleDrain(state: AgentState, out: Outbox<AgentEffect>): void {
  const { life } = state;
  if (life.phase !== "draining") return;
  if (life.tunnel.exchanges.size === 0 && life.tunnel.unsentBytes === 0) closeTunnel(state, life.tunnel, out);
}

function begin(state: AgentState, out: Outbox<AgentEffect>): void {
  const { limits, accessToken, clientId } = state.config;
  const client = encodeURIComponent(clientId.toWellFormed());
  if (state.clientToken === null) {
    if (accessToken === null) {
      stop(state, `this agent is not registered yet: set ${ACCESS_TOKEN_SETTING}`, out);
      return;
    }
    const call = nextCall(state);
    enter(state, { phase: "registering", call }, limits.apiCallMs);
    const target = `/auth/register-client?clientId=${client}`;
    out.push({ type: "api_call", call, target, token: accessToken });
  } else if (state.signatureToken === null) {
    const call = nextCall(state);
    enter(state, { phase: "signing", call }, limits.apiCallMs);
    const target = `/auth/signature-token?clientId=${client}`;
    out.push({ type: "api_call", call, target, token: state.clientToken });
  } else {
    const socket = ++state.socketsMade as SocketId;
    enter(state, { phase: "connecting", socket }, limits.connectMs);
    const signature = encodeURIComponent(state.signatureToken.toWellFormed());
    const target = `/ws?clientId=${client}&sender=true&signature=${signature}`;
    out.push({ type: "socket_connect", socket, target });
  }
}

function onAccessTokenRefused(state: AgentState, out: Outbox<AgentEffect>): void {
  stop(state, `the server refused the access token: set ${ACCESS_TOKEN_SETTING} to the server's own`, out);
}

/** The client token was revoked, or the server's database is another one. */
function onClientTokenRefused(state: AgentState, out: Outbox<AgentEffect>): void {
  state.clientToken = null;
  const cause = "the server refused the client token";
  if (state.config.accessToken !== null) retry(state, "answers", cause, out);
  else stop(state, `${cause}: set ${ACCESS_TOKEN_SETTING} to register this agent anew`, out);
}

function onTunnelLost(
  state: AgentState,
  tunnel: Tunnel,
  code: number,
  cause: string,
  out: Outbox<AgentEffect>,
): void {
  out.push({ type: "report", report: { type: "disconnected", code, cause } });
  const wasDraining = state.life.phase === "draining";
  abandonTunnel(state, tunnel, out);
  if (wasDraining) {
    stop(state, null, out);
    return;
  }
  const { retryResetMs, retrySupersededMs } = state.config.limits;
  if (state.nowMs - tunnel.openedMs >= retryResetMs) state.failures = 0;
  if (code === failureOf("superseded").closeCode) {
    wait(state, jittered(state, retrySupersededMs), "another agent runs with this client id", out);
  } else {
    retry(state, "answers", "the tunnel was lost", out);
  }
}

function closeTunnel(state: AgentState, tunnel: Tunnel, out: Outbox<AgentEffect>): void {
  assert(tunnel.exchanges.size === 0, "a tunnel is closed while exchanges run");
  abandonTunnel(state, tunnel, out);
  enter(state, { phase: "closing", socket: tunnel.socket }, CLOSE_MS);
  out.push({ type: "socket_close", socket: tunnel.socket, code: 1000, reason: "the agent is stopping" });
}

function abandonTunnel(state: AgentState, tunnel: Tunnel, out: Outbox<AgentEffect>): void {
  disarm(state.timers, tunnel.heartbeat);
  abandonAll(state, tunnel, out);
}

/**
 * Begins anew later: at once after the first failure, since most losses are a moment's; then after waits that double up
 * to what the server's state calls for. One that answers is up and soon well again, one that is silent may be gone long.
 */
function retry(
  state: AgentState,
  server: "answers" | "silent",
  cause: string,
  out: Outbox<AgentEffect>,
): void {
  const { retryMs, retryDownMs } = state.config.limits;
  const longestMs = server === "answers" ? retryMs : retryDownMs;
  const doublings = Math.min(state.failures - 1, 30);
  const inMs =
    state.failures === 0 ? 0 : jittered(state, Math.min(longestMs, RETRY_FIRST_MS * 2 ** doublings));
  wait(state, inMs, cause, out);
}

function wait(state: AgentState, inMs: number, cause: string, out: Outbox<AgentEffect>): void {
  state.failures++;
  enter(state, { phase: "waiting" }, inMs);
  out.push({ type: "report", report: { type: "retrying", inMs, cause } });
}

/** Between the half and the whole of it, so that agents that lost one server together do not come back together. */
function jittered(state: AgentState, ms: number): number {
  return ms - below(state.jitter, Math.floor(ms / 2) + 1);
}

function stop(state: AgentState, failure: string | null, out: Outbox<AgentEffect>): void {
  enter(state, { phase: "stopped" }, null);
  out.push({ type: "stopped", failure });
}

function enter(state: AgentState, life: Life, deadlineMs: number | null): void {
  state.life = life;
  if (deadlineMs === null) disarm(state.timers, state.lifeTimer);
  else arm(state.timers, state.lifeTimer, state.nowMs + deadlineMs);
}

function nextCall(state: AgentState): CallId {
  return ++state.callsMade as CallId;
}

/** What the call is for; null where nobody waits for it any more. */
function phaseOfCall(state: AgentState, call: CallId): "registering" | "signing" | null {
  const { life } = state;
  if (life.phase !== "registering" && life.phase !== "signing") return null;
  return life.call === call ? life.phase : null;
}

/** The token of an API answer; null where there is none that a header could carry. */
function readToken(body: string): string | null {
  const answer = parseJson(body);
  if (typeof answer !== "object" || answer === null || !("token" in answer)) return null;
  const { token } = answer;
  return typeof token === "string" && token !== "" && validHeader("authorization", token) ? token : null;
}
