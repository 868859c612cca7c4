/**
 * The edge: visitors' HTTP connections on one side, exchanges on the other. It stands between the sockets of an adapter and
 * the server: bytes become the server's events, and the server's orders become bytes.
 */
import type { ServerEffect } from "../effects.ts";
import type { ServerEvent } from "../events.ts";
import type { HeaderList } from "../http/headers.ts";
import type { ConnectionEffect, ConnectionEvent } from "../http1/events.ts";
import type { ConnectionId } from "../ids.ts";

/** What the server orders of an exchange. */
export type ExchangeOrder = Extract<
  ServerEffect,
  { readonly type: `exchange_${string}` | "respond" | `respond_${string}` }
>;

export type EdgeOrder =
  | ExchangeOrder
  | Extract<ServerEffect, { readonly type: "responses_close" | "listener_close" | "proxies_trust" }>;

type ServerFact = Extract<ServerEvent, { readonly type: `exchange_${string}` | "visitors_gone" }>;
type Opened = Extract<ServerFact, { readonly type: "exchange_opened" }>;

/**
 * What the server is told. The nonce of an `exchange_opened` is empty: who passes it on puts a fresh one in. `connection` says
 * which one the request came on, which the server does not ask.
 */
export type EdgeFact = Exclude<ServerFact, Opened> | (Opened & { readonly connection: ConnectionId });

export type EdgeEvent =
  | { readonly type: "tick" }
  /** A visitor has connected. `peer` is the IP address of the other end, as the system prints it. */
  | { readonly type: "connection_accepted"; readonly connection: ConnectionId; readonly peer: string }
  | Exclude<ConnectionEvent, { readonly type: "connection_opened" }>
  /** A connection that was handed over comes back: its handshake is a visitor's with a home service. */
  | { readonly type: "connection_returned"; readonly connection: ConnectionId }
  /** The handshake of a connection that was handed over was refused; its end is still to come. */
  | { readonly type: "connection_refused"; readonly connection: ConnectionId }
  | EdgeOrder;

export type EdgeEffect =
  | Exclude<ConnectionEffect, { readonly type: "connection_open" | "connection_write" }>
  /** In one go. Text is Latin-1. `lastUse`: nobody else needs any of the buffer that the bytes among them are of. */
  | {
      readonly type: "connection_write";
      readonly connection: ConnectionId;
      readonly parts: readonly (string | Uint8Array)[];
      readonly lastUse: boolean;
    }
  /** Finds out whether the visitor has reset it, without reading; one who has is told by `connection_closed`. */
  | { readonly type: "connection_probe"; readonly connection: ConnectionId }
  /** Destroys it so that the other end cannot take what came for the whole. */
  | { readonly type: "connection_reset"; readonly connection: ConnectionId }
  /**
   * A well-formed WebSocket handshake (RFC 6455 section 4.2.1) waits for its answer, which is somebody else's to give. Nothing
   * is reported of the connection but its end, unless it is returned. `rest` is what came behind the head.
   */
  | {
      readonly type: "connection_hand_over";
      readonly connection: ConnectionId;
      readonly target: string;
      readonly headers: HeaderList;
      readonly rest: Uint8Array;
    }
  /** A request that could not be read, by its fault: for the operator. */
  | { readonly type: "connection_fault"; readonly connection: ConnectionId; readonly fault: string }
  | EdgeFact;
