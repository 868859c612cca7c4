/**
 * An agent is back in its bound: it tries again within a moment after it lost a tunnel that had lasted, and never later than the
 * limit for what it met; an attempt that gets no answer is given up in time. Nor does it hammer: it waits a little after
 * two failures in a row, longer where another agent took over, and for as long as a server asks that does not leave. Where its server says that it leaves, or has left then, tries
 * are short for a while.
 */
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import type { AgentLimits } from "../../core/limits.ts";
import type { Property } from "../record/checker.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import { KIND, NATIVE_HEADER_BYTES, readGreeting } from "../wire/native.ts";
import { homeOfLinks } from "./of-one-link.ts";

const SUPERSEDED = 4001;
const PROTOCOL_ERROR = 1002;
/** A tunnel that went on with a session is a success after this. */
const RESUMED_RESET_MS = 500;
/** The first wait is no longer, */
const RETURN_MS_MAX = 200;
/** and no other is shorter. */
const WAIT_MS_MIN = 100;
/** While a server is replaced. */
const MOVES_MS = 15_000;
const MOVE_WAIT_MS_MIN = 50;
const MOVE_WAIT_MS_MAX = 1_000;

type Way = {
  /** The next attempt has begun by then, or the present one has come to something. */
  dueMs: number;
  /** And does not begin before. */
  notBeforeMs: number;
  /** Attempts in a row that led to no lasting tunnel. */
  failures: number;
  socket: number | null;
  call: number | null;
  /** It is given up then. */
  callDueMs: number;
  openedMs: number | null;
  /** The socket is open, and the welcome of the native protocol is still to come. */
  greets: boolean;
  /** The tunnel goes on with the session of the one before. */
  resumed: boolean;
  /** Until then another server is expected in place of one that leaves. */
  movesUntilMs: number;
  /** What that was before the last welcome. */
  movedUntilMs: number;
  /** Sockets whose server leaves. */
  readonly older: Set<number>;
  /** It is being stopped, or was set up in a way that makes it give up. */
  stops: boolean;
};

export const returnsInTime: Property = {
  name: "returns_in_time",
  create: (violate, judged) => {
    let limits: AgentLimits | null = null;
    let homes: readonly HomeSpec[] = [];
    const ways = new Map<string, Way>();
    return {
      begun: ({ agentLimits, scenario }) => {
        limits = agentLimits;
        homes = scenario.homes;
      },
      agentStep: ({ name, nowMs }, event, effects, count) => {
        if (limits === null) return;
        if (homeOfLinks(homes, name) !== null) return;
        const way =
          ways.get(name) ??
          newWay(
            nowMs,
            homes.some((home) => isMisfit(home) && isAgentOf(home, name)),
          );
        ways.set(name, way);
        hear(way, event, nowMs, limits);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect === undefined) continue;
          const begins = effect.type === "socket_connect" || effect.type === "api_call";
          if (begins && nowMs < way.notBeforeMs)
            violate("safety", `${name} tries again ${way.notBeforeMs - nowMs} ms before it should`);
          note(way, effect, nowMs, limits);
        }
        if (event.type !== "tick" || way.stops) return;
        judged();
        if (nowMs < way.dueMs) return;
        violate(
          "liveness",
          `${name} has no tunnel and does nothing for one, ${nowMs - way.dueMs} ms after it should`,
        );
      },
    };
  },
};

/** An expired token is replaced by whoever may register; all the others need a person. */
function isMisfit({ misfit }: HomeSpec): boolean {
  return misfit !== undefined && misfit !== "expired_client";
}

function isAgentOf({ clientId }: HomeSpec, name: string): boolean {
  return name.startsWith(`agent:${clientId}`);
}

function newWay(nowMs: number, stops: boolean): Way {
  return {
    dueMs: nowMs,
    notBeforeMs: nowMs,
    failures: 0,
    socket: null,
    call: null,
    callDueMs: 0,
    openedMs: null,
    greets: false,
    resumed: false,
    movesUntilMs: Number.NEGATIVE_INFINITY,
    movedUntilMs: Number.NEGATIVE_INFINITY,
    older: new Set(),
    stops,
  };
}

function hear(way: Way, event: AgentEvent, nowMs: number, limits: AgentLimits): void {
  switch (event.type) {
    case "tick":
      if (way.call === null || nowMs < way.callDueMs) break;
      way.call = null;
      fail(way, nowMs, limits.retryDownMs);
      break;
    case "drain_requested":
      way.stops = true;
      break;
    case "socket_opened":
      if (event.socket !== way.socket) break;
      way.greets = event.protocol !== null;
      if (way.greets) way.dueMs = nowMs + limits.helloMs;
      else up(way, nowMs);
      break;
    // On a socket of the native protocol the tunnel is up with the welcome.
    case "socket_bytes":
      if (event.socket !== way.socket) break;
      if (!way.greets) {
        if (way.openedMs !== null && isDrain(event.bytes)) moveOn(way, event.socket, nowMs);
        break;
      }
      greeted(way, event.bytes, nowMs);
      break;
    case "socket_refused":
      if (event.socket !== way.socket) break;
      way.socket = null;
      fail(way, nowMs, limits.retryMs);
      heed(way, event, nowMs, limits);
      break;
    case "socket_closed":
      if (event.socket === way.socket) lose(way, event.code, nowMs, limits);
      else loseOlder(way, event.socket, nowMs);
      break;
    // A late answer, of a call that was given up, changes nothing.
    case "api_answered":
    case "api_failed":
      if (event.call !== way.call) break;
      way.call = null;
      if (event.type === "api_answered" && hasToken(event.body)) way.dueMs = nowMs;
      else {
        fail(way, nowMs, limits.retryDownMs);
        if (event.type === "api_answered") heed(way, event, nowMs, limits);
      }
      break;
    default:
  }
}

