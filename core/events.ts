/**
 * Everything that can happen to a state machine: facts, in the past tense, reported by adapters.
 *
 * An event gives its bytes away: the reporter must not touch them again. The members with `nonce` bring fresh random
 * bytes from the adapter, the only source of secrets in the core.
 */
import type { AgentSettings } from "./agent/config.ts";
import type { HeaderList } from "./http/headers.ts";
import type { CallId, CertificateId, CheckId, ExchangeId, SocketId } from "./ids.ts";
import type { RegistryOutcome } from "./registry.ts";
import type { ServerSettings } from "./server/config.ts";

/** Random bytes that come with each event that may need to make a token. */
export const NONCE_BYTES = 16;

/** A visitor's request head has been read. Its body stays unread until `exchange_read` orders it. */
export type ExchangeOpened = {
  readonly type: "exchange_opened";
  readonly exchange: ExchangeId;
  /** As received; the method of HTTP is case-sensitive (RFC 9110 section 9.1). */
  readonly method: string;
  /** The request target as received, any form (RFC 9112 section 3.2). */
  readonly target: string;
  readonly headers: HeaderList;
  /** Whether the message has a body (RFC 9112 section 6.3): content-length above 0, or chunked. True for an upgrade. */
  readonly hasBody: boolean;
  /** A well-formed WebSocket handshake that `upgrade_forward` sent this way: bytes flow both ways after its 101. */
  readonly upgrade: boolean;
  /** Whether the body comes only after `100 Continue` (RFC 9110 section 10.1.1). */
  readonly expectsContinue: boolean;
  /** IP address of the TCP peer, as the system prints it. */
  readonly peer: string;
  /** Whether it came to the listener for other nodes. */
  readonly byPeer?: true;
  readonly nonce: Uint8Array;
};

/** A request to upgrade to WebSocket has been read and is well-formed by RFC 6455 section 4.2.1. */
export type UpgradeRequested = {
  readonly type: "upgrade_requested";
  readonly socket: SocketId;
  readonly target: string;
  readonly headers: HeaderList;
  /** As of an exchange. */
  readonly peer: string;
};

/** WebSocket events that the server and the agent share. */
export type SocketEvent =
  /** A whole text message, valid UTF-8. */
  | { readonly type: "socket_text"; readonly socket: SocketId; readonly text: string }
  /** A whole binary message. */
  | { readonly type: "socket_bytes"; readonly socket: SocketId; readonly bytes: Uint8Array }
  /** A ping or pong arrived: nothing but a sign of life. The adapter has answered a ping already. */
  | { readonly type: "socket_heard"; readonly socket: SocketId }
  /** `bytes` of what was ordered to be sent have left for the kernel. Sums up to all that was ordered. */
  | { readonly type: "socket_flushed"; readonly socket: SocketId; readonly bytes: number }
  /** The last event of a socket, however it ended; also when the handshake never completed. 1006 where no close frame came. */
  | {
      readonly type: "socket_closed";
      readonly socket: SocketId;
      readonly code: number;
      readonly reason: string;
    };

export type ServerEvent =
  /** A deadline that `nextDeadlineMs` named may have passed. */
  | { readonly type: "tick" }
  | ExchangeOpened
  | { readonly type: "exchange_body"; readonly exchange: ExchangeId; readonly bytes: Uint8Array }
  /** The request body is complete. Comes only after `exchange_read`, and never when `hasBody` was false. */
  | {
      readonly type: "exchange_body_ended";
      readonly exchange: ExchangeId;
      /** Trailer section as received (RFC 9110 section 6.5), empty where there is none. */
      readonly trailers: HeaderList;
    }
  /**
   * `bytes` of response body have left for the kernel, those of `respond` included. Sums up to all bytes ordered, if the
   * visitor stays; may still come after a cut.
   */
  | { readonly type: "exchange_flushed"; readonly exchange: ExchangeId; readonly bytes: number }
  /** The last event of an exchange: the response went out whole (`complete`), or the connection is gone. */
  | { readonly type: "exchange_closed"; readonly exchange: ExchangeId; readonly complete: boolean }
  | UpgradeRequested
  /** The handshake is complete. */
  | { readonly type: "socket_opened"; readonly socket: SocketId; readonly nonce: Uint8Array }
  | SocketEvent
  | { readonly type: "registry_answered"; readonly call: CallId; readonly outcome: RegistryOutcome }
  /** A `password_check` is over; `failed` where it could not be made. Comes once for each. */
  | {
      readonly type: "password_checked";
      readonly check: CheckId;
      readonly result: "right" | "wrong" | "failed";
    }
  /** May the name get a certificate? `certificate_answer` follows, once. */
  | { readonly type: "certificate_asked"; readonly question: CertificateId; readonly name: string }
  /** The process was asked to stop: finish what runs, take nothing new. */
  | { readonly type: "drain_requested" }
  /** The listener is closed, and no connection of a visitor is left but those that exchanges have. `byPeer`: that of other nodes. */
  | { readonly type: "visitors_gone"; readonly byPeer?: true }
  /** Of a request to another node. */
  | OriginEvent
  /** The settings were read anew, and can be used as they are. */
  | { readonly type: "settings_changed"; readonly settings: ServerSettings };

