/**
 * Ending a connection whose peer may still be sending. Closing it while unread bytes wait makes the kernel reset it, and
 * the reset can overtake the response that the peer has not read yet. RFC 9112 section 9.6: close the sending side first,
 * read on until the peer closes too, and give up after a while.
 */
import type { Duplex } from "node:stream";

/** Enough for a response to cross a slow network; nginx waits as long between two reads. */
const LINGER_MS = 5_000;

/** Sends the last bytes, if any, and closes the connection so that the peer can still read them. */
export function lingeringClose(socket: Duplex, lastBytes?: Uint8Array): void {
  socket.end(lastBytes);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
}
