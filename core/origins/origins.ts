/**
 * The state machine of the origins: requests of the agent on one side, connections to the home's services on the other. It
 * stands between the agent's machine and the sockets of an adapter: orders become bytes, and bytes become facts. This file
 * only tells events apart; `client.ts` has the policy.
 *
 * Each `origin_request` comes to exactly one `origin_ended` or `origin_failed`, its last fact, unless it is aborted: then no
 * fact follows, not even that. Orders for a request that is over are ignored, since its last fact may be on the way.
 */
import { assert, unreachable } from "../assert.ts";
import type { Outbox } from "../outbox.ts";
import { createTimers, fireDue, nextDeadlineMs, type Timers } from "../timers.ts";
import { checkClient } from "./check.ts";
import {
  abort,
  type Client,
  type ClientLimits,
  type ConnectionTimerOwner,
  closeClient,
  createClient,
  type ExchangeFact,
  endBody,
  nextFact,
  onConnectionDeadline,
  onConnectionEvent,
  pause,
  request,
  send,
} from "./client.ts";
import type { OriginFact, OriginsEffect, OriginsEvent } from "./events.ts";

import { retire } from "./pool.ts";
import { configureOrigin, configureOrigins } from "./state.ts";

export type { OriginFact, OriginOrder, OriginsEffect, OriginsEvent } from "./events.ts";

export type OriginsConfig = {
  readonly limits: ClientLimits;
  /** One for each configured origin: what goes before every target; empty or without a slash at its end. */
  readonly basePaths: readonly string[];
  /** As of the client. */
  readonly toPeers?: boolean;
};

export type Origins = {
  nowMs: number;
  readonly timers: Timers<ConnectionTimerOwner>;
  readonly client: Client;
};

export function createOrigins({ limits, basePaths, toPeers = false }: OriginsConfig): Origins {
  const timers = createTimers<ConnectionTimerOwner>();
  return { nowMs: 0, timers, client: createClient({ limits, timers, basePaths, toPeers }) };
}

/** When the next `tick` is due, in the milliseconds of `nowMs`; Infinity when nothing is armed. */
export function originsDeadlineMs(origins: Origins): number {
  return nextDeadlineMs(origins.timers);
}

/** Takes one event at one time, which never runs backwards. */
export function stepOrigins(
  origins: Origins,
  nowMs: number,
  event: OriginsEvent,
  out: Outbox<OriginsEffect>,
): void {
  assert(nowMs >= origins.nowMs, "time went backwards");
  assert(out.count === 0, "the effects of the previous step were not carried out");
  origins.nowMs = nowMs;
  take(origins, event, out);
  const { client } = origins;
  for (let fact = nextFact(client, nowMs, out); fact !== null; ) {
    const next = nextFact(client, nowMs, out);
    out.push(told(fact, next?.exchange === fact.exchange ? next.type : null));
    fact = next;
  }
}

/** Throws an `InvariantError` that names what is broken. */
export function checkOrigins({ client, timers }: Origins): void {
  assert(checkClient(client) === timers.heap.length, "a timer has no connection");
}

function take({ client, timers, nowMs }: Origins, event: OriginsEvent, out: Outbox<OriginsEffect>): void {
  switch (event.type) {
    case "tick":
      return fireDue(timers, nowMs, ({ connection }) => onConnectionDeadline(client, nowMs, connection, out));
    case "connection_opened":
    case "connection_bytes":
    case "connection_flushed":
    case "connection_ended":
    case "connection_closed":
      return onConnectionEvent(client, nowMs, event, out);
    case "origin_request":
      return request(client, nowMs, event.exchange, event, out);
    case "origin_send":
      return send(client, event.exchange, event.bytes, out);
    case "origin_send_end":
      return endBody(client, event.exchange, event.trailers, out);
    case "origin_pause":
      return pause(client, nowMs, event.exchange, event.paused, out);
    case "origin_abort":
      return abort(client, event.exchange, out);
    case "origins_changed":
      retire(client, client.origins, out);
      return configureOrigins(client, event.basePaths);
    case "origin_changed":
      retire(client, client.origins.slice(event.origin, event.origin + 1), out);
      return configureOrigin(client, event.origin, event.basePath);
    case "origins_close":
      return closeClient(client, out);
    default:
      unreachable(event);
  }
}

/** `next`: what follows of the same exchange. */
function told(fact: ExchangeFact, next: ExchangeFact["type"] | null): OriginFact {
  const { exchange } = fact;
  const follows = next === "body" ? BODY_FOLLOWS : next === "ended" ? END_FOLLOWS : NOTHING_FOLLOWS;
  switch (fact.type) {
    case "interim":
      return { type: "origin_interim", exchange, status: fact.status, headers: fact.headers };
    case "flushed":
      return { type: "origin_flushed", exchange, bytes: fact.bytes };
    case "head":
      return { type: "origin_head", exchange, status: fact.status, headers: fact.headers, ...follows };
    case "body":
      return { type: "origin_body", exchange, bytes: fact.bytes, only: fact.only, ...follows };
    case "ended":
      return { type: "origin_ended", exchange, trailers: fact.trailers };
    case "failed":
      return { type: "origin_failed", exchange, fault: fact.fault };
  }
}

const BODY_FOLLOWS = { follows: "body" } as const;
const END_FOLLOWS = { follows: "end" } as const;
const NOTHING_FOLLOWS = {};
