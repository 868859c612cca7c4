/** Bounds of a visitor's connection. */
import { assert } from "../assert.ts";

const KIB = 1024;
const SECOND = 1000;

export const edgeLimits = {
  /** A request's head, and its trailers. What nginx and Node take by default. */
  headBytesMax: 16 * KIB,
  /** From the first byte of a head, or from the connection's beginning, to the head's end. */
  headMs: 15 * SECOND,
  /** Above the 60 s of the usual proxies in front of us, so that it is they who close an idle connection, never we under a request. */
  idleMs: 75 * SECOND,
  /**
   * The kernel asks a visitor whose connection was silent for so long whether he is still there, and again each 15 seconds; who
   * leaves four of these probes unanswered has left. Nobody else would notice him in a silent WebSocket.
   */
  probeMs: 300 * SECOND,
  /** Requests of one connection that wait for their answers. Beyond it is not read on: browsers never pipeline, others seldom. */
  turnsMax: 16,
  /**
   * Requests that stand behind others of their connection are taken one of each connection in turn, and so many of all in one
   * turn of the loop: between them everybody else is served, who waits a few tenths of a millisecond for them.
   */
  pipelinedPerTick: 4,
  /**
   * Answers that no home gave (refusals, pages and problems of the server's own) which one address (of IPv6: one network of 64
   * bits) gets as fast as it asks, and one more every `addressUnservedMs`: its connections are held meanwhile. So whoever has
   * no credential cannot take the server's time from those who have one. A proxy that is trusted has no such bound.
   */
  addressUnservedMax: 1_000,
  addressUnservedMs: 10,
  /** What is read of a connection before somebody wants it: a whole head fits. The last read comes on top, 64 KiB at most. */
  readAheadBytes: 32 * KIB,
  /** A connection that is not read for so long is looked at, and again after as long: its visitor may have left. */
  lookMs: 1 * SECOND,
  /**
   * How far a look reads on. Before the end stands what the kernel of one who has closed has still to send, 4 MiB at most with
   * Linux (tcp_wmem), and what ours has received: 4.2 MiB in all were measured.
   */
  lookBytes: 5 * 1024 * KIB,
  /** A look goes on for so long again if much has come: what is under way needs the time of a way and back, from far as well. */
  lookStepMs: 250,
  /** How often at most: so fast a visitor sends who has left nothing but his kernel behind, on any way but a very slow one. */
  lookStepsMax: 16,
  /** All looks together, those included that found no end and keep what they read until somebody wants it. */
  looksBytesTotal: 40 * 1024 * KIB,
  /** Those of one address (of IPv6: of one network of 64 bits): the visitors of others are looked at beside it. */
  addressLooksBytes: 20 * 1024 * KIB,
  /**
   * Of an answer that is not known yet so much is written, a byte at each look, to find who has left; with 0 nothing is. All of
   * its head has to fit into what a proxy or client has for one; 4 KiB is the least (nginx).
   */
  answerStartBytes: 1 * KIB,
  /** Of a body that nobody wants any more so long is read on, lest the visitor stays stuck in it. */
  restMs: 5 * SECOND,
  /**
   * Visitors' and agents' connections in all. Kept below what the process can open, so that the operator's listener and the
   * database always find a descriptor. Beyond it the oldest idle one makes room; where none is idle, the new one is closed.
   */
  connectionsMax: 20_000,
  /** Of one address (of IPv6: of one network of 64 bits). A proxy that is trusted has no such bound. */
  addressConnectionsMax: 1_000,
  /**
   * A connection whose last response is out, while the visitor has not closed it: nginx waits as long. And an upgraded one that
   * its visitor has ended and whose home says nothing more.
   */
  lingerMs: 5 * SECOND,
  /** Both, when the listener is closed: what was under way has come by then. */
  partingMs: 500,
};

export type EdgeLimits = { readonly [Name in keyof typeof edgeLimits]: number };

/** What is armed again each time it fires. */
const PERIODS = ["lookMs", "lookStepMs", "addressUnservedMs"] as const;

export function assertEdgeLimits(limits: EdgeLimits): void {
  for (const name of PERIODS) {
    assert(limits[name] >= 1, `${name} is 0: the server would never come to rest`);
  }
  assert(limits.turnsMax >= 1, "turnsMax is 0: no request would ever be taken");
  assert(
    limits.pipelinedPerTick >= 1,
    "pipelinedPerTick is 0: a request behind another would never be taken",
  );
  assert(limits.addressUnservedMax >= 1, "addressUnservedMax is 0: nobody would ever be told anything");
  assert(limits.lookStepsMax >= 1, "lookStepsMax is 0: no look would ever end");
  assert(
    limits.readAheadBytes > limits.headBytesMax,
    "readAheadBytes is not above headBytesMax: so long a head could not be read",
  );
  assert(limits.lookBytes <= limits.addressLooksBytes, "lookBytes is above addressLooksBytes");
  assert(limits.addressLooksBytes <= limits.looksBytesTotal, "addressLooksBytes is above looksBytesTotal");
}
