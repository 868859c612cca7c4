/** What happens to the connections to origins, and what may be ordered of them. */
import type { ConnectionId } from "../ids.ts";

/** Why a connection was not made, or is gone. */
export type ConnectionFault =
  | "refused"
  | "name_not_resolved"
  | "tls_invalid"
  | "connect_timeout"
  /** The origin had closed it before it got what was written. */
  | "reset"
  | "broken";

export type ConnectionEvent =
  /** It can be written to, TLS included. */
  | { readonly type: "connection_opened"; readonly connection: ConnectionId }
  /** `only`: nobody else has a view of the buffer of these bytes, although they need not be all of it. */
  | {
      readonly type: "connection_bytes";
      readonly connection: ConnectionId;
      readonly bytes: Uint8Array;
      readonly only?: boolean;
    }
  /** So much of what was ordered to be written has left for the kernel. Sums up to all of it, heads included, in order. */
  | { readonly type: "connection_flushed"; readonly connection: ConnectionId; readonly bytes: number }
  /** The origin has ended its side (FIN). What we send may still go out. */
  | { readonly type: "connection_ended"; readonly connection: ConnectionId }
  /** The last event of a connection, after our own close as well. `cause` is null where it ended in order. */
  | {
      readonly type: "connection_closed";
      readonly connection: ConnectionId;
      readonly cause: ConnectionFault | null;
    };

export type ConnectionEffect =
  /** Connects to a configured origin, counted from 0. What is ordered to be written meanwhile waits for the connection. */
  | { readonly type: "connection_open"; readonly connection: ConnectionId; readonly origin: number }
  /** In one go. Text is Latin-1. */
  | {
      readonly type: "connection_write";
      readonly connection: ConnectionId;
      readonly parts: readonly (string | Uint8Array)[];
    }
  /** Ends our side (FIN) after what was written; the origin's goes on. A connection with both sides ended closes by itself. */
  | { readonly type: "connection_end"; readonly connection: ConnectionId }
  /** Stops or resumes reading; what was read already may still be reported. */
  | { readonly type: "connection_pause"; readonly connection: ConnectionId; readonly paused: boolean }
  /** Destroys it at once, whatever is still to be written. */
  | { readonly type: "connection_close"; readonly connection: ConnectionId }
  /** Destroys it so that the origin cannot take what has arrived for the whole, as far as the transport can tell it (RST). */
  | { readonly type: "connection_reset"; readonly connection: ConnectionId };
