/**
 * A scenario: plain JSON data that says everything about a run. `run(scenario)` is a function of it.
 *
 * Operations and faults have ids of their own and draw from streams named by them, so any of them can be taken out
 * and the rest still does what it did.
 */

import type { EdgeLimits } from "../../core/edge/limits.ts";
import type { AgentLimits, ServerLimits } from "../../core/limits.ts";
import type { RegisterAgain } from "../../core/registry/credentials.ts";
import type { Seed } from "../tools/random.ts";
import type { AnswerQuirk } from "./answers.ts";
import type { Delivery } from "./deliveries.ts";
import type { OddRequest } from "./odd-requests.ts";
import type { RequestQuirk, SocketQuirk } from "./quirks.ts";

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
  /** Of visitors' connections; the shipped ones where left out. */
  readonly edgeLimits?: Partial<EdgeLimits>;
  /** From a node to the registry and back. */
  readonly registryLatencyUs: number;
  readonly visitorPath: PathSettings;
  /** Between nodes, which are one cluster then; each is by itself where left out. */
  readonly peerPath?: PathSettings;
  /** Origins whose pages may read answers; any, where left out. */
  readonly corsOrigins?: readonly string[];
  /** Addresses and blocks of proxies whose word on the visitor is believed; nobody's, where left out. */
  readonly trustedProxies?: readonly string[];
  /** Whether paths below `/t/` are homes'; they are where left out. */
  readonly pathRouting?: false;
  /** When the operator's token registers a client id again: as shipped, where left out. */
  readonly registerAgain?: Exclude<RegisterAgain, "moosicbox">;
  readonly homes: readonly HomeSpec[];
  readonly operations: readonly Operation[];
  readonly faults: readonly Fault[];
};

export type HomeSpec = {
  readonly clientId: string;
  /** Which program keeps its tunnel: ours, or a model of the deployed one. */
  readonly agent: "culvert" | "moosicbox";
  /** Whether it has a name of its own beside the one of the domain. */
  readonly isNamed?: true;
  readonly queue: QueueOrder;
  /** Largest message that its agent sends. */
  readonly packetBytes: number;
  /** Begins without a client token, so that it registers first. */
  readonly registers: boolean;
  /** The node that its agent and its visitors are led to. */
  readonly node: number;
  readonly path: PathSettings;
  /** Between its agent and its service: a quick one where left out. */
  readonly lan?: PathSettings;
  /** Its service ends a connection on which nothing was asked for so long: five seconds where left out. */
  readonly idleMs?: number;
  /** What our own agent speaks: MoosicBox's protocol where left out. */
  readonly protocol?: "moosicbox" | "native" | "auto";
  /**
   * How many links our own agent keeps, behind a balancer that leads each of its dials to any node, perhaps to one that it has a link
   * to; one, to the home's node, where left out.
   */
  readonly links?: number;
  /** What our own agent tells its home as the host, and that it sets a field of its own: the home's name where left out. */
  readonly hostHeader?: "visitor" | "fixed";
  /** Who may visit it by its own name or path: whoever has a token, where left out. */
  readonly access?: "public" | "basic";
  /** Belongs to the core of the world that heals; all the others stay broken for good. */
  readonly heals: boolean;
  /** Its agent was set up wrongly: with no access token or another one, or with a client token that has expired. */
  readonly misfit?: "no_access" | "wrong_access" | "expired_client" | "expired_client_no_access";
};

/**
 * `smaller_first` is the send queue of the deployed agents: smaller messages overtake larger ones, equal sizes stay in
 * order. What ends a connection goes last in either.
 */
export type QueueOrder = "fifo" | "smaller_first";

/** The network between one place and the server. */
export type PathSettings = {
  readonly latencyUs: number;
  /** Each frame takes up to this much longer; frames never overtake one another. */
  readonly jitterUs: number;
  readonly bytesPerMs: number;
  /** What fits between a sender and a reader who does not read. */
  readonly windowBytes: number;
};

export type Operation =
  | VisitOperation
  | SocketOperation
  | PushOperation
  | CertificateOperation
  | BrowserOperation;

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
  /** The node that a balancer leads it to; where its home is led to, if left out. */
  readonly node?: number;
  readonly leaves: LeaveSpec | null;
  /** A connection of its own, spoken to in the plainest way and closed after the answer, where left out. */
  readonly connection?: ConnectionSpec;
};

