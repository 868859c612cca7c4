/** What an agent says that speaks MoosicBox's protocol (protocol-moosicbox.md, Agent to server). */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { decodeAgentText } from "../../wire/frames.ts";
import { decodePacket, type PacketProblem } from "../../wire/packet.ts";
import type { CarrierFact } from "../carrier.ts";
import { reportProtocolError } from "../sockets/protocol-error.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";
import { onStray } from "./aborts.ts";
import { answerable, readPacket } from "./packets.ts";
import { relayAnswer } from "./relay.ts";

export function readMoosicBoxBytes(
  state: ServerState,
  tunnel: Tunnel,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): CarrierFact | null {
  const packet = decodePacket(bytes, state.config.limits.responseHeaderBytesMax);
  if (packet.type === "packet") return readPacket(state, tunnel, packet, out);
  return readProblem(state, tunnel, packet, out);
}

export function readMoosicBoxText(
  state: ServerState,
  tunnel: Tunnel,
  text: string,
  out: Outbox<ServerEffect>,
): CarrierFact | null {
  const frame = decodeAgentText(text, state.config.limits.responseHeaderBytesMax);
  switch (frame.type) {
    case "packet":
      return readPacket(state, tunnel, frame, out);
    case "socket_answer":
      relayAnswer(state, tunnel, frame, out);
      return null;
    case "abort": {
      const carried = answerable(state, tunnel, frame.requestId);
      if (carried !== undefined) {
        return { type: "broken", exchange: carried.exchange, code: "agent_gave_up", detail: null };
      }
      onStray(state, tunnel, frame.requestId, out);
      return null;
    }
    case "problem":
      return readProblem(state, tunnel, frame, out);
  }
}

/** A packet that cannot be read ends its exchange if it names one; the tunnel lives. */
function readProblem(
  state: ServerState,
  tunnel: Tunnel,
  { requestId, code, detail }: PacketProblem,
  out: Outbox<ServerEffect>,
): CarrierFact | null {
  reportProtocolError(state, tunnel, detail, out);
  if (requestId === null) return null;
  const carried = answerable(state, tunnel, requestId);
  if (carried !== undefined) return { type: "broken", exchange: carried.exchange, code, detail };
  onStray(state, tunnel, requestId, out);
  return null;
}
