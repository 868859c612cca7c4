/**
 * A scenario: plain JSON data that says everything about a run. `run(scenario)` is a function of it.
 *
 * Operations and faults have ids of their own and draw from streams named by them, so any of them can be taken out
 * and the rest still does what it did.
 */
import type { AgentLimits, ServerLimits } from "../core/limits.ts";
import type { AnswerQuirk } from "./answers.ts";
import type { OddRequest } from "./odd-requests.ts";
import type { PathSettings } from "./path.ts";
import type { QueueOrder } from "./pipe.ts";
import type { RequestQuirk, SocketQuirk } from "./quirks.ts";
import type { Seed } from "./random.ts";

export type Scenario = {
  /** Where it came from, for a report: `seed 42`. */
  readonly name: string;
  /** Everything that is drawn while it runs comes from here, the order of ties first of all. */
  readonly seed: Seed;
  /** No fault acts and no limit is reached, so everything must succeed. A scenario may have no fault and not be calm. */
  readonly calm: boolean;
  /** Faults may act and operations begin before this time. */
  readonly faultyMs: number;
  /** How long the healed world then has to settle. */
  readonly settleMs: number;
  readonly nodes: number;
  readonly serverLimits: Partial<ServerLimits>;
  readonly agentLimits: Partial<AgentLimits>;
  /** From a node to the registry and back. */
  readonly registryLatencyUs: number;
  readonly visitorPath: PathSettings;
  /** Origins whose pages may read answers; any, where left out. */
  readonly corsOrigins?: readonly string[];
  readonly homes: readonly HomeSpec[];
  readonly operations: readonly Operation[];
  readonly faults: readonly Fault[];
};

export type HomeSpec = {
  readonly clientId: string;
  /** Which program keeps its tunnel: ours, or a model of the deployed one. */
  readonly agent: "culvert" | "moosicbox";
  readonly queue: QueueOrder;
  /** Largest message that its agent sends. */
  readonly packetBytes: number;
  /** Begins without a client token, so that it registers first. */
  readonly registers: boolean;
  /** The node that its agent and its visitors are led to. */
  readonly node: number;
  readonly path: PathSettings;
  /** Belongs to the core of the world that heals; all the others stay broken for good. */
  readonly heals: boolean;
  /** Its agent was set up wrongly: with no access token or another one, or with a client token that has expired. */
  readonly misfit?: "no_access" | "wrong_access" | "expired_client" | "expired_client_no_access";
};

export type Operation = VisitOperation | SocketOperation | PushOperation;

/** A visitor makes one HTTP request and reads the answer. */
export type VisitOperation = {
  readonly kind: "visit";
  readonly id: number;
  readonly atMs: number;
  readonly home: number;
  readonly request: RequestSpec;
  readonly answer: AnswerSpec;
  /** Bytes the visitor reads per millisecond; 0 reads as fast as they come. */
  readonly readBytesPerMs: number;
  readonly leaves: LeaveSpec | null;
};

export type RequestSpec = {
  readonly endpoint: Endpoint;
  readonly method: string;
  readonly credential: Credential;
  /** Length of the JSON request body, about; 0 for none. */
  readonly bodyBytes: number;
  /** The body comes in pieces of this size, one per millisecond. */
  readonly uploadPieceBytes: number;
  readonly range: { readonly first: number; readonly last: number } | null;
  readonly blocking: boolean;
  /** `accept-encoding`; empty sends none. */
  readonly acceptEncoding: string;
  readonly quirks?: readonly RequestQuirk[];
  /** Which one, where the endpoint is `odd`. */
  readonly odd?: OddRequest;
};

/** Where a visit goes. */
export type Endpoint =
  | "tunnel"
  | "track"
  | "health"
  | "signature_token"
  | "validate_signature"
  | "magic_token_store"
  | "magic_token_use"
  | "register"
  | "preflight"
  /** Requests that no client means. */
  | "bad_target"
  | "no_client_id"
  | "not_json"
  /** Nothing that a home would see. */
  | "odd";

/** What a visit proves itself with. */
export type Credential =
  | "client"
  /** The token without a scheme, as deployed agents send it. */
  | "bare"
  | "signature"
  | "access"
  | "none"
  | "wrong"
  /** The valid token of another client id. */
  | "foreign"
  | "expired";

/** What the home answers: the model of its service. */
export type AnswerSpec = {
  readonly status: number;
  readonly contentType: string;
  readonly bodyBytes: number;
  readonly declaresLength: boolean;
  readonly chunkBytes: number;
  readonly headAfterUs: number;
  readonly chunkEveryUs: number;
  readonly quirks?: readonly AnswerQuirk[];
};

/** When a visitor goes away of its own accord. */
export type LeaveSpec =
  | { readonly when: "after"; readonly us: number }
  | { readonly when: "at_head" }
  | { readonly when: "at_bytes"; readonly bytes: number };

/** A visitor opens a WebSocket, says some things and closes it. */
export type SocketOperation = {
  readonly kind: "socket";
  readonly id: number;
  readonly atMs: number;
  readonly home: number;
  readonly credential: Credential;
  readonly messages: readonly MessageSpec[];
  readonly closesAtMs: number;
  readonly quirk?: SocketQuirk;
};

export type MessageSpec = {
  readonly atMs: number;
  /** False for text that is no JSON. */
  readonly json: boolean;
  /** It also carries so many characters of two bytes each. */
  readonly wideCharacters: number;
};

/** A model agent sends something to visitor sockets unasked. */
export type PushOperation = {
  readonly kind: "push";
  readonly id: number;
  readonly atMs: number;
  readonly home: number;
  readonly to: "all" | "some" | "all_but_some" | "unknown";
};

/** Ids of visits that faults add begin here, far above those of a scenario. */
export const ADDED_VISITS_FROM = 1_000_000;
/** Ids of visits that prove, after the healing, that a home is reached again. */
export const PROBES_FROM = 2_000_000;

/** One fault: what goes wrong, where, from when to when, and how. */
export type Fault = {
  readonly id: number;
  readonly kind: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Index of the home, node or operation that it hits; what it indexes is the kind's. */
  readonly target: number;
  /** Whole numbers; what they mean is the kind's. */
  readonly parameters: Readonly<Record<string, number>>;
};
