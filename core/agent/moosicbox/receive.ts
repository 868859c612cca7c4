/** What a server says that speaks the MoosicBox protocol (protocol-moosicbox.md, Server to agent). */
import { unreachable } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { decodeServerFrame, encodeSocketAnswer, type SocketFrame } from "../../wire/frames.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentState, MoosicBoxTunnel } from "../state.ts";
import { sendText, takesRefusals } from "./backpressure.ts";
import { onAbortFrame, onRequestFrame } from "./exchange.ts";

/** A text message of a server that speaks the MoosicBox protocol. */
export function onServerText(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  text: string,
  out: Outbox<AgentEffect>,
): void {
  const frame = decodeServerFrame(text);
  switch (frame.type) {
    case "http_request":
      onRequestFrame(state, tunnel, frame, out);
      break;
    case "abort":
      onAbortFrame(state, tunnel, frame.requestId, out);
      break;
    case "socket_message":
      answerSocketMessage(state, tunnel, frame, out);
      break;
    case "problem":
      onProtocolError(state, frame.detail, out);
      break;
    default:
      unreachable(frame);
  }
}

/** This agent's origin speaks HTTP only; a visitor socket is told so. An answer to request 0 would go to all of them. */
function answerSocketMessage(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  frame: SocketFrame,
  out: Outbox<AgentEffect>,
): void {
  const { requestId } = frame;
  if (requestId === 0) onProtocolError(state, "a visitor socket's message has no request id", out);
  else if (!takesRefusals(state, tunnel))
    onProtocolError(state, "the server asks on without reading the answers", out);
  else sendText(state, tunnel, encodeSocketAnswer({ requestId, body: NO_SOCKETS, to: null }), out);
}

const NO_SOCKETS =
  '{"error":{"code":"visitor_sockets_unsupported","message":"This home answers HTTP requests only."}}';
