/** Text that goes to a socket, counted until the adapter says that it has left. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { utf8Length } from "../../wire/utf8.ts";
import type { Socket } from "../state/tunnels.ts";

export function sendText(socket: Socket, text: string, out: Outbox<ServerEffect>): void {
  assert(socket.phase === "live", "a socket is sent to that is not open");
  socket.unsentBytes += utf8Length(text);
  out.push({ type: "socket_send_text", socket: socket.id, text });
}

/** Whether the text still fits what may wait for the socket. */
export function fitsSending(socket: Socket, text: string, unsentBytesMax: number): boolean {
  return socket.unsentBytes + utf8Length(text) <= unsentBytesMax;
}
