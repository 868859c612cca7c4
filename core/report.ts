/**
 * What a machine wants a person to know: facts for the log, as data. No report carries a token, a body or a query string.
 */
import type { ExchangeOutcome, FailureCode } from "./failure.ts";
import type { ExchangeId, SocketId } from "./ids.ts";
import type { RegistryFault } from "./registry.ts";
import type { Changes } from "./settings/changes.ts";
import type { Ways } from "./wire/ways.ts";

export type ServerReport =
  | {
      readonly type: "tunnel_accepted";
      readonly socket: SocketId;
      readonly clientId: string;
      readonly protocol: "moosicbox" | "native";
    }
  /** An agent came back to its session; so many exchanges go on. */
  | { readonly type: "session_resumed"; readonly clientId: string; readonly exchanges: number }
  /** A session ended with so many exchanges that were still owed an answer. */
  | { readonly type: "session_lost"; readonly clientId: string; readonly exchanges: number }
  | {
      readonly type: "tunnel_ended";
      readonly socket: SocketId;
      readonly clientId: string;
      readonly code: number;
      readonly cause: FailureCode | "closed";
    }
  | { readonly type: "upgrade_refused"; readonly socket: SocketId; readonly cause: FailureCode }
  | {
      readonly type: "exchange_ended";
      readonly exchange: ExchangeId;
      /** What a problem that the visitor was shown calls it. */
      readonly requestId: number;
      readonly clientId: string | null;
      readonly method: string;
      readonly status: number;
      readonly outcome: ExchangeOutcome;
      readonly bytesOut: number;
      readonly durationMs: number;
    }
  /** Something came from an agent that the protocol has no place for; a tunnel of MoosicBox's protocol lives on. */
  | { readonly type: "agent_protocol_error"; readonly socket: SocketId; readonly detail: string }
  | {
      readonly type: "registry_failed";
      readonly operation: string;
      readonly fault: RegistryFault;
      /** Failures in a row, this one included. */
      readonly count: number;
      readonly level: "debug" | "error";
    }
  | { readonly type: "registry_recovered" }
  | ({ readonly type: "settings_changed" } & Changes)
  | { readonly type: "draining"; readonly exchanges: number; readonly tunnels: number };

export type AgentReport =
  | { readonly type: "registered"; readonly clientId: string }
  /** `resumed`: exchanges of before go on. */
  | {
      readonly type: "connected";
      readonly clientId: string;
      readonly protocol: "moosicbox" | "native";
      readonly resumed: boolean;
      /** Which of several nodes it is; null where there is one, or the server does not say. */
      readonly node: string | null;
    }
  /** The server told where the home is found, which is new; null where it does not tell. */
  | { readonly type: "reachable"; readonly ways: Ways | null }
  /** The server does not find the home by the name that was asked for: its operator did not give it, or it knows of no such asking. */
  | { readonly type: "hostname_refused"; readonly hostname: string; readonly clientId: string }
  /** The server leaves, with so many exchanges on its link: another link is looked for. */
  | { readonly type: "moving"; readonly exchanges: number }
  | { readonly type: "disconnected"; readonly code: number; readonly cause: string }
  | {
      readonly type: "retrying";
      readonly inMs: number;
      readonly cause: string;
      /** What a person can do about it; null where waiting is all. */
      readonly next: string | null;
      /** The system's own words; null where there are none. */
      readonly detail: string | null;
      /** A warning the first time and at growing intervals, and quiet in between. */
      readonly level: "debug" | "info" | "warn";
    }
  /** `requestId` is what the agent's problem calls it: the number on the wire, as text because MoosicBox's may be beyond 2^53. */
  | {
      readonly type: "exchange_failed";
      readonly requestId: string;
      readonly method: string;
      readonly fault: string;
    }
  | { readonly type: "server_protocol_error"; readonly detail: string }
  | ({ readonly type: "settings_changed" } & Changes)
  | { readonly type: "draining"; readonly exchanges: number };

/** Whether the so many-th of one kind in a row is told aloud: the first, and each that comes when there are twice as many. */
export function isToldAloud(count: number): boolean {
  return Number.isInteger(Math.log2(count));
}