/** How a visit uses its connection; each member that is left out is the plainer way. */
export type ConnectionSpec = {
  /** It comes on the connection of this earlier visit to the same home, if that takes it. */
  readonly onto?: number;
  /** It does not wait for the answers to what came before on it. */
  readonly pipelined?: true;
  /** So long after its answer the connection stays open. */
  readonly staysMs?: number;
  /** What it writes leaves in pieces of at most so many bytes. */
  readonly pieceBytesMax?: number;
  /** The version of HTTP is 1.0. */
  readonly old?: true;
  /** Says that no other request follows. */
  readonly closes?: true;
  /** Behind the last request it goes on with so many bytes, which are none. */
  readonly surplusBytes?: number;
  /** Its body comes in chunks of at most so many bytes, with no length before it. */
  readonly chunkBytesMax?: number;
  /** How it goes away before its time, if it does: closes the connection where left out. */
  readonly leavesBy?: "reset" | "half";
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
  /** How it names its home: `clientId` in the query where left out. */
  readonly way?: "host" | "path";
  /** A WebSocket handshake with the home's own service; what follows it is the request body. */
  readonly upgrade?: true;
  /** Sends its body only after `100 Continue`. */
  readonly expects?: true;
  /** Does not say how long its body is, and sends trailers behind it. */
  readonly trailers?: true;
  /** Time between two pieces of the body, 1 ms where left out. */
  readonly uploadEveryUs?: number;
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
  /** The visitor token of the home. */
  | "visitor"
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
  /** How it goes out in bytes; the plainest way where left out. */
  readonly deliveries?: readonly Delivery[];
  /** So many responses 103 come before it. */
  readonly interims?: number;
  /** Trailers follow the body, where that has no declared length. */
  readonly trailers?: true;
  /** It does not wait for the end of the request. */
  readonly early?: true;
  /** Of a WebSocket: it says good-bye behind its last message, and then hears the other side out. */
  readonly closes?: true;
  /** How fast the home takes a request body in; at once where left out. */
  readonly takesBytesPerMs?: number;
};

/** When a visitor goes away of its own accord. */
export type LeaveSpec =
  | { readonly when: "after"; readonly us: number }
  | { readonly when: "at_head" }
  | { readonly when: "at_bytes"; readonly bytes: number };

export function isNative({ agent, protocol = "moosicbox" }: Partial<HomeSpec>): boolean {
  return agent === "culvert" && protocol !== "moosicbox";
}

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
  /** `neighbours` and `neighbours_questions` are those whose numbers are near its own: other homes' among them. */
  readonly to: "all" | "some" | "all_but_some" | "unknown" | "neighbours" | "neighbours_questions";
};

/** The proxy in front of a node is asked for a name that it has no certificate of. */
export type CertificateOperation = {
  readonly kind: "certificate";
  readonly id: number;
  readonly atMs: number;
  /** Whose name it is, where it is a home's. */
  readonly home: number;
  readonly name: CertificateName;
};

/** `stranger`: below the domain, and no home's; `odd`: one that no home can have. */
export type CertificateName = "domain" | "home" | "own" | "stranger" | "odd";

/** Somebody with a browser comes to a home, signs in and out, and other pages use the browser against him. */
export type BrowserOperation = {
  readonly kind: "browser";
  readonly id: number;
  readonly atMs: number;
  readonly home: number;
  readonly way: "host" | "path";
  /** Over TLS, by way of a proxy that says so; where the run trusts one. */
  readonly secure?: true;
  /** Says no `Sec-Fetch-*`. */
  readonly old?: true;
  /** Its clock is behind: no cookie expires. */
  readonly keepsCookies?: true;
  readonly steps: readonly BrowserStep[];
};

export type BrowserStep = {
  /** After the answer to the step before. */
  readonly afterMs: number;
  readonly does: BrowserDeed;
};

/**
 * `look`: types the address of a page. `follow`: comes by a link from elsewhere. `fetch`: what a page of the home asks for. Those
 * that begin with `foreign_` are of pages of another home.
 */
export type BrowserDeed =
  | "look"
  | "follow"
  | "fetch"
  | "sign_in"
  | "sign_in_wrongly"
  | "sign_in_page"
  | "sign_out"
  | "sign_out_page"
  | "foreign_fetch"
  | "foreign_form"
  | "foreign_sign_in"
  | "foreign_sign_out";

/** Ids of visits that faults add begin here, far above those of a scenario. */
export const ADDED_VISITS_FROM = 1_000_000;
/** Ids of visits that prove, after the healing, that a home is reached again. */
export const PROBES_FROM = 2_000_000;

/**
 * What `Fault.target` counts: homes, nodes or operations; `world` faults have one target, 0, and so have those that may harm
 * `nobody`.
 */
export type FaultTarget = "home" | "node" | "visit" | "world" | "nobody";

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
