/** What a server says about a handshake that it refuses, made fit for a log line. */
import type { FailureCode } from "../../failure.ts";
import { parseJson } from "../../wire/json.ts";
import type { AgentState } from "../state.ts";

const REASON_LENGTH_MAX = 200;

/**
 * The `detail` of a problem document (RFC 9457), at most 200 printable characters; null where the body has none. An answer
 * that repeats a token of ours, as an error page that quotes the target would, has none either.
 */
export function refusalReason(state: AgentState, body: string): string | null {
  const problem = parseJson(body);
  if (typeof problem !== "object" || problem === null || !("detail" in problem)) return null;
  const { detail } = problem;
  if (typeof detail !== "string") return null;
  for (const secret of secretsOf(state)) {
    if (
      secret !== null &&
      (detail.includes(secret) || detail.includes(encodeURIComponent(secret.toWellFormed())))
    )
      return null;
  }
  const reason = detail.replace(NOT_PRINTABLE, "").slice(0, REASON_LENGTH_MAX);
  return reason === "" ? null : reason;
}

function secretsOf({
  signatureToken,
  clientToken,
  refusedToken,
  config,
}: AgentState): readonly (string | null)[] {
  return [signatureToken, clientToken, refusedToken, config.accessToken, config.invite];
}

/** Whether a Culvert server says that the token is not good: MoosicBox's own, and whoever stands in the way, say it otherwise. */
export function isOwnRefusal(body: string): boolean {
  return hasCode(body, "unauthorized");
}

/**
 * For how long a server, or who stands before it, wants to be left alone, in milliseconds; 0 where it does not say so in seconds
 * (RFC 9110 section 10.2.3): a date would take a clock that agrees with its own. One that leaves speaks for itself alone, and
 * another one may be there any moment.
 */
export function waitAsked(body: string, retryAfter: string | undefined): number {
  if (retryAfter === undefined || !SECONDS.test(retryAfter) || hasCode(body, "draining")) return 0;
  return Number(retryAfter) * 1_000;
}

/** Whether the node has a tunnel of this agent already. */
export function isMeeting(body: string): boolean {
  return hasCode(body, "already_linked");
}

const SECONDS = /^\d{1,9}$/;

function hasCode(body: string, code: FailureCode): boolean {
  const problem = parseJson(body);
  return typeof problem === "object" && problem !== null && "code" in problem && problem.code === code;
}

/** Whether the server refused every version that it was offered: asking again does not help, another version may. */
export function isVersionRefusal(status: number, reason: string | null): boolean {
  return status === 400 && reason !== null && VERSION.test(reason);
}

const NOT_PRINTABLE = /[^\x20-\x7e]/g;
const VERSION = /culvert\.\d/;
