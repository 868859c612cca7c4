/** A WebSocket handshake that is not a visitor's with a home: whose it is, and whether the registry is asked about its token. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { UpgradeRequested } from "../../events.ts";
import type { FailureCode } from "../../failure.ts";
import { corsHeaders } from "../../http/cors.ts";
import { headerValue } from "../../http/headers.ts";
import { IdTable } from "../../id-table.ts";
import type { Outbox } from "../../outbox.ts";
import type { RegistryOperation, TokenHash, TokenKind } from "../../registry.ts";
import { createTimer } from "../../timers.ts";
import { NATIVE_PROTOCOL } from "../../wire/native.ts";
import { callRegistry } from "../registry/calls.ts";
import { hasRoomAtDoor, mayGuess, strangerOf } from "../registry/strangers.ts";
import { isTrusted, trustKey } from "../registry/trust.ts";
import { type SocketRoute, socketRouteOf } from "../routing/socket-route.ts";
import type { ServerState } from "../state/server.ts";
import type { Socket, SocketPhase, Tunnel, VisitorSocket } from "../state/tunnels.ts";
import { hasRoomInLine, joinLine, lateInLine, leaveLine, nextInLine, type Question } from "./line.ts";
import { refuseSocket } from "./socket.ts";

const UNKNOWN_VERSION = `The native protocol is spoken as ${NATIVE_PROTOCOL} here, and no other version of it.`;

/** Gives the older handshake of the same agent, which it has given up: nobody is there whom its end would be told. */
export function onUpgradeRequested(
  state: ServerState,
  event: UpgradeRequested,
  out: Outbox<ServerEffect>,
): Socket | null {
  const question = questionOf(state, event, out);
  if (question === null) return null;
  const { socket, ...asked } = question;
  if (!hasRoomInLine(state, asked.stranger)) {
    refuseSocket(state, socket, "limit_handshakes", undefined, out);
    return null;
  }
  const older = socket.kind === "tunnel" ? state.handshakes.ofAgents.get(asked.key) : undefined;
  joinLine(state, socket, asked);
  askNext(state, out);
  return older?.socket ?? null;
}

/** A turn of the loop is over: the next ones are asked about, and who has stood in line for too long is sent away. */
export function onTurn(state: ServerState, out: Outbox<ServerEffect>): void {
  state.handshakes.begun = 0;
  for (let late = lateInLine(state); late !== null; late = lateInLine(state)) {
    refuseSocket(state, late.socket, "limit_handshakes", undefined, out);
  }
  askNext(state, out);
}

function askNext(state: ServerState, out: Outbox<ServerEffect>): void {
  for (let next = nextInLine(state); next !== null; next = nextInLine(state)) {
    const { socket, operation, key, stranger } = next;
    leaveLine(state, next);
    const purpose = { type: "authorize_socket", socket: socket.id, key } as const;
    const { registryTunnelMs } = state.config.limits;
    const asked = callRegistry(state, operation, purpose, registryTunnelMs, out, stranger);
    if (!asked) refuseSocket(state, socket, "limit_registry_calls", undefined, out);
  }
}

