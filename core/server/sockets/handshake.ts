/** A WebSocket handshake that is not a visitor's with a home: whose it is, and whether the registry is asked about its token. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { UpgradeRequested } from "../../events.ts";
import { corsHeaders } from "../../http/cors.ts";
import { headerValue } from "../../http/headers.ts";
import { IdTable } from "../../id-table.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { createTimer } from "../../timers.ts";
import { NATIVE_PROTOCOL } from "../../wire/native.ts";
import { callRegistry } from "../registry/calls.ts";
import { type SocketRoute, socketRouteOf } from "../routing/route.ts";
import type { ServerState } from "../state/server.ts";
import type { SocketPhase, Tunnel, VisitorSocket } from "../state/tunnels.ts";
import { refuseSocket } from "./socket.ts";

const UNKNOWN_VERSION = `The native protocol is spoken as ${NATIVE_PROTOCOL} here, and no other version of it.`;

export function onUpgradeRequested(
  state: ServerState,
  event: UpgradeRequested,
  out: Outbox<ServerEffect>,
): void {
  assert(!state.sockets.has(event.socket), "a socket was opened twice");
  const route = socketRouteOf(event.target, event.headers, state.config);
  if (route.type === "forward") {
    out.push({ type: "upgrade_forward", socket: event.socket });
    return;
  }
  const clientId = route.type === "failure" ? "" : route.clientId;
  const socket =
    route.type === "tunnel"
      ? createTunnel(state, event.socket, route)
      : createVisitorSocket(state, event.socket, clientId, route.type === "failure" ? null : route.profile);
  state.sockets.set(socket.id, socket);
  if (socket.kind === "tunnel") state.tunnels++;
  else state.visitorSockets++;
  const { limits } = state.config;
  const origin = headerValue(event.headers, "origin");
  if (state.drainPhase !== "none") return refuseSocket(socket, "draining", undefined, out);
  if (route.type === "failure") return refuseSocket(socket, route.code, route.detail, out);
  if (state.tunnels > limits.tunnelsMax) return refuseSocket(socket, "limit_tunnels", undefined, out);
  if (state.visitorSockets > limits.visitorSocketsMax) {
    return refuseSocket(socket, "limit_visitor_sockets", undefined, out);
  }
  // A page of an origin that may not read responses may not hold a socket either: browsers send no preflight for one.
  if (origin !== undefined && corsHeaders(origin, state.config.corsOrigins).length === 0) {
    return refuseSocket(socket, "unauthorized", undefined, out);
  }
  if (route.token === null) return refuseSocket(socket, "unauthorized", undefined, out);
  if (route.type === "tunnel" && socket.kind === "tunnel" && socket.native === null) {
    const unknown = route.protocols.some((each) => each.startsWith("culvert."));
    if (unknown) return refuseSocket(socket, "bad_request", UNKNOWN_VERSION, out);
  }
  const asked = callRegistry(
    state,
    { type: "check_token", kind: "signature", tokenHash: state.config.sha256(route.token), clientId },
    { type: "authorize_socket", socket: socket.id },
    limits.registryTunnelMs,
    out,
  );
  if (!asked) refuseSocket(socket, "limit_registry_calls", undefined, out);
}

function createTunnel(
  state: ServerState,
  id: SocketId,
  { clientId, access, protocols }: Extract<SocketRoute, { readonly type: "tunnel" }>,
): Tunnel {
  const isNative = protocols.includes(NATIVE_PROTOCOL);
  return {
    kind: "tunnel",
    ...socketBase(state, id, clientId),
    fence: 0,
    access,
    native: isNative
      ? { hello: createTimer({ kind: "hello", socket: id }), ticket: null, session: null }
      : null,
    claimed: false,
    exchanges: new IdTable(),
    slow: new Set(),
    pause: createTimer({ kind: "pause", socket: id }),
    paused: false,
    readUntilMs: 0,
    aborted: new Map(),
  };
}

function createVisitorSocket(
  state: ServerState,
  id: SocketId,
  clientId: string,
  profile: string | null,
): VisitorSocket {
  return { kind: "visitor", ...socketBase(state, id, clientId), profile, questions: new Set() };
}

function socketBase(state: ServerState, id: SocketId, clientId: string) {
  return {
    id,
    clientId,
    heartbeat: createTimer({ kind: "heartbeat", socket: id } as const),
    phase: "authorizing" as SocketPhase,
    refusal: null,
    lastHeardMs: state.nowMs,
    nextPingMs: 0,
    unsentBytes: 0,
  };
}
