/**
 * Everything a state machine can order: data, obeyed by adapters after the step, in order.
 *
 * The bytes of an effect are read-only and may alias those of an event. What an effect causes comes back as later events,
 * never during the step that ordered it.
 */
import type { ContentCoding } from "./http/compression.ts";
import type { HeaderList } from "./http/headers.ts";
import type { CallId, ExchangeId, SocketId } from "./ids.ts";
import type { RegistryOperation } from "./registry.ts";
import type { AgentReport, ServerReport } from "./report.ts";

/** WebSocket effects that the server and the agent share. */
export type SocketEffect =
  | { readonly type: "socket_send_text"; readonly socket: SocketId; readonly text: string }
  | { readonly type: "socket_ping"; readonly socket: SocketId }
  /** Starts the closing handshake (RFC 6455 section 7.1.2); the adapter cuts the connection if the peer does not finish it. */
  | {
      readonly type: "socket_close";
      readonly socket: SocketId;
      readonly code: number;
      readonly reason: string;
    }
  /** Cuts the connection without a handshake, for a peer that is gone. */
  | { readonly type: "socket_terminate"; readonly socket: SocketId };

export type ServerEffect =
  /** Start reading the request body; sends `100 Continue` first where the visitor expects it. */
  | { readonly type: "exchange_read"; readonly exchange: ExchangeId }
  /** A whole response. `close` ends the visitor's connection after it: its request was not read to the end. */
  | {
      readonly type: "respond";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
      readonly body: readonly Uint8Array[];
      readonly close: boolean;
    }
  /** The head of a streamed response; `coding` orders the adapter to compress the body and flush after each piece. */
  | {
      readonly type: "respond_head";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
      readonly coding: ContentCoding | null;
    }
  | { readonly type: "respond_body"; readonly exchange: ExchangeId; readonly bytes: Uint8Array }
  | { readonly type: "respond_end"; readonly exchange: ExchangeId }
  /** Destroys the visitor's connection, so that a part of a body is never taken for the whole. */
  | { readonly type: "respond_cut"; readonly exchange: ExchangeId }
  /** Completes the handshake of RFC 6455 section 4.2.2. */
  | { readonly type: "upgrade_accept"; readonly socket: SocketId }
  /** Answers the handshake with a plain response; `socket_closed` follows. */
  | {
      readonly type: "upgrade_refuse";
      readonly socket: SocketId;
      readonly status: number;
      readonly headers: HeaderList;
      readonly body: Uint8Array;
    }
  | SocketEffect
  /** Stops or resumes reading from the connection; what was read already may still be reported. */
  | { readonly type: "socket_pause"; readonly socket: SocketId; readonly paused: boolean }
  | { readonly type: "registry_call"; readonly call: CallId; readonly operation: RegistryOperation }
  /** Accept no new connection. */
  | { readonly type: "listener_close" }
  /** The drain is over, nothing is left to do: the process may end. */
  | { readonly type: "drained" }
  | { readonly type: "report"; readonly report: ServerReport };

export type AgentEffect =
  | SocketEffect
  /** One binary message made of `header` and `body` in order; the adapter joins them. */
  | {
      readonly type: "socket_send_packet";
      readonly socket: SocketId;
      readonly header: Uint8Array;
      readonly body: readonly Uint8Array[];
    }
  /** Opens a WebSocket to the server. `target` holds a secret: it must not be logged. */
  | { readonly type: "socket_connect"; readonly socket: SocketId; readonly target: string }
  /** One HTTP request to the server; `token` goes into `Authorization: Bearer`. */
  | { readonly type: "api_call"; readonly call: CallId; readonly target: string; readonly token: string }
  /** One request to the configured origin and to nothing else; `target` is in origin form. */
  | {
      readonly type: "origin_request";
      readonly exchange: ExchangeId;
      readonly method: string;
      readonly target: string;
      readonly headers: HeaderList;
      readonly body: Uint8Array | null;
    }
  /** Cancels the request; the adapter frees it at once. */
  | { readonly type: "origin_abort"; readonly exchange: ExchangeId }
  | { readonly type: "origin_pause"; readonly exchange: ExchangeId; readonly paused: boolean }
  /** Keeps the client's id and token for the next start. */
  | { readonly type: "state_save"; readonly clientId: string; readonly clientToken: string }
  /** Nothing is left to do: the process may end, with success unless `failure` says why not. */
  | { readonly type: "stopped"; readonly failure: string | null }
  | { readonly type: "report"; readonly report: AgentReport };