/** What is to be asked about the socket; null where it is another's, or was sent away at first sight. */
function questionOf(
  state: ServerState,
  event: UpgradeRequested,
  out: Outbox<ServerEffect>,
): (Question & { readonly socket: Socket }) | null {
  assert(!state.sockets.has(event.socket), "a socket was opened twice");
  const route = socketRouteOf(event.target, event.headers, state.config);
  if (route.type === "forward") {
    out.push({ type: "upgrade_forward", socket: event.socket });
    return null;
  }
  const clientId = route.type === "failure" ? "" : route.clientId;
  const socket =
    route.type === "tunnel"
      ? createTunnel(state, event, route)
      : createVisitorSocket(state, event, clientId, route.type === "failure" ? null : route.profile);
  state.sockets.set(socket.id, socket);
  const { limits } = state.config;
  const origin = headerValue(event.headers, "origin");
  const refuse = (code: FailureCode, detail?: string): null => {
    refuseSocket(state, socket, code, detail, out);
    return null;
  };
  if (!takesSocket(state, socket)) return refuse("draining");
  if (route.type === "failure") return refuse(route.code, route.detail);
  // A page of an origin that may not read responses may not hold a socket either: browsers send no preflight for one.
  if (origin !== undefined && corsHeaders(origin, state.config.corsOrigins).length === 0) {
    return refuse("unauthorized");
  }
  if (route.token === null) return refuse("unauthorized");
  if (route.type === "tunnel" && socket.kind === "tunnel" && socket.native === null) {
    const unknown = route.protocols.some((each) => each.startsWith("culvert."));
    if (unknown) return refuse("bad_request", UNKNOWN_VERSION);
  }
  const tokenHash = state.config.sha256(route.token);
  socket.token = { kind: kindShown(route), tokenHash, clientId };
  const key = trustKey("handshake", tokenHash, clientId);
  const { address } = socket;
  // What was accepted lately is nobody's guess.
  const isStranger = !isTrusted(state, key, limits.tokenTrustMs) && address !== "";
  if (isStranger && !mayGuess(state, address)) return refuse("limit_guesses");
  if (isStranger && !hasRoomAtDoor(state, address)) return refuse("limit_address");
  return { socket, operation: questionAt(route, tokenHash), key, stranger: isStranger ? address : null };
}

/** A server that leaves takes no agent, who would only have to move, and visitors for as long as it takes their requests. */
function takesSocket({ drainPhase }: ServerState, { kind }: Socket): boolean {
  return drainPhase === "none" || (drainPhase === "leaving" && kind === "visitor");
}

/** Visitors' sockets and MoosicBox's agents come with signatures, Culvert's own agents with their client token. */
function kindShown(route: SocketRoute): TokenKind {
  return route.type === "tunnel" && route.shownAs === "client_token" ? "client_access" : "signature";
}

/** Of a tunnel the answer also tells its fence. */
function questionAt(
  route: Extract<SocketRoute, { readonly type: "tunnel" | "visitor" }>,
  tokenHash: TokenHash,
): RegistryOperation {
  const { clientId } = route;
  if (route.type === "visitor") return { type: "use_signature", use: "media", tokenHash, clientId };
  if (route.shownAs === "client_token") return { type: "check_agent", tokenHash, clientId };
  return { type: "use_signature", use: "tunnel", tokenHash, clientId };
}

function createTunnel(
  state: ServerState,
  event: UpgradeRequested,
  { clientId, access, instance, linked, protocols }: Extract<SocketRoute, { readonly type: "tunnel" }>,
): Tunnel {
  const isNative = protocols.includes(NATIVE_PROTOCOL);
  const { socket: id } = event;
  return {
    kind: "tunnel",
    ...socketBase(state, event, clientId),
    fence: 0,
    access,
    instance,
    again: linked.includes(state.config.node),
    native: isNative
      ? { hello: createTimer({ kind: "hello", socket: id }), ticket: null, session: null, links: false }
      : null,
    claimed: false,
    rowRound: 0,
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
  event: UpgradeRequested,
  clientId: string,
  profile: string | null,
): VisitorSocket {
  return { kind: "visitor", ...socketBase(state, event, clientId), profile, questions: new Set() };
}

function socketBase(state: ServerState, event: UpgradeRequested, clientId: string) {
  const { socket: id, peer, headers } = event;
  return {
    id,
    clientId,
    address: strangerOf(state, peer, headers),
    admitted: false,
    handshake: null,
    heartbeat: createTimer({ kind: "heartbeat", socket: id } as const),
    phase: "authorizing" as SocketPhase,
    refusal: null,
    token: null,
    lastHeardMs: state.nowMs,
    nextPingMs: 0,
    unsentBytes: 0,
  };
}
