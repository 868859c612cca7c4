/** What goes in and out of the machine of the origins. */
import type { OriginEffect } from "../effects.ts";
import type { OriginEvent } from "../events.ts";
import type { ConnectionEffect, ConnectionEvent } from "../http1/events.ts";

/** What the agent orders of a request. */
export type OriginOrder = Extract<
  OriginEffect,
  {
    readonly type: "origin_request" | "origin_send" | "origin_send_end" | "origin_pause" | "origin_abort";
  }
>;

/** What the agent is told. `only`: nobody else has a view of the buffer of these bytes. */
export type OriginFact =
  | Exclude<OriginEvent, { readonly type: "origin_body" }>
  | (Extract<OriginEvent, { readonly type: "origin_body" }> & { readonly only: boolean });

export type OriginsEvent =
  | { readonly type: "tick" }
  | ConnectionEvent
  | OriginOrder
  /** From now on requests count these origins, and connections are ordered with the numbers behind those of all before. */
  | { readonly type: "origins_changed"; readonly basePaths: readonly string[] }
  /** From now on requests mean another origin by that number, which may be the next one. */
  | { readonly type: "origin_changed"; readonly origin: number; readonly basePath: string }
  /** Nothing is asked of any origin any more: every connection is closed, and the requests that still run fail. */
  | { readonly type: "origins_close" };

export type OriginsEffect = ConnectionEffect | OriginFact;
