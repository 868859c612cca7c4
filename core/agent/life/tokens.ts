/** The server's answers to the calls for tokens: the two steps of the way to a tunnel that come before the handshake. */
import type { AgentEffect } from "../../effects.ts";
import { validHeader } from "../../http/headers.ts";
import type { CallId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { parseJson } from "../../wire/json.ts";
import type { AgentState } from "../state.ts";
import { ACCESS_TOKEN_SETTING, begin, retry, stop } from "./life.ts";

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
