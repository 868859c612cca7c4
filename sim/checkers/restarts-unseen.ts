/**
 * Where the next process is there before the last one is asked to stop, no visitor of a home sees it whose agent can move: every
 * request comes to what it would have come to, but for one that takes longer than a process that leaves may. A WebSocket is
 * closed with a code. Nor does a node lose what it has sent to one that leaves, unless that one had to cut it. And a process that was asked to stop is gone in the
 * end.
 */
import type { Property } from "../record/checker.ts";
import type { Setting } from "../record/setting.ts";
import type { Visit } from "../record/visit.ts";
import { isTight } from "../scenario/tight-limits.ts";
import { isAsExpected } from "./expectation.ts";

/** Going away, and restarting: RFC 6455 section 7.4.1, and its registry. */
const LEAVE_CODES: ReadonlySet<number | null> = new Set([1001, 1012]);

export const restartsUnseen: Property = {
  name: "restarts_unseen",
  create: (violate, judged) => {
    let setting: Setting | null = null;
    const asked = new Set<string>();
    /** Exchanges that a process which leaves has cut, and those that were lost at another node. */
    let cut = 0;
    let lost = 0;
    let firstAskedUs = Number.POSITIVE_INFINITY;
    const areAllPlanned = ({ scenario: { faults } }: Setting) =>
      faults.length > 0 && faults.every(({ kind }) => kind === "node_is_replaced");
    return {
      begun: (begun) => {
        setting = begun;
      },
      sees: ["drain_requested", "report"],
      serverStep: ({ name, nowMs }, event, effects, count) => {
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "report" || effect.report.type !== "exchange_ended") continue;
          const { outcome, exchange } = effect.report;
          // Whether it was early is judged elsewhere.
          if (outcome === "draining" && asked.has(name)) cut++;
          if (outcome !== "peer_lost" || setting === null || !areAllPlanned(setting)) continue;
          judged();
          lost++;
          if (lost > cut)
            violate("liveness", `${name} lost exchange ${exchange}, which no node that leaves has cut`);
        }
        if (event.type !== "drain_requested") return;
        asked.add(name);
        firstAskedUs = Math.min(firstAskedUs, nowMs * 1000);
      },
      finished: ({ visits, servers }) => {
        if (setting === null) return;
        for (const { name } of servers) {
          if (asked.size > 0) judged();
          if (asked.has(name)) violate("liveness", `${name} was asked to stop and is still there`);
        }
        if (!areAllPlanned(setting)) return;
        for (const visit of visits) {
          // What was over before had another cause, such as an agent with more to do than it may.
          if (!visit.native || (visit.endedUs ?? firstAskedUs) < firstAskedUs) continue;
          judged();
          if (isAsExpected(visit) || mayFeel(visit, setting)) continue;
          violate("liveness", `${describe(visit)}, and all that happened were planned restarts`);
        }
      },
    };
  },
};

function mayFeel(visit: Visit, { serverLimits }: Setting): boolean {
  const { status, end, closeCode, startedUs, endedUs, operation } = visit;
  // What is gathered may be more than there is room for, and those who come may be more than a home may have.
  if ((status === 502 || status === 429) && !visit.fromHome && isTight(serverLimits)) return true;
  if (status === 101) return LEAVE_CODES.has(closeCode);
  const lastedMs = ((endedUs ?? startedUs) - startedUs) / 1000;
  // What is given whole or not at all can still be told why.
  const isTold = status === 503 && !visit.fromHome;
  if (end !== "cut" && !isTold) return false;
  if (status !== null) return lastedMs >= serverLimits.drainMs - LEAVING_MS;
  // The connection was idle, and both sides had enough of it at once: RFC 9112 section 9.3.1.
  return operation.connection?.onto !== undefined;
}

/** A request may still come in for so long after the process was asked to stop, and is cut with those that were there. */
const LEAVING_MS = 3_000;

function describe({ operation: { id, request }, clientId, status, end, closeCode }: Visit): string {
  const code = closeCode === null ? "" : `, close code ${closeCode}`;
  return `visit ${id} (${request.method} ${request.endpoint}) to ${clientId} came to ${end}, status ${status}${code}`;
}
