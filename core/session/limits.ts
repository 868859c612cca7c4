/** Bounds of a session. */
import { assert } from "../assert.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;

/** Of the native protocol, the same at both ends (`wire/native.md`, Flow control). */
export const sessionLimits = {
  /** Credit of an exchange at its start, per direction. */
  windowBytes: 512 * KIB,
  /** Credit that a measured bandwidth-delay product may grow to. */
  windowBytesMax: 16 * MIB,
  /** What the exchanges of a tunnel may let flow or hold together, per direction, each beyond `windowBytesMin`. */
  tunnelWindowBytes: 32 * MIB,
  /** What every exchange may have, a thousand that nobody reads among them: 16 MiB. */
  windowBytesMin: 16 * KIB,
  /**
   * Who has taken so much of a body reads it. It is more than the kernel takes for a near visitor who reads nothing, up to
   * 4 MiB on Linux.
   */
  readerBytes: 5 * MIB,
  /** Ordered to be sent on a socket and not yet flushed: enough to keep a link busy, little enough to stay overtakable. */
  socketBytesMax: 256 * KIB,
  /** Body bytes in one frame. */
  frameBytesMax: 64 * KIB,
  /** Above this much queued for one exchange its source is paused. */
  queueBytesMax: 128 * KIB,
  /** Queued for all exchanges of a tunnel: the nearer to it, the less for each. */
  tunnelQueueBytes: 8 * MIB,
  /** A lone acknowledgement waits this long for others. */
  ackDelayMs: 25,
  /** The other side's first frame after the handshake. */
  helloMs: 10 * SECOND,
  /** Interim responses of one exchange that are passed on; more are dropped. */
  interimsMax: 16,
};

export type SessionLimits = { readonly [Name in keyof typeof sessionLimits]: number };

export function assertSessionLimits(limits: SessionLimits): void {
  assert(
    limits.frameBytesMax >= 1 && limits.windowBytesMin >= 1,
    "a frame or a window has no room for a byte",
  );
  assert(limits.windowBytesMin <= limits.windowBytes, "windowBytesMin is above windowBytes");
  assert(limits.windowBytes <= limits.windowBytesMax, "windowBytes is above windowBytesMax");
}