/** Why the origin could not answer, or could not finish. */
export type OriginFault =
  | "refused"
  | "name_not_resolved"
  | "tls_invalid"
  | "connect_timeout"
  /** The connection broke, before or inside the response. */
  | "broken"
  /** Its head, or its trailers, are larger than the client takes. */
  | "head_too_large"
  /** What came is not HTTP. */
  | "malformed";

export type OriginFollows = "body" | "end";

/** Of an HTTP request that `origin_request` ordered: of an agent to a service of its home, or of a server to another node. */
export type OriginEvent =
  /** An interim response (RFC 9110 section 15.2), 100 included. */
  | {
      readonly type: "origin_interim";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
    }
  /** `bytes` of the request body have left for the kernel. Sums up to all that was ordered, if the origin takes it. */
  | { readonly type: "origin_flushed"; readonly exchange: ExchangeId; readonly bytes: number }
  /**
   * The origin's final response head; 101 where it took an upgrade, and bytes flow both ways from then on. `follows`: what has come of
   * the response already, and follows at once.
   */
  | {
      readonly type: "origin_head";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
      readonly follows?: OriginFollows;
    }
  | {
      readonly type: "origin_body";
      readonly exchange: ExchangeId;
      readonly bytes: Uint8Array;
      readonly follows?: OriginFollows;
    }
  /** The response is complete by its own framing. Last event of an origin request. */
  | {
      readonly type: "origin_ended";
      readonly exchange: ExchangeId;
      /** Trailer section as received, empty where there is none. */
      readonly trailers: HeaderList;
    }
  /** The request failed. Last event of an origin request; nothing follows an `origin_abort` but this. */
  | { readonly type: "origin_failed"; readonly exchange: ExchangeId; readonly fault: OriginFault };

/** What kept the agent from an answer of its server, or of the proxy on the way to it. */
export type ConnectFault = {
  readonly kind: ConnectFaultKind;
  /** In the system's own words: they may name host and port, and never a target, a header or a password. */
  readonly detail: string;
};

export type ConnectFaultKind =
  | "name_unknown"
  | "refused"
  | "unreachable"
  | "silent"
  /** Closed before anything of an answer came, */
  | "closed"
  /** or inside the TLS handshake. */
  | "closed_in_tls"
  | "cut"
  /** TLS was spoken to a port that does not speak it, */
  | "not_tls"
  /** and plain HTTP to one that speaks TLS. */
  | "tls_there"
  | "tls_failed"
  | "certificate_untrusted"
  | "certificate_early"
  | "certificate_expired"
  | "certificate_name"
  | "certificate_refused"
  | "not_http"
  /** A 101 that breaks RFC 6455 section 4.1. */
  | "handshake_broken"
  | "proxy_name_unknown"
  | "proxy_refused"
  | "proxy_unreachable"
  /** The proxy asks for other credentials than it was given. */
  | "proxy_login"
  /** The proxy does not let this machine go there, */
  | "proxy_denied"
  /** or finds no way there itself. */
  | "proxy_failed"
  | "other";

export type AgentEvent =
  | { readonly type: "tick" }
  /** The handshake is complete. `protocol` is the subprotocol that the server chose; null where it chose none. */
  | { readonly type: "socket_opened"; readonly socket: SocketId; readonly protocol: string | null }
  | SocketEvent
  /**
   * The server answered the handshake with a status other than 101. Followed by `socket_closed`. `body` is cut at the
   * adapter's limit. `retryAfter` is the answer's Retry-After as received (RFC 9110 section 10.2.3).
   */
  | {
      readonly type: "socket_refused";
      readonly socket: SocketId;
      readonly status: number;
      readonly body: string;
      readonly retryAfter?: string | undefined;
    }
  /** The handshake got no answer. Followed by `socket_closed`. */
  | { readonly type: "socket_failed"; readonly socket: SocketId; readonly fault: ConnectFault }
  /** The server answered an `api_call`. As of a handshake. */
  | {
      readonly type: "api_answered";
      readonly call: CallId;
      readonly status: number;
      readonly body: string;
      readonly retryAfter?: string | undefined;
    }
  /** An `api_call` got no answer. */
  | { readonly type: "api_failed"; readonly call: CallId; readonly fault: ConnectFault }
  | OriginEvent
  | { readonly type: "drain_requested" }
  /** As of the server. From now on `origin_request` counts these origins. */
  | { readonly type: "settings_changed"; readonly settings: AgentSettings };
