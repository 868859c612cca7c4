/**
 * What a checker is.
 *
 * A checker states one property. It watches from outside, at every hop: what each machine is told and orders, what
 * crosses the wire, what the registry's rows were, what visitors got and what homes were asked. All that it may look at
 * is in this folder and in the ledger; it knows the model of `sim/scenario/model.ts` and nothing of how `core/` works:
 * of `core/` only the types of events and effects are known here.
 */
import type { EdgeEffect, EdgeEvent } from "../../core/edge/events.ts";
import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../core/events.ts";
import type { ConnectionId } from "../../core/ids.ts";
import type { OriginsEffect, OriginsEvent } from "../../core/origins/origins.ts";
import type { HeldToken } from "../../core/registry.ts";
import type { BrowserAnswer } from "./browser.ts";
import type { Finish } from "./finish.ts";
import type { HomeCall, HomeConnectionRecord } from "./home-call.ts";
import type { RegistryChange } from "./registry-row.ts";
import type { Setting } from "./setting.ts";
import type { SteppedEdge, SteppedOrigins, SteppedProcess, SteppedServer } from "./stepped.ts";
import type { Visit, VisitEnd } from "./visit.ts";
import type { SeenVisitorSocket } from "./visitor-socket.ts";

/** The hooks of one property; each is called at its hop, and any may report a violation. */
export type Checker = {
  readonly begun?: (setting: Setting) => void;
  /**
   * Kinds of events and effects. Where they are given, the checker is called only after steps that have one of them: it
   * would find nothing to do after the others, and they are most of a run.
   */
  readonly sees?: readonly StepPart[];
  /** After each step of a machine, before its effects are obeyed. `effects` holds `count` of them. */
  readonly serverStep?: ServerStepped;
  readonly agentStep?: AgentStepped;
  /** The same of the machine that has the connections to an agent's home. */
  readonly originsStep?: OriginsStepped;
  /** Of the machine that speaks HTTP to visitors, in a server's process. */
  readonly edgeStep?: EdgeStepped;
  readonly registryChanged?: (change: RegistryChange) => void;
  /** A token was deleted, whoever uses it; one that was is there again. */
  readonly tokenRevoked?: (token: HeldToken) => void;
  readonly tokenRestored?: (token: HeldToken) => void;
  readonly visitStarted?: (visit: Visit) => void;
  /** An interim response, `100 Continue` among them. */
  readonly visitInterim?: (visit: Visit, status: number) => void;
  /** What came on a connection is no answer by RFC 9112. */
  readonly responseMalformed?: (why: string) => void;
  /** What came of a home's WebSocket is no frame that a home sends. */
  readonly visitFrameBroken?: (visit: Visit) => void;
  readonly visitHead?: (visit: Visit, status: number, headers: readonly string[]) => void;
  /** Before the bytes are added to `visit.bytesReceived`. */
  readonly visitBody?: (visit: Visit, bytes: Uint8Array) => void;
  readonly visitEnded?: (visit: Visit, end: VisitEnd) => void;
  readonly browserAnswered?: (answer: BrowserAnswer) => void;
  /** A visitor has closed his connection in order; the server finds his end behind what it has still to read. */
  readonly visitorGone?: (gone: GoneVisitor) => void;
  readonly visitorSocketText?: (socket: SeenVisitorSocket, text: string) => void;
  readonly homeCalled?: (call: HomeCall) => void;
  readonly homeCallEnded?: (call: HomeCall) => void;
  /** What came on a home's connection is no request, or no part of the one that it belongs to. */
  readonly homeMisread?: (connection: HomeConnectionRecord, why: string) => void;
  /** The faulty phase is over: from now on the chosen core of the world is healthy. */
  readonly healed?: () => void;
  /** A minute after the healing. */
  readonly settled?: (finish: Finish) => void;
  readonly finished?: (finish: Finish) => void;
};

export type GoneVisitor = {
  readonly process: string;
  readonly connection: ConnectionId;
  /** What the server has read of it, in so many pieces, and what it has not. */
  readonly pieces: number;
  readonly readBytes: number;
  readonly unreadBytes: number;
  /** By the world's clock. */
  readonly atMs: number;
};

export type StepPart = (
  | ServerEvent
  | ServerEffect
  | AgentEvent
  | AgentEffect
  | OriginsEvent
  | OriginsEffect
  | EdgeEvent
  | EdgeEffect
)["type"];

export type ServerStepped = Stepped<SteppedServer, ServerEvent, ServerEffect>;
export type EdgeStepped = Stepped<SteppedEdge, EdgeEvent, EdgeEffect>;
export type AgentStepped = Stepped<SteppedProcess, AgentEvent, AgentEffect>;
export type OriginsStepped = Stepped<SteppedOrigins, OriginsEvent, OriginsEffect>;

export type Stepped<Process, Event, Effect> = (
  process: Process,
  event: Event,
  effects: readonly (Effect | undefined)[],
  count: number,
) => void;

export type Violate = (kind: "safety" | "liveness", message: string) => void;

/**
 * To be called each time something was really held against the property, and not merely looked at: a property that
 * judged nothing in a whole CI run fails it, since it proves nothing.
 */
export type Judged = () => void;

/** One property: its name in a failure report, and its watcher, made anew for each run. */
export type Property = {
  readonly name: string;
  readonly create: (violate: Violate, judged: Judged) => Checker;
};

export type Violation = {
  readonly kind: "safety" | "liveness";
  /** The checker's name. */
  readonly name: string;
  readonly message: string;
  /** Steps of machines taken before. */
  readonly step: number;
  readonly atMs: number;
};
