/** What comes on an open socket: heard, read by the carrier of its tunnel, and handed to whom it is about. */
import { assert, unreachable } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { ServerEvent } from "../../events.ts";
import type { Outbox } from "../../outbox.ts";
import type { CarrierFact } from "../carrier.ts";
import { readBytes, readText } from "../carriers.ts";
import { onVisitorText } from "../moosicbox/relay.ts";
import { onNativeFlushed, pumpNext } from "../native/pump.ts";
import { onHeard } from "../sockets/heartbeat.ts";
import type { ServerState } from "../state/server.ts";
import type { Socket, Tunnel } from "../state/tunnels.ts";
import { exchangeOf, failExchange } from "../visitor/exchange.ts";
import { onRequestRelieved } from "../visitor/request.ts";
import { onInterim, onParked, onPiece } from "../visitor/response.ts";
import { closeForViolation, closeSocket } from "./close.ts";
import { onHello } from "./open.ts";

export function onSocketFrame(
  state: ServerState,
  socket: Socket,
  event: Extract<ServerEvent, { readonly type: "socket_text" | "socket_bytes" | "socket_heard" }>,
  out: Outbox<ServerEffect>,
): void {
  // What was on its way when the close was ordered falls on the floor.
  if (socket.phase === "closing") return;
  assert(socket.phase === "live", "something came on a socket that is not open");
  onHeard(state, socket);
  if (event.type === "socket_heard") return;
  const isText = event.type === "socket_text";
  if (socket.kind === "visitor") {
    if (isText) onVisitorText(state, socket, event.text, out);
    else closeSocket(state, socket, "not_text", out);
    return;
  }
  const fact = isText ? readText(state, socket, event.text, out) : readBytes(state, socket, event.bytes, out);
  if (fact !== null) onFact(state, socket, fact, out);
}

function onFact(state: ServerState, tunnel: Tunnel, fact: CarrierFact, out: Outbox<ServerEffect>): void {
  switch (fact.type) {
    case "piece":
      return onPiece(state, exchangeOf(state, fact.exchange), fact, out);
    case "interim":
      return onInterim(state, exchangeOf(state, fact.exchange), fact.status, fact.headers, out);
    case "parked":
      return onParked(state, exchangeOf(state, fact.exchange), fact.bytes, out);
    case "broken": {
      const { code, detail } = fact;
      const extra = detail === null ? {} : { detail };
      return failExchange(state, exchangeOf(state, fact.exchange), code, out, extra);
    }
    case "forgotten":
      for (const id of fact.exchanges) failExchange(state, exchangeOf(state, id), "agent_lost", out);
      return;
    case "hello":
      return onHello(state, tunnel, fact.hello, out);
    case "violation":
      return closeForViolation(state, tunnel, fact.detail, out);
    default:
      unreachable(fact);
  }
}

export function onSocketFlushed(state: ServerState, socket: Socket, bytes: number): void {
  if (socket.kind === "tunnel" && socket.native !== null) {
    return onNativeFlushed(state, socket, socket.native, bytes);
  }
  assert(bytes <= socket.unsentBytes, "a socket sent more than it was given");
  socket.unsentBytes -= bytes;
}

/** The end of a step that touched sessions: what they have to send leaves, and whoever has room again is read on. */
export function pumpSessions(state: ServerState, out: Outbox<ServerEffect>): void {
  for (let relieved = pumpNext(state, out); relieved !== null; relieved = pumpNext(state, out)) {
    for (const id of relieved) onRequestRelieved(state, id, out);
  }
}