/** The answer may ask for a longer wait, which is followed up to a limit, and by no two agents in the same instant. */
function heed(
  way: Way,
  { body, retryAfter }: { readonly body: string; readonly retryAfter?: string | undefined },
  nowMs: number,
  { retryDownMs }: AgentLimits,
): void {
  if (retryAfter === undefined || body.includes('"code":"draining"')) return;
  const askedMs = Math.min(1_000 * Number(retryAfter), retryDownMs);
  way.notBeforeMs = Math.max(way.notBeforeMs, nowMs + askedMs);
  way.dueMs = Math.max(way.dueMs, nowMs + Math.floor(1.5 * askedMs));
}

/** Nonsense that looks like one ends the connection. */
function isDrain(bytes: Uint8Array): boolean {
  return bytes[0] === KIND.drain && bytes.length === NATIVE_HEADER_BYTES;
}

function moveOn(way: Way, socket: number, nowMs: number): void {
  way.older.add(socket);
  way.socket = null;
  way.openedMs = null;
  way.failures = 0;
  way.movesUntilMs = nowMs + MOVES_MS;
  way.dueMs = nowMs + MOVE_WAIT_MS_MAX;
  way.notBeforeMs = nowMs;
}

/** Where it has no other tunnel, the one that is expected may be there now. */
function loseOlder(way: Way, socket: number, nowMs: number): void {
  if (!way.older.delete(socket) || way.movesUntilMs === Number.NEGATIVE_INFINITY) return;
  way.failures = Math.min(way.failures, 1);
  way.movesUntilMs = nowMs + MOVES_MS;
  const isWaiting = way.socket === null && way.call === null;
  if (!isWaiting) return;
  way.dueMs = Math.min(way.dueMs, nowMs + MOVE_WAIT_MS_MAX);
  way.notBeforeMs = Math.min(way.notBeforeMs, nowMs);
}

function greeted(way: Way, bytes: Uint8Array, nowMs: number): void {
  const { movesUntilMs } = way;
  up(way, nowMs);
  way.movedUntilMs = movesUntilMs;
  way.resumed = bytes[0] === KIND.welcome && readGreeting(bytes)?.resumed === true;
}

function up(way: Way, nowMs: number): void {
  way.movesUntilMs = Number.NEGATIVE_INFINITY;
  way.resumed = false;
  way.greets = false;
  way.openedMs = nowMs;
  way.dueMs = Number.POSITIVE_INFINITY;
}

/** A portal in between may answer with a token that is empty, or with one that no header can carry. */
function hasToken(body: string): boolean {
  return USABLE_TOKEN.test(body);
}

/** A backslash is an escape in JSON, and no token that a server makes has one. */
const USABLE_TOKEN = /^\{"token":"[\x21\x23-\x5b\x5d-\x7e]+"/;

function note(way: Way, effect: AgentEffect, nowMs: number, limits: AgentLimits): void {
  if (effect.type === "socket_terminate" && effect.socket === way.socket) lose(way, 1006, nowMs, limits);
  if (effect.type === "socket_terminate" || effect.type === "socket_close")
    loseOlder(way, effect.socket, nowMs);
  if (effect.type === "socket_close" && effect.code === PROTOCOL_ERROR && effect.socket === way.socket) {
    // Nonsense in place of the welcome: whoever was to move is still to.
    if (way.openedMs === nowMs) way.movesUntilMs = way.movedUntilMs;
    lose(way, effect.code, nowMs, limits);
  }
  if (effect.type === "api_call") {
    way.call = effect.call;
    way.callDueMs = nowMs + limits.apiCallMs;
    way.dueMs = way.callDueMs + limits.retryDownMs;
  }
  if (effect.type !== "socket_connect") return;
  way.call = null;
  way.socket = effect.socket;
  way.openedMs = null;
  way.greets = false;
  way.dueMs = nowMs + limits.connectMs;
}

function lose(way: Way, code: number, nowMs: number, limits: AgentLimits): void {
  const { openedMs } = way;
  way.socket = null;
  way.openedMs = null;
  const lastsMs = way.resumed ? Math.min(RESUMED_RESET_MS, limits.retryResetMs) : limits.retryResetMs;
  if (openedMs !== null && nowMs - openedMs >= lastsMs) way.failures = 0;
  if (openedMs === null) fail(way, nowMs, limits.retryDownMs);
  else if (code === SUPERSEDED) {
    fail(way, nowMs, limits.retrySupersededMs);
    way.dueMs = nowMs + limits.retrySupersededMs;
    way.notBeforeMs = nowMs + Math.floor(limits.retrySupersededMs / 2);
  } else fail(way, nowMs, limits.retryMs);
}

/** The next attempt comes within a moment after the first failure, and then after a wait of at most that long. */
function fail(way: Way, nowMs: number, waitMsMax: number): void {
  if (nowMs < way.movesUntilMs) {
    way.dueMs = nowMs + MOVE_WAIT_MS_MAX;
    way.notBeforeMs = nowMs + MOVE_WAIT_MS_MIN;
    way.failures++;
    return;
  }
  way.dueMs = nowMs + (way.failures === 0 ? RETURN_MS_MAX : waitMsMax);
  way.notBeforeMs = nowMs + (way.failures === 0 ? 0 : WAIT_MS_MIN);
  way.failures++;
}
