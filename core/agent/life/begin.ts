/** The next step towards a tunnel: what is asked for, and what is shown. */
import type { AgentEffect } from "../../effects.ts";
import type { HeaderList } from "../../http/headers.ts";
import type { CallId, SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { encodeHello, NATIVE_PROTOCOL } from "../../wire/native.ts";
import type { AgentState, Link } from "../state.ts";
import { linkedNodes } from "./links.ts";
import { enter } from "./phase.ts";
import { stop } from "./retry.ts";

export const REGISTER_SETTINGS =
  "set --access-token or TUNNEL_ACCESS_TOKEN to the server's own, or --invite or CULVERT_INVITE to an invite";

/** Takes the first step that is still missing. */
export function begin(state: AgentState, link: Link, out: Outbox<AgentEffect>): void {
  const { limits, accessToken, invite, clientId } = state.config;
  const client = encodeURIComponent(clientId.toWellFormed());
  if (state.clientToken === null) {
    const token = invite ?? accessToken;
    if (token === null) {
      stop(state, `this agent is not registered yet: ${REGISTER_SETTINGS}`, out);
      return;
    }
    const call = nextCall(state);
    enter(state, link, { phase: "registering", call }, limits.apiCallMs);
    out.push({ type: "api_call", call, target: `/auth/register-client?clientId=${client}`, token });
  } else if (state.showsSignature && state.signatureToken === null) {
    const call = nextCall(state);
    enter(state, link, { phase: "signing", call }, limits.apiCallMs);
    const target = `/auth/signature-token?clientId=${client}`;
    out.push({ type: "api_call", call, target, token: state.clientToken });
  } else {
    const socket = ++state.socketsMade as SocketId;
    enter(state, link, { phase: "connecting", socket }, limits.connectMs);
    out.push({ type: "socket_connect", socket, ...handshakeOf(state, client, state.clientToken) });
  }
}

/** In a field the token stands in no log of a proxy, and is shown to a server that knows what it is for. */
function handshakeOf(
  state: AgentState,
  client: string,
  clientToken: string,
): { readonly target: string; readonly headers: HeaderList; readonly protocols: readonly string[] } {
  const { config, signatureToken } = state;
  const protocols = config.protocol === "moosicbox" ? [] : [NATIVE_PROTOCOL];
  const target = `/ws?clientId=${client}&sender=true`;
  if (signatureToken !== null) {
    const signature = encodeURIComponent(signatureToken.toWellFormed());
    return { target: `${target}&signature=${signature}`, headers: [], protocols };
  }
  const access = config.access === "token" ? [] : ["culvert-access", config.access];
  const instance = protocols.length === 0 ? [] : ["culvert-instance", config.instance];
  const nodes = linkedNodes(state);
  const linked = nodes.length === 0 ? [] : ["culvert-linked", nodes.join(", ")];
  return {
    target,
    headers: ["authorization", `Bearer ${clientToken}`, ...access, ...instance, ...linked],
    protocols,
  };
}

/** Asks for the session that there was, or for a new one. */
export function greet(state: AgentState, link: Link, socket: SocketId, out: Outbox<AgentEffect>): void {
  const { windowBytes, helloMs } = state.config.limits;
  const ticket = link.session?.ticket ?? null;
  const links = state.config.links > 1 ? ({ links: true } as const) : {};
  const header = encodeHello({ windowBytes, ticket, host: state.config.hostname, ...links });
  enter(state, link, { phase: "greeting", socket, ticket, helloUnsentBytes: header.length }, helloMs);
  out.push({ type: "socket_send_packet", socket, header, body: [] });
}

function nextCall(state: AgentState): CallId {
  return ++state.callsMade as CallId;
}
