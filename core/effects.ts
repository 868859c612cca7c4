/**
 * Everything a state machine can order: data, obeyed by adapters after the step, in order.
 *
 * The bytes of an effect are read-only and may alias those of an event. What an effect causes comes back as later events,
 * never during the step that ordered it.
 */
import type { ContentCoding } from "./http/compression.ts";
import type { HeaderList } from "./http/headers.ts";
import type { IpBlock } from "./http/ip.ts";
import type { CallId, CertificateId, CheckId, ExchangeId, SocketId } from "./ids.ts";
import type { RegistryOperation } from "./registry.ts";
import type { AgentReport, ServerReport } from "./report.ts";

/** WebSocket effects that the server and the agent share. */
export type SocketEffect =
  | { readonly type: "socket_send_text"; readonly socket: SocketId; readonly text: string }
  /** One binary message made of `header` and `body` in order; the adapter joins them. */
  | {
      readonly type: "socket_send_packet";
      readonly socket: SocketId;
      readonly header: Uint8Array;
      readonly body: readonly Uint8Array[];
    }
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
  /** Stops or resumes reading the request body; what was read already is still reported. */
  | { readonly type: "exchange_pause"; readonly exchange: ExchangeId; readonly paused: boolean }
  /** An interim response other than `100 Continue` and 101 (RFC 9110 section 15.2), before the head of the final one. */
  | {
      readonly type: "respond_interim";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
    }
  /**
   * Completes the handshake of an upgrade with 101 and these headers, order and spelling kept. From then on `respond_body`
   * and `exchange_body` carry the connection's raw bytes, and `respond_end` and `exchange_body_ended` its two ends.
   */
  | { readonly type: "respond_upgrade"; readonly exchange: ExchangeId; readonly headers: HeaderList }
  /**
   * A whole response. `close` ends the visitor's connection after it: its request was not read to the end. `unserved`: no home
   * was to give it, so that it counts for how fast the visitor's address may ask (`edge/pace.ts`).
   */
  | {
      readonly type: "respond";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
      readonly body: readonly Uint8Array[];
      readonly close: boolean;
      readonly unserved?: true;
    }
  /** The head of a streamed response; `coding` orders the adapter to compress the body and flush after each piece. */
  | {
      readonly type: "respond_head";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
      readonly coding: ContentCoding | null;
    }
  /** `lastUse`: nobody else needs any of the buffer that these bytes are of, so that it may be freed when they have left. */
  | {
      readonly type: "respond_body";
      readonly exchange: ExchangeId;
      readonly bytes: Uint8Array;
      readonly lastUse?: true;
    }
  | { readonly type: "respond_end"; readonly exchange: ExchangeId; readonly trailers: HeaderList }
  /** Destroys the visitor's connection, so that a part of a body is never taken for the whole. */
  | { readonly type: "respond_cut"; readonly exchange: ExchangeId }
  /** Completes the handshake of RFC 6455 section 4.2.2, with that subprotocol; null chooses none. */
  | { readonly type: "upgrade_accept"; readonly socket: SocketId; readonly protocol: string | null }
  /** The handshake is a visitor's with a home service: it is reported anew as an exchange, and this handle is over. */
  | { readonly type: "upgrade_forward"; readonly socket: SocketId }
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
  | OriginEffect
  /** From now on `origin_request` means this node by that number. What runs of one that had it before goes on. */
  | { readonly type: "origin_set"; readonly origin: number; readonly url: string }
  | { readonly type: "registry_call"; readonly call: CallId; readonly operation: RegistryOperation }
  /**
   * Hold the password against a hash that `isSalted` takes, outside of the loop: it takes a fraction of a second and some tens of
   * MiB. `password` is a secret: it must not be logged.
   */
  | {
      readonly type: "password_check";
      readonly check: CheckId;
      readonly password: string;
      readonly hash: string;
    }
  /** Whether the name may get a certificate; `unknown` while that cannot be found out. */
  | {
      readonly type: "certificate_answer";
      readonly question: CertificateId;
      readonly answer: "granted" | "refused" | "unknown";
    }
  /** From now on these are the proxies that bring many visitors from one address. */
  | { readonly type: "proxies_trust"; readonly proxies: readonly IpBlock[] }
  /** From here on each response is the last of its connection, and says so (RFC 9112 section 9.6). */
  | { readonly type: "responses_close" }
  /** Accept what the kernel has accepted already, and no further connection. `visitors_gone` follows. */
  | { readonly type: "listener_close" }
  /** The drain is over, nothing is left to do: the process may end. */
  | { readonly type: "drained" }
  | { readonly type: "report"; readonly report: ServerReport };

/** HTTP requests: of an agent to services of its home, of a server to other nodes. */
export type OriginEffect =
  /**
   * One request to a configured origin and to nothing else. `headers` are complete but for the framing of the body and
   * `Connection`, which are the adapter's; an upgrade's are complete.
   */
  | {
      readonly type: "origin_request";
      readonly exchange: ExchangeId;
      /** Which of the configured origins, counted from 0. */
      readonly origin: number;
      readonly method: string;
      /** In origin form, or `*`. */
      readonly target: string;
      readonly headers: HeaderList;
      /** The whole body; `streamed` where it follows in `origin_send`; null where there is none. */
      readonly body: Uint8Array | "streamed" | null;
      /** Length of a streamed body, null where it is not known: then it goes out chunked. */
      readonly bodyBytes: number | null;
      /** Asks for the upgrade that `headers` name; `body` is null, and `origin_send` carries raw bytes after the 101. */
      readonly upgrade: boolean;
    }
  | { readonly type: "origin_send"; readonly exchange: ExchangeId; readonly bytes: Uint8Array }
  /** The streamed body is complete; of an upgrade: no more bytes follow this way. */
  | { readonly type: "origin_send_end"; readonly exchange: ExchangeId; readonly trailers: HeaderList }
  /** Bytes that an `origin_body` brought, at the latest the last of its buffer: nobody needs that buffer any more. */
  | { readonly type: "origin_release"; readonly bytes: Uint8Array }
  /** Cancels the request; the adapter frees it at once. */
  | { readonly type: "origin_abort"; readonly exchange: ExchangeId }
  | { readonly type: "origin_pause"; readonly exchange: ExchangeId; readonly paused: boolean };

export type AgentEffect =
  | SocketEffect
  /**
   * Opens a WebSocket to the server. `target` and `headers` hold secrets: they must not be logged. `protocols` are offered
   * in this order (RFC 6455 section 4.1); none where it is empty.
   */
  | {
      readonly type: "socket_connect";
      readonly socket: SocketId;
      readonly target: string;
      readonly headers: HeaderList;
      readonly protocols: readonly string[];
    }
  /** One HTTP request to the server; `token` goes into `Authorization: Bearer`. */
  | { readonly type: "api_call"; readonly call: CallId; readonly target: string; readonly token: string }
  | OriginEffect
  /** Keeps the client's id and token for the next start. */
  | { readonly type: "state_save"; readonly clientId: string; readonly clientToken: string }
  /** Nothing is left to do: the process may end, with success unless `failure` says why not. */
  | { readonly type: "stopped"; readonly failure: string | null }
  | { readonly type: "report"; readonly report: AgentReport };
