/** The rooms of the carriers: which of them has an exchange, and which reads a tunnel's frames. Nothing else tells them apart. */
import { assert } from "../assert.ts";
import type { ServerEffect } from "../effects.ts";
import type { ExchangeOpened } from "../events.ts";
import type { Outbox } from "../outbox.ts";
import type { CarrierFact, CarrierOrder, Intake, OpenOrder, PieceFact, Refusal } from "./carrier.ts";
import { readMoosicBoxBytes, readMoosicBoxText } from "./moosicbox/frames.ts";
import { nextPacket } from "./moosicbox/packets.ts";
import { moosicBoxRefusal, obeyMoosicBox, openMoosicBox, payloadOf } from "./moosicbox/requests.ts";
import { readNativeFrame } from "./native/frames.ts";
import { hasRoom, obeyNative, openNative, queuedBytesOf } from "./native/requests.ts";
import { sendableSession } from "./owner/sessions.ts";
import { hasPeerRoom, obeyPeer, openPeer } from "./peer/requests.ts";
import type { PeerConnection } from "./state/peers.ts";
import type { ServerState } from "./state/server.ts";
import type { Carried, Tunnel } from "./state/tunnels.ts";

export function intakeOf({ native }: Tunnel): Intake {
  if (native === null) return "gathered";
  return sendableSession(native) === null ? "not_now" : "streamed";
}

/** Why the tunnel's carrier takes no such request, whatever its body; null where it may take it. */
export function refusalOf({ native }: Tunnel, request: ExchangeOpened, target: string): Refusal | null {
  return native === null ? moosicBoxRefusal(request, target) : null;
}

/** A body as a carrier that takes requests whole is given it. */
export function gatheredBody(parts: readonly Uint8Array[]): string | null | Refusal {
  return payloadOf(parts);
}

/** Begins an exchange's way over the tunnel, whose intake is not `not_now`, or to another node. */
export function openOn(
  state: ServerState,
  way: Tunnel | PeerConnection,
  order: OpenOrder,
  out: Outbox<ServerEffect>,
): Carried | Refusal {
  if ("peerUrl" in way) return openPeer(state, way, order, out);
  const tunnel = way;
  if (tunnel.native === null) return openMoosicBox(state, tunnel, order, out);
  const session = sendableSession(tunnel.native);
  assert(session !== null, "a request is given to a carrier that takes none");
  return openNative(state, session, order);
}

export function obey(
  state: ServerState,
  carried: Carried,
  order: CarrierOrder,
  out: Outbox<ServerEffect>,
): void {
  switch (carried.carrier) {
    case "native":
      return obeyNative(state, carried, order);
    case "moosicbox":
      return obeyMoosicBox(state, carried, order, out);
    case "peer":
      return obeyPeer(state, carried, order, out);
  }
}

/** Whether the carrier takes more of the request body without an end. */
export function takesMore(state: ServerState, carried: Carried): boolean {
  switch (carried.carrier) {
    case "native":
      return hasRoom(carried);
    case "moosicbox":
      return true;
    case "peer":
      return hasPeerRoom(state, carried);
  }
}

/** Whether a body is asked for only when the other side does, however long that takes. */
export function asksForBody(carried: Carried): boolean {
  return carried.carrier === "peer";
}

/** Bytes of the request that the carrier holds. */
export function carriedBytes(carried: Carried): number {
  switch (carried.carrier) {
    case "native":
      return queuedBytesOf(carried);
    case "moosicbox":
      return 0;
    case "peer":
      return carried.queuedBytes;
  }
}

/** A piece that was parked and whose turn has come; null where there is none. */
export function nextPiece(carried: Carried): PieceFact | null {
  return carried.carrier === "moosicbox" ? nextPacket(carried) : null;
}

export function readBytes(
  state: ServerState,
  tunnel: Tunnel,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): CarrierFact | null {
  const { native } = tunnel;
  if (native === null) return readMoosicBoxBytes(state, tunnel, bytes, out);
  return readNativeFrame(state, tunnel, native, bytes, out);
}

export function readText(
  state: ServerState,
  tunnel: Tunnel,
  text: string,
  out: Outbox<ServerEffect>,
): CarrierFact | null {
  if (tunnel.native === null) return readMoosicBoxText(state, tunnel, text, out);
  return { type: "violation", detail: "A text message came in the native protocol." };
}
