/** What a server says that speaks the MoosicBox protocol (protocol-moosicbox.md, Server to agent), and what it comes to. */
import { unreachable } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { HeaderList } from "../../http/headers.ts";
import { encodeTarget } from "../../http/target.ts";
import type { Outbox } from "../../outbox.ts";
import {
  decodeServerFrame,
  encodeSocketAnswer,
  type HttpFrame,
  type SocketFrame,
} from "../../wire/frames.ts";
import type { WireId } from "../../wire/packet.ts";
import { encodeUtf8 } from "../../wire/utf8.ts";
import { type CarrierFact, NOTHING } from "../carrier.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentState, MoosicBoxTunnel } from "../state.ts";
import { sendText, takesRefusals } from "./backpressure.ts";

/** A text message of the server. One that makes no sense harms only itself. */
export function receiveServerText(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  text: string,
  out: Outbox<AgentEffect>,
): CarrierFact {
  const frame = decodeServerFrame(text);
  switch (frame.type) {
    case "http_request":
      if (!tunnel.byWireId.has(frame.requestId)) return openedBy(tunnel, frame);
      onProtocolError(state, "a request has the id of one that runs", out);
      return NOTHING;
    case "abort":
      return abortedBy(tunnel, frame.requestId);
    case "socket_message":
      answerSocketMessage(state, tunnel, frame, out);
      return NOTHING;
    case "problem":
      onProtocolError(state, frame.detail, out);
      return NOTHING;
    default:
      return unreachable(frame);
  }
}

function openedBy(tunnel: MoosicBoxTunnel, frame: HttpFrame): CarrierFact {
  const { requestId, method, payload } = frame;
  return {
    type: "opened",
    protocol: "moosicbox",
    tunnel,
    requestId,
    request: {
      method,
      // HTTP can carry an empty target no more than one that cannot be encoded.
      target: encodeTarget(frame.path, frame.query) ?? "",
      headers: requestHeaders(frame),
      upgrade: false,
    },
    body: payload === null ? NO_BODY : encodeUtf8(payload),
    last: true,
    trailers: [],
  };
}

/**
 * MoosicBox's own sender says this of itself, and a home takes whoever says anything else for somebody on its own network: what it
 * keeps for those it would do for every visitor.
 */
const TUNNEL_USER_AGENT = "MOOSICBOX_TUNNEL";

function requestHeaders({ headers, profile, payload }: HttpFrame): HeaderList {
  const fields: string[] = ["user-agent", TUNNEL_USER_AGENT];
  for (const name of ["accept", "range"]) {
    const value = headers.get(name);
    if (value !== undefined) fields.push(name, value);
  }
  if (profile !== null) fields.push("moosicbox-profile", profile);
  if (payload !== null) fields.push("content-type", "application/json");
  return fields;
}

/** An exchange that has ended by now is no fault: the two crossed. */
function abortedBy(tunnel: MoosicBoxTunnel, wireId: WireId): CarrierFact {
  const carried = tunnel.byWireId.get(wireId);
  return carried === undefined ? NOTHING : { type: "aborted", exchange: carried.exchange };
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

const NO_BODY = new Uint8Array(0);

const NO_SOCKETS =
  '{"error":{"code":"visitor_sockets_unsupported","message":"This home answers HTTP requests only."}}';
