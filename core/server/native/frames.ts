/** What a native agent says (`../../wire/native.md`): its hello, and then the frames of the session that its tunnel carries. */
import type { ServerEffect } from "../../effects.ts";
import { FAILURE_CODES, type FailureCode, failureOf } from "../../failure.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { type Received, receiveFrame } from "../../session/receive.ts";
import { resetStream } from "../../session/send.ts";
import type { Stream } from "../../session/state.ts";
import { decodeHello } from "../../wire/native.ts";
import { responseHead } from "../answer-head.ts";
import { type CarrierFact, NOT_FINAL } from "../carrier.ts";
import { markAway } from "../owner/homes.ts";
import { touch } from "../owner/sessions.ts";
import { reportProtocolError } from "../sockets/protocol-error.ts";
import type { ServerState } from "../state/server.ts";
import type { NativeCarried, NativeTunnel, Tunnel, TunnelSession } from "../state/tunnels.ts";

export function readNativeFrame(
  state: ServerState,
  tunnel: Tunnel,
  native: NativeTunnel,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): CarrierFact | null {
  const { session } = native;
  if (session === null) {
    const hello = decodeHello(bytes);
    if (hello === null) return { type: "violation", detail: "The agent's first frame is no hello." };
    return { type: "hello", hello };
  }
  // It goes on after our welcome, so the agent has the ticket that came with it.
  session.previousTicketHash = null;
  touch(state, session);
  const received = receiveFrame(session.link, bytes);
  switch (received.type) {
    case "nothing":
      return null;
    case "interim": {
      const carried = carriedOn(session, received.stream);
      if (carried === null) return null;
      return {
        type: "interim",
        exchange: carried.exchange,
        status: received.status,
        headers: received.headers,
      };
    }
    case "piece":
      return readPiece(state, session, received);
    case "reset": {
      const carried = carriedOn(session, received.stream);
      if (carried === null) return null;
      const code = failureOfReset(received.code);
      return { type: "broken", exchange: carried.exchange, code, detail: null };
    }
    case "broken": {
      const { code, detail, stream } = received;
      reportProtocolError(state, tunnel, detail, out);
      const carried = carriedOn(session, stream);
      if (carried !== null) return { type: "broken", exchange: carried.exchange, code, detail };
      resetStream(session.link, stream, code);
      return null;
    }
    case "resumed":
      return received.forgotten.length === 0 ? null : forgotten(session, received.forgotten);
    case "draining":
      session.draining = true;
      markAway(state, session.clientId, session.access);
      return null;
    case "moved":
      session.moved = true;
      return null;
    case "opened":
      return { type: "violation", detail: "The agent opened an exchange." };
    case "violation":
      return { type: "violation", detail: received.detail };
  }
}

function readPiece(
  state: ServerState,
  session: TunnelSession,
  { stream, head, body, last, trailers }: Extract<Received, { readonly type: "piece" }>,
): CarrierFact | null {
  const carried = carriedOn(session, stream);
  if (carried === null) {
    state.counters.strayPackets++;
    return null;
  }
  state.counters.bytesIn += body.length;
  const { exchange } = carried;
  // A piece is a frame's last use: its head and trailers were read, and the body is nobody's but the visitor's.
  if (head === null) return { type: "piece", exchange, head: null, body, lastUse: true, last, trailers };
  const passed = responseHead(head, carried.accept);
  if (passed !== null) return { type: "piece", exchange, head: passed, body, lastUse: true, last, trailers };
  state.counters.agentProtocolErrors++;
  return { type: "broken", exchange, code: "agent_protocol", detail: NOT_FINAL };
}

function forgotten(session: TunnelSession, streams: readonly Stream[]): CarrierFact {
  const exchanges: ExchangeId[] = [];
  for (const stream of streams) {
    const carried = carriedOn(session, stream);
    if (carried !== null) exchanges.push(carried.exchange);
  }
  return { type: "forgotten", exchanges };
}

/** The record of the exchange that still needs the stream. The number of an exchange on the wire is its id. */
function carriedOn(session: TunnelSession, stream: Stream): NativeCarried | null {
  const carried = session.exchanges.get(stream.id as ExchangeId);
  return carried?.stream === stream ? carried : null;
}

/** An agent may give any reason of its own side; what it says of the visitor or of this server is not its to say. */
function failureOfReset(code: string): FailureCode {
  if (code === "forgotten") return "agent_lost";
  const known = FAILURE_CODES.find((each) => each === code);
  return known !== undefined && failureOf(known).status >= 502 ? known : "agent_gave_up";
}
