/** What the server says of the agent's tokens: its answers to the calls for them, and to a handshake that shows one. */
import type { AgentEffect } from "../../effects.ts";
import type { AgentEvent, ConnectFault } from "../../events.ts";
import { failureOf } from "../../failure.ts";
import { validHeader } from "../../http/headers.ts";
import type { CallId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { parseJson } from "../../wire/json.ts";
import type { AgentState, Link } from "../state.ts";
import { begin, REGISTER_SETTINGS } from "./begin.ts";
import { beContent, linkOn, onMet } from "./links.ts";
import { isMeeting, isOwnRefusal, isVersionRefusal, refusalReason, waitAsked } from "./refusal.ts";
import { failToConnect, retry, stop } from "./retry.ts";
import { answerTrouble, PLAIN, type Trouble, troubleOf } from "./trouble.ts";

export function onApiAnswered(
  state: AgentState,
  answer: Extract<AgentEvent, { readonly type: "api_answered" }>,
  out: Outbox<AgentEffect>,
): void {
  const { call, status, body } = answer;
  const link = linkOfCall(state, call);
  if (link === null) return;
  const { phase } = link.life;
  if (status === 401) {
    if (phase === "registering") onRegistrationRefused(state, out);
    else onClientTokenRefused(state, link, out);
    return;
  }
  if (status === failureOf("already_registered").status && phase === "registering") {
    onAlreadyRegistered(state, link, out);
    return;
  }
  const token = status === 200 ? readToken(body) : null;
  if (token === null) {
    onApiRefused(state, link, answer, out);
    return;
  }
  if (phase === "registering") {
    const { clientId } = state.config;
    state.clientToken = token;
    state.refusedToken = null;
    out.push({ type: "state_save", clientId, clientToken: token });
    out.push({ type: "report", report: { type: "registered", clientId } });
  } else {
    state.signatureToken = token;
  }
  begin(state, link, out);
}

export function onApiFailed(
  state: AgentState,
  call: CallId,
  fault: ConnectFault,
  out: Outbox<AgentEffect>,
): void {
  const link = linkOfCall(state, call);
  if (link !== null) failToConnect(state, link, troubleOf(fault), out);
}

/** Whoever answers a call for a token without one. */
function onApiRefused(state: AgentState, link: Link, answer: Answer, out: Outbox<AgentEffect>): void {
  const { status, body } = answer;
  const reason = refusalReason(state, body);
  const cause = `the server answered ${status}${reason === null ? "" : `: ${reason}`}`;
  failToConnect(state, link, refusalTrouble(answer, reason, cause), out);
}

type Answer = Pick<
  Extract<AgentEvent, { readonly type: "socket_refused" }>,
  "status" | "body" | "retryAfter"
>;

function refusalTrouble({ status, body, retryAfter }: Answer, reason: string | null, cause: string): Trouble {
  const trouble = answerTrouble(status, body, reason) ?? { ...PLAIN, cause, server: "answers" };
  return { ...trouble, afterMs: waitAsked(body, retryAfter) };
}

export function onSocketRefused(
  state: AgentState,
  answer: Extract<AgentEvent, { readonly type: "socket_refused" }>,
  out: Outbox<AgentEffect>,
): void {
  const { socket, status, body } = answer;
  const link = linkOn(state, socket);
  if (link?.life.phase !== "connecting") return;
  if (isMeeting(body)) {
    onMet(state, link, out);
    return;
  }
  const reason = refusalReason(state, body);
  const cause = `the server refused the handshake with ${status}${reason === null ? "" : `: ${reason}`}`;
  // A link that does not lead ends nothing: if its server is right, the one that leads will hear it too.
  if (link !== state.links[0] && (status === 401 || isVersionRefusal(status, reason))) {
    beContent(state, link, cause, out);
    return;
  }
  if (isVersionRefusal(status, reason)) {
    stop(state, cause, out);
    return;
  }
  if (status === 401) {
    // A signature that has expired, or one that a server does not take which took it as nobody else was there.
    const showedSignature = state.signatureToken !== null;
    state.signatureToken = null;
    if (!showedSignature && isOwnRefusal(body)) {
      onClientTokenRefused(state, link, out);
      return;
    }
    state.showsSignature = !showedSignature && mayShowSignature(state);
  }
  failToConnect(state, link, refusalTrouble(answer, reason, cause), out);
}

/** Who opens the home to others would find it closed: a signature cannot say who may visit. */
function mayShowSignature({ config }: AgentState): boolean {
  return config.protocol !== "native" && config.access === "token";
}

function onRegistrationRefused(state: AgentState, out: Outbox<AgentEffect>): void {
  const { invite } = state.config;
  const cause =
    invite === null
      ? "the server refused the access token"
      : "the server refused the invite, which is good once";
  stop(state, `${cause}: ${REGISTER_SETTINGS}`, out);
}

/** The client token was revoked, or the server's database is another one. */
function onClientTokenRefused(state: AgentState, link: Link, out: Outbox<AgentEffect>): void {
  state.refusedToken = state.clientToken;
  state.clientToken = null;
  const cause = "the server refused the client token";
  const { accessToken, invite } = state.config;
  if (accessToken !== null || invite !== null) retry(state, link, "answers", cause, out);
  else stop(state, `${cause}: to register this agent anew, ${REGISTER_SETTINGS}`, out);
}

/** The operator's token does not register it again. Its own may have been refused by mistake, and is good for another try. */
function onAlreadyRegistered(state: AgentState, link: Link, out: Outbox<AgentEffect>): void {
  const cause = `the client id is registered already: ${NEEDS_INVITE}`;
  if (state.refusedToken === null) {
    stop(state, cause, out);
    return;
  }
  state.clientToken = state.refusedToken;
  state.refusedToken = null;
  retry(state, link, "answers", cause, out);
}

const NEEDS_INVITE = "start its agent with an invite, which the server's operator makes (culvert invite)";

/** The link that waits for the call; null where nobody does any more. */
function linkOfCall({ links }: AgentState, call: CallId): Link | null {
  const isFor = ({ life }: Link) => {
    return (life.phase === "registering" || life.phase === "signing") && life.call === call;
  };
  return links.find(isFor) ?? null;
}

/** The token of an API answer; null where there is none that a header could carry. */
function readToken(body: string): string | null {
  const answer = parseJson(body);
  if (typeof answer !== "object" || answer === null || !("token" in answer)) return null;
  const { token } = answer;
  return typeof token === "string" && token !== "" && validHeader("authorization", token) ? token : null;
}
