/**
 * The native handshake inside the socket: the agent has said hello, and the server's first message must be its welcome.
 * Until then nothing else may come, and a session that there was waits.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { arm } from "../../timers.ts";
import { decodeWelcome } from "../../wire/native.ts";
import { welcomeSession } from "../native/session.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentState, Life, Link } from "../state.ts";
import { enterConnected, rejectGreeting } from "./life.ts";
import { loseRunning, tunnelBase } from "./tunnel.ts";
import { tellWays } from "./ways.ts";

export type Greeting = Extract<Life, { phase: "greeting" }>;

/** The first message on a socket that speaks the native protocol. */
export function onGreetingBytes(
  state: AgentState,
  link: Link,
  greeting: Greeting,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  const { socket, helloUnsentBytes, ticket } = greeting;
  const welcome = decodeWelcome(bytes);
  if (welcome === null) {
    onGreetingBroken(state, link, socket, "the first frame is no welcome", out);
    return;
  }
  const { resumed } = welcome;
  if (resumed && ticket === null) {
    onGreetingBroken(state, link, socket, "a session is resumed that nobody asked for", out);
    return;
  }
  if (!resumed) loseRunning(state, link, out);
  const session = welcomeSession(state, link, welcome, socket);
  link.node = welcome.node ?? null;
  const base = tunnelBase(state, socket, resumed);
  enterConnected(state, link, { ...base, protocol: "native", session, helloUnsentBytes }, out);
  tellWays(state, welcome.ways ?? null, out);
}

export function onGreetingBroken(
  state: AgentState,
  link: Link,
  socket: SocketId,
  detail: string,
  out: Outbox<AgentEffect>,
): void {
  onProtocolError(state, detail, out);
  rejectGreeting(state, link, socket, detail, out);
}

/**
 * The grace time is over. A hello that is under way may still bring the session back, though: were it given up now, the
 * server could open an exchange anew of which it never heard, and the origin would be asked twice.
 */
export function onGraceOver(state: AgentState, link: Link, out: Outbox<AgentEffect>): void {
  const { session, life, lifeTimer } = link;
  assert(session !== null, "a grace time outlived its session");
  if (life.phase === "greeting") arm(state.timers, session.graceTimer, lifeTimer.atMs);
  else loseRunning(state, link, out);
}
