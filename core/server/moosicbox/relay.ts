/**
 * Visitor sockets: JSON messages between a visitor's WebSocket and the agent of its client id, and of no other.
 *
 * A message becomes a question with a wire id of its own. An answer to that id goes to who asked; an unasked message goes
 * to the visitor sockets it names, or to all but those it excludes, of this client id only: the original sends it to every
 * visitor socket of the server (protocol-moosicbox.md, Agent to server: text frames).
 */
import type { ServerEffect } from "../../effects.ts";
import type { FailureCode } from "../../failure.ts";
import { questionIdFrom, type SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { encodeSocketFrame, type SocketAnswer } from "../../wire/frames.ts";
import { parseJson } from "../../wire/json.ts";
import { utf8Length } from "../../wire/utf8.ts";
import { homeOf, leaveHome, liveTunnel } from "../owner/homes.ts";
import { fitsSending, sendText } from "../sockets/sending.ts";
import { endSocket, sendClose } from "../sockets/socket.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel, VisitorSocket } from "../state/tunnels.ts";
import { endPause, readUntil } from "./backpressure.ts";

export function openVisitorSocket(
  state: ServerState,
  visitor: VisitorSocket,
  out: Outbox<ServerEffect>,
): void {
  homeOf(state, visitor.clientId).visitors.add(visitor.id);
  const tunnel = liveTunnel(state, visitor.clientId);
  // A pause that began before may be a long one.
  if (tunnel !== undefined) endPause(state, tunnel, out);
}

/** Closes an open visitor socket with the failure's close code. */
export function closeVisitorSocket(
  state: ServerState,
  visitor: VisitorSocket,
  code: FailureCode,
  out: Outbox<ServerEffect>,
): void {
  if (visitor.phase !== "live") return;
  endVisitorSocket(state, visitor);
  sendClose(visitor, code, out);
}

/** The visitor is gone, or is being sent away. */
export function endVisitorSocket(state: ServerState, visitor: VisitorSocket): void {
  endSocket(state, visitor);
  leaveHome(state, visitor.clientId, visitor.id);
  for (const question of visitor.questions) state.questions.delete(question);
  visitor.questions.clear();
}

/** A visitor's message: its bytes go to the agent as they are, once they are known to be JSON. */
export function onVisitorText(
  state: ServerState,
  visitor: VisitorSocket,
  text: string,
  out: Outbox<ServerEffect>,
): void {
  const { limits, idBase } = state.config;
  if (utf8Length(text) > limits.visitorMessageBytesMax)
    return closeVisitorSocket(state, visitor, "limit_message", out);
  if (parseJson(text) === undefined) return closeVisitorSocket(state, visitor, "not_json", out);
  const tunnel = liveTunnel(state, visitor.clientId);
  // A message that nobody will read must not look delivered.
  if (tunnel === undefined) return closeVisitorSocket(state, visitor, "agent_not_connected", out);
  if (tunnel.native !== null) return closeVisitorSocket(state, visitor, "upgrade_unsupported", out);
  const question = questionIdFrom(idBase, ++state.questionsAsked);
  const frame = encodeSocketFrame({
    connectionId: idBase + visitor.id,
    requestId: question,
    body: text,
    profile: visitor.profile,
  });
  if (!fitsSending(tunnel, frame, limits.tunnelSendBytesMax)) {
    return closeVisitorSocket(state, visitor, "limit_slow_agent", out);
  }
  remember(state, visitor, question);
  sendText(tunnel, frame, out);
  readUntil(state, tunnel, state.nowMs + ANSWER_MS, out);
}

/** For this long a question keeps its tunnel from being paused. */
const ANSWER_MS = 1_000;

function remember(state: ServerState, visitor: VisitorSocket, question: number): void {
  visitor.questions.add(question);
  state.questions.set(question, visitor.id);
  if (visitor.questions.size <= state.config.limits.visitorQuestionsMax) return;
  for (const oldest of visitor.questions) {
    visitor.questions.delete(oldest);
    state.questions.delete(oldest);
    break;
  }
}

/** The agent answers a question, or says something unasked. */
export function relayAnswer(
  state: ServerState,
  tunnel: Tunnel,
  answer: SocketAnswer,
  out: Outbox<ServerEffect>,
): void {
  if (answer.requestId !== 0) {
    const asker = typeof answer.requestId === "number" ? state.questions.get(answer.requestId) : undefined;
    const visitor = asker === undefined ? undefined : visitorOf(state, tunnel, asker);
    // Not told to stop: an abort would be for an exchange. The visitor is gone, or was never this agent's.
    if (visitor === undefined) state.counters.strayPackets++;
    else sendToVisitor(state, visitor, answer.body, out);
    return;
  }
  const named = new Set(answer.to ?? answer.exclude);
  for (const id of state.homes.get(tunnel.clientId)?.visitors ?? []) {
    if (named.has(state.config.idBase + id) !== (answer.to !== null)) continue;
    const visitor = visitorOf(state, tunnel, id);
    if (visitor !== undefined) sendToVisitor(state, visitor, answer.body, out);
  }
}

/** The visitor socket of that id if it belongs to the tunnel's own client id and is open. */
function visitorOf(state: ServerState, tunnel: Tunnel, id: SocketId): VisitorSocket | undefined {
  const socket = state.sockets.get(id);
  const own = socket?.kind === "visitor" && socket.clientId === tunnel.clientId && socket.phase === "live";
  return own ? socket : undefined;
}

function sendToVisitor(
  state: ServerState,
  visitor: VisitorSocket,
  text: string,
  out: Outbox<ServerEffect>,
): void {
  if (fitsSending(visitor, text, state.config.limits.visitorSendBytesMax)) sendText(visitor, text, out);
  else closeVisitorSocket(state, visitor, "limit_slow_visitor", out);
}
