/**
 * A visitor who has left is noticed although nobody reads what he sent: the server looks. How soon depends on what stands
 * before his end, and on the way; looks that others may hold are not judged. Where more stands there than a look reads, what is
 * written to him finds him, as long as his answer has not begun.
 */
import type { EdgeLimits } from "../../core/edge/limits.ts";
import type { ConnectionId } from "../../core/ids.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedEdge } from "../record/stepped.ts";
import type { PathSettings, Scenario } from "../scenario/scenario.ts";

/** Timers may be late, most of all while everything happens on a coarse grid. */
const LATE_MS = 1_000;

/** In smaller pieces than these, what comes uses up what may be read before it is wanted. */
const SMALL_BYTES = 1_024;

/** So often each visitor is written to before his answer is known, whatever he is. */
const WRITES = 9;

/** `isRead`: a look reaches his end. */
type Gone = { readonly boundMs: number; readonly isRead: boolean; sinceMs: number | null };

export const leftUnread: Property = {
  name: "left_unread",
  create: (violate, judged) => {
    let limits: EdgeLimits | null = null;
    let path: PathSettings | null = null;
    /** From then on something may hold it up. */
    let disturbedMs = 0;
    /** By process and connection. */
    const gone = new Map<string, Map<number, Gone>>();
    return {
      begun: ({ scenario, edgeLimits, targetOf }) => {
        limits = edgeLimits;
        path = scenario.visitorPath;
        disturbedMs = firstDisturbanceMs(scenario, targetOf);
      },
      visitorGone: ({ process, connection, pieces, readBytes, unreadBytes, atMs }) => {
        if (limits === null || path === null) return;
        if (limits.answerStartBytes < WRITES && readBytes + unreadBytes > limits.lookBytes) return;
        const isRead = readBytes + unreadBytes <= limits.lookBytes;
        // Each piece counts for more than its bytes.
        if (isRead && pieces > 0 && readBytes / pieces < SMALL_BYTES) return;
        const ms = isRead ? boundMs(unreadBytes, limits, path) : writtenBoundMs(limits, path);
        if (atMs + ms + LATE_MS > disturbedMs) return;
        const ofProcess = gone.get(process) ?? new Map<number, Gone>();
        gone.set(process, ofProcess);
        ofProcess.set(connection, { boundMs: ms, isRead, sinceMs: null });
      },
      edgeStep: (edge, event) => {
        const ofProcess = gone.get(edge.name);
        if (ofProcess === undefined || ofProcess.size === 0 || limits === null) return;
        if (event.type === "connection_ended" || event.type === "connection_closed") {
          if (ofProcess.delete(event.connection)) judged();
        }
        for (const [connection, each] of ofProcess) {
          each.sinceMs ??= edge.nowMs;
          // Somebody else may have the look that it waits for, or nobody waits for its end any more.
          const isJudged = each.isRead
            ? isLooked(edge, connection, limits)
            : isWritten(edge, connection, limits);
          if (!isJudged) ofProcess.delete(connection);
          else if (edge.nowMs - each.sinceMs > each.boundMs) {
            ofProcess.delete(connection);
            violate(
              "liveness",
              `${edge.name} does not know after ${each.boundMs} ms that connection ${connection} is left`,
            );
          }
        }
      },
    };
  },
};

/** A connection, or the process, or the clock that it looks by: no fault of strangers, or of what is behind the server, does. */
function firstDisturbanceMs({ faults }: Scenario, targetOf: (kind: string) => string): number {
  const disturbing = faults.filter(({ kind }) => targetOf(kind) !== "nobody" && targetOf(kind) !== "home");
  return Math.min(...disturbing.map(({ fromMs }) => fromMs), Number.POSITIVE_INFINITY);
}

/** Enough looks, one after the other, for all that stands before the end. */
function boundMs(
  unreadBytes: number,
  { lookMs, lookStepMs }: EdgeLimits,
  { latencyUs, jitterUs, bytesPerMs, windowBytes }: PathSettings,
): number {
  const tripMs = (latencyUs + jitterUs) / 1_000;
  const pace = Math.min(bytesPerMs, windowBytes / Math.max(1, 2 * tripMs)) / 2;
  const looks = 1 + Math.ceil(unreadBytes / Math.max(1, pace * lookStepMs));
  return Math.ceil(looks * (lookMs + lookStepMs) + unreadBytes / pace + 2 * tripMs + LATE_MS);
}

/** A look that reads, one that writes, the step after it, and the way there and back. */
function writtenBoundMs({ lookMs, lookStepMs }: EdgeLimits, { latencyUs, jitterUs }: PathSettings): number {
  return Math.ceil(2 * (lookMs + lookStepMs) + (2 * (latencyUs + jitterUs)) / 1_000 + LATE_MS);
}

/** Whether it stands still with an upload whose answer has not begun, and has not stood there for longer than it is written to. */
function isWritten({ ledger, nowMs }: SteppedEdge, id: number, { lookMs }: EdgeLimits): boolean {
  const connection = ledger.connections.get(id as ConnectionId);
  const [first] = connection?.open ?? [];
  if (connection === undefined || first === undefined || connection.ended || !connection.paused) return false;
  return !first.answered && !first.requestDone && nowMs - connection.pausedMs < WRITES * lookMs;
}

/** Whether its exchanges hang on it, and as few were ever not read as have room for a look at the same time. */
function isLooked({ ledger }: SteppedEdge, connection: number, limits: EdgeLimits): boolean {
  const { lookBytes, looksBytesTotal, addressLooksBytes } = limits;
  const room = Math.floor(Math.min(looksBytesTotal, addressLooksBytes) / lookBytes);
  let unread = 0;
  let isOpen = false;
  for (const { id, pausedMs, open, ended } of ledger.connections.values()) {
    if (id === connection) isOpen = open.length > 0 && !ended;
    if (pausedMs !== Number.POSITIVE_INFINITY) unread++;
  }
  return isOpen && unread <= room;
}
