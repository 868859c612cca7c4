/** What comes after an attempt that led to no tunnel: the next one, or the end. */
import type { AgentEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { below } from "../../prng.ts";
import type { AgentState, Link } from "../state.ts";
import { dropOthers } from "./links.ts";
import { closeOlderLinks } from "./older-links.ts";
import { enter, jittered } from "./phase.ts";
import { failureText, type Hint, levelOf, NO_HINT, type Trouble } from "./trouble.ts";
import { loseRunning } from "./tunnel.ts";

/**
 * Most losses are a moment's, so the first try comes soon; but all agents of a server that was killed lose it in one instant,
 * and would all be at its successor's door in another.
 */
export const RETURN_MS = 200;

/** The wait after that; it doubles from here. A server that is started again at once is back after two or three of these. */
const RETRY_FIRST_MS = 250;

/**
 * While a server is replaced the next one is there already, or in a moment, and tries are short. They grow, lest all agents of a
 * server that does not come keep its successor busy with them, and not far: where both have one port, each try finds either of
 * them, and requests wait for the home for some seconds only.
 */
export const MOVE_FIRST_MS = 100;
const MOVE_LONGEST_MS = 500;
/**
 * Begins anew later: within a moment after the first failure, then after waits that double up to what the server's state
 * calls for. One that answers is up and soon well again, one that is silent may be gone long.
 */
export function retry(
  state: AgentState,
  link: Link,
  server: "answers" | "silent",
  cause: string,
  out: Outbox<AgentEffect>,
  hint: Hint = NO_HINT,
): void {
  const { retryMs, retryDownMs } = state.config.limits;
  // Who asks for more would have the home away for longer than a server that says nothing.
  const afterMs = Math.min(hint.afterMs, retryDownMs);
  const askedMs = afterMs === 0 ? 0 : afterMs + below(state.jitter, Math.floor(afterMs / 2) + 1);
  if (state.nowMs < link.movesUntilMs) {
    wait(state, link, Math.max(movingMs(state, link), askedMs), cause, out, { ...hint, isTold: true });
    return;
  }
  const longestMs = server === "answers" ? retryMs : retryDownMs;
  const doublings = Math.min(link.failures - 1, 30);
  const inMs =
    link.failures === 0
      ? below(state.jitter, RETURN_MS + 1)
      : jittered(state, Math.min(longestMs, RETRY_FIRST_MS * 2 ** doublings));
  wait(state, link, Math.max(inMs, askedMs), cause, out, hint);
}

/** Each wait is half as long again as the one before it. */
function movingMs(state: AgentState, { failures }: Link): number {
  return jittered(state, Math.min(MOVE_LONGEST_MS, MOVE_FIRST_MS * 1.5 ** Math.min(failures, 30)));
}

/** Tries again after what kept the agent from an answer, or ends where that cannot help and is not wanted. */
export function failToConnect(
  state: AgentState,
  link: Link,
  trouble: Trouble,
  out: Outbox<AgentEffect>,
): void {
  const { cause, server, isLasting } = trouble;
  if (isLasting && state.config.exitOnError && state.counters.connects === 0)
    stop(state, failureText(trouble), out);
  else retry(state, link, server, cause, out, trouble);
}

/** Another agent has the home: two that take it from each other serve nobody. */
export function waitSuperseded(state: AgentState, link: Link, out: Outbox<AgentEffect>): void {
  const inMs = jittered(state, state.config.limits.retrySupersededMs);
  wait(state, link, inMs, "another agent runs with this client id", out);
}

function wait(
  state: AgentState,
  link: Link,
  inMs: number,
  cause: string,
  out: Outbox<AgentEffect>,
  { next, detail, isTold }: Hint = NO_HINT,
): void {
  link.failures++;
  enter(state, link, { phase: "waiting" }, inMs);
  // What keeps a link from its server is no trouble while the home has another.
  const level = isTold || link !== state.links[0] ? "info" : levelOf(state, cause);
  out.push({ type: "report", report: { type: "retrying", inMs, cause, next, detail, level } });
}

/** The agent has come to its end; with a failure, a person has to do something about it. */
export function stop(state: AgentState, failure: string | null, out: Outbox<AgentEffect>): void {
  const [link] = state.links;
  dropOthers(state, link, "the agent is stopping", out);
  loseRunning(state, link, out);
  closeOlderLinks(state, "the agent is stopping", out);
  enter(state, link, { phase: "stopped" }, null);
  out.push({ type: "stopped", failure });
}
