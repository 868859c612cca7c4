/** One socket in a ledger: an agent's tunnel or a visitor's, and how far it is. */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { SocketId } from "../../core/ids.ts";
import { headerOf } from "../tools/headers.ts";

export type LedgerSocket = {
  readonly id: SocketId;
  /** Whether an agent's, or a visitor's. */
  readonly kind: "tunnel" | "visitor";
  readonly clientId: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly requestedMs: number;
  /** How long the process had slept by then. */
  readonly sleptMs: number;
  /** `leaving`: it was refused, closed or cut, and only its last event is still to come. */
  phase: "asking" | "accepted" | "open" | "leaving";
  acceptedMs: number;
  /** Null while it is not open yet. */
  openedMs: number | null;
  /** When its peer last gave a sign of life. */
  heardMs: number;
  pingedMs: number;
  paused: boolean;
  pausedMs: number;
  /** Of what it was ordered to send, what has not left yet. */
  unsentBytes: number;
  /** Whether it speaks the native protocol: chosen when its handshake was accepted. */
  native: boolean;
  /** Of a native tunnel: it was welcomed, so that its home is reached through it. Of any other: it is open. */
  greeted: boolean;
  /** Of a native tunnel that goes on with a session: the agent has not said yet where it stands. */
  resumes: boolean;
};

type SocketOrder = Extract<ServerEffect, { readonly socket: SocketId }>;

/** Whether a socket in that phase can be ordered to do that. */
export function isInPlace(socket: LedgerSocket, effect: SocketOrder): boolean {
  switch (effect.type) {
    case "upgrade_accept":
    case "upgrade_forward":
    case "upgrade_refuse":
      return socket.phase === "asking";
    case "socket_terminate":
      return socket.phase === "accepted" || socket.phase === "open";
    default:
      return socket.phase === "open";
  }
}

/** Whether host and access mode, where they are given, are what they may be. */
function isUnderstood(headers: readonly string[]): boolean {
  const access = headerOf(headers, "culvert-access") ?? "token";
  return (
    /^\S*$/.test(headerOf(headers, "host") ?? "") && access.length <= ACCESS_LENGTH_MAX && ACCESS.test(access)
  );
}

const ACCESS = /^(token|public|basic [^:]+:([0-9a-f]{64}|scrypt[\w.-]+))$/;
const ACCESS_LENGTH_MAX = 255;

export function socketOf(
  event: Extract<ServerEvent, { readonly type: "upgrade_requested" }>,
  nowMs: number,
  sleptMs: number,
): LedgerSocket {
  const [path, search = ""] = event.target.split("?");
  const query = new URLSearchParams(search);
  const clientId = path === "/ws" ? (query.get("clientId") ?? "") : "";
  return {
    id: event.socket,
    // A handshake that names no home is nobody's tunnel, whatever else it says, and so is one that cannot be understood.
    kind:
      clientId !== "" && query.get("sender") === "true" && isUnderstood(event.headers) ? "tunnel" : "visitor",
    clientId,
    target: event.target,
    headers: event.headers,
    requestedMs: nowMs,
    sleptMs,
    phase: "asking",
    acceptedMs: nowMs,
    openedMs: null,
    heardMs: nowMs,
    pingedMs: nowMs,
    paused: false,
    pausedMs: nowMs,
    unsentBytes: 0,
    native: false,
    greeted: false,
    resumes: false,
  };
}

/** The socket that an event is about; null where it is about none. */
export function socketNamedIn(event: ServerEvent): SocketId | null {
  switch (event.type) {
    case "upgrade_requested":
    case "socket_opened":
    case "socket_text":
    case "socket_bytes":
    case "socket_heard":
    case "socket_flushed":
    case "socket_closed":
      return event.socket;
    default:
      return null;
  }
}
