/**
 * The end of what a token had opened. Of one that is deleted everything ends: tunnels with their sessions, so that no ticket
 * leads back to them, visitor sockets, requests, and the trust in it. One that has expired ends all of these but for tunnels that
 * a signature opened: a signature is an agent's knock on the door, and says nothing of how long he may stay.
 */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import type { HeldToken } from "../../registry.ts";
import { isLetIn, isServed, tokenName } from "../owner/tokens-in-use.ts";
import type { CallResult } from "../registry/calls.ts";
import { forgetToken } from "../registry/trust.ts";
import type { ServerState } from "../state/server.ts";
import type { Socket } from "../state/tunnels.ts";
import { giveUpExchange } from "../visitor/exchange.ts";
import { dismissSocket, giveUpSession } from "./close.ts";

/** The registry's word on the tokens in use. */
export function onTokensChecked(
  state: ServerState,
  tokens: readonly HeldToken[],
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type !== "tokens_checked") return;
  const gone = namesOf(tokens, result.gone);
  const expired = namesOf(tokens, result.expired);
  const isGone = (token: HeldToken | null) => token !== null && gone.has(tokenName(token));
  const isOver = (token: HeldToken | null) =>
    token !== null && (isGone(token) || expired.has(tokenName(token)));
  const isOverForHome = (token: HeldToken | null) =>
    isGone(token) || (token?.kind !== "signature" && isOver(token));
  const ended = tokens.filter(isOver);
  if (ended.length === 0) return;
  for (const token of ended) forgetToken(state, token);
  for (const exchange of [...state.exchanges.values()]) {
    if (isServed(exchange) && isOver(exchange.token)) giveUpExchange(state, exchange, "revoked", out);
  }
  // One that a tunnel carries ends with that.
  for (const session of [...state.sessions.values()]) {
    if (session.tunnel === null && isOverForHome(session.token)) giveUpSession(state, session, out);
  }
  const sockets = [...state.sockets.values()].filter(
    (socket) =>
      isLetIn(socket) && (socket.kind === "tunnel" ? isOverForHome(socket.token) : isOver(socket.token)),
  );
  // Those that stand by go first, so that none of them takes the place of one that goes.
  for (const socket of sockets) if (!isHomes(state, socket)) dismissSocket(state, socket, "revoked", out);
  for (const socket of sockets) dismissSocket(state, socket, "revoked", out);
}

function namesOf(tokens: readonly HeldToken[], places: readonly number[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const place of places) {
    const token = tokens[place];
    if (token !== undefined) names.add(tokenName(token));
  }
  return names;
}

/** Whether the requests of its home go through it. */
function isHomes(state: ServerState, { id, clientId }: Socket): boolean {
  return state.homes.get(clientId)?.tunnel === id;
}
