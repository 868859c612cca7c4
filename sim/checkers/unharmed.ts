/**
 * Bad input and bad luck harm only those whom they hit: a visit that no fault could touch, from the start of the run to its
 * own end, comes to what it comes to in a calm world; where limits are drawn tight, to a limit's failure at the worst.
 */
import type { Property } from "../record/checker.ts";
import type { Setting } from "../record/setting.ts";
import type { Visit } from "../record/visit.ts";
import { magicTokenOf } from "../scenario/request.ts";
import { ADDED_VISITS_FROM, type FaultTarget, type Scenario } from "../scenario/scenario.ts";
import { isTight } from "../scenario/tight-limits.ts";
import { isAsExpected, isLostWithLater, overtakes, pipelinedBehind } from "./expectation.ts";

export const unharmed: Property = {
  name: "unharmed",
  create: (violate, judged) => {
    let setting: Setting | null = null;
    /** How exchanges came out, as the server says, by what tells their visits apart. */
    const outcomes = new Map<string, string>();
    return {
      begun: (begun) => {
        setting = begun;
      },
      sees: ["exchange_closed"],
      serverStep: ({ ledger }, event, effects, count) => {
        if (event.type !== "exchange_closed") return;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "report" || effect.report.type !== "exchange_ended") continue;
          for (const { opened } of ledger.touched) {
            // Of two nodes, one may have come to its limit, and the other to what follows from that.
            const visit = tellingPart(opened.method, opened.target);
            if (!isLimit(outcomes.get(visit) ?? "completed", 0)) outcomes.set(visit, effect.report.outcome);
          }
        }
      },
      finished: ({ visits }) => {
        if (setting === null) return;
        const touchedMs = firstTouchesMs(setting);
        for (const visit of visits) {
          const { id, home, request } = visit.operation;
          const endedMs = (visit.endedUs ?? Number.POSITIVE_INFINITY) / 1000;
          const isMagic = request.endpoint === "magic_token_use";
          // All share tight limits: too much of one visit leaves too little for another, or for the storing of its token.
          if (isMagic && isTight(setting.serverLimits)) continue;
          // What was never stored lets nobody in; whether it should have been is judged at the visit that stores it.
          if (isMagic && !hasStored(visits.find(({ operation }) => operation.id === id - 1))) continue;
          if (id >= ADDED_VISITS_FROM || endedMs >= (touchedMs[home] ?? 0)) continue;
          judged();
          const outcome = outcomes.get(partOf(visit)) ?? "";
          const mayReachLimit = isTight(setting.serverLimits) || overtakes(setting.scenario, home);
          if (isAsExpected(visit) || (mayReachLimit && isLimit(outcome, visit.status))) continue;
          // Its agent had as much to do as it may, and said so, or could not even say so.
          if (isBusy(visit, setting)) continue;
          if (isOwnLoss(visit, setting.scenario)) continue;
          // A reset that marks the answer behind it as broken takes what has not arrived.
          const isLaterCut = pipelinedBehind(id, visits).some((behind) =>
            isLimit(outcomes.get(partOf(behind)) || "completed", 0),
          );
          if ((visit.end === "cut" && isLaterCut) || isLostWithLater(visit, visits)) continue;
          if (isTakenForGuess(visit, endedMs, setting.scenario)) continue;
          violate("liveness", `${describe(visit)} came to ${outcome || visit.end} and no fault was near`);
        }
      },
    };
  },
};

function hasStored(visit: Visit | undefined): boolean {
  return visit?.end === "complete" && isAsExpected(visit);
}

function tellingPart(method: string, target: string): string {
  return `${method} ${/[?&](?:visit|magicToken)=([^&]+)/.exec(target)?.[1] ?? ""}`;
}

/** What tells the exchange of a visit apart. */
function partOf({ operation: { id, request } }: Visit): string {
  return request.endpoint === "magic_token_use" ? `GET ${magicTokenOf(id - 1)}` : `${request.method} ${id}`;
}

/** When the first fault begins that could touch visits of each home. */
function firstTouchesMs({ scenario, targetOf }: Setting): number[] {
  return scenario.homes.map((_, home) => {
    let firstMs = Number.POSITIVE_INFINITY;
    for (const { kind, target, fromMs } of scenario.faults) {
      if (touches(scenario, targetOf(kind), target, home)) firstMs = Math.min(firstMs, fromMs);
    }
    return firstMs;
  });
}

function touches(
  { homes, operations, peerPath }: Scenario,
  counted: FaultTarget,
  target: number,
  home: number,
): boolean {
  switch (counted) {
    case "home":
      return target === home;
    case "node":
      // In a cluster visitors come to any node.
      return peerPath !== undefined || target === homes[home]?.node;
    case "visit":
      return operations.some(({ id, home: whose }) => id === target && whose === home);
    case "world":
      return true;
    case "nobody":
      return false;
  }
}

/** Whose token is revoked guesses wrong, again and again, and others share his address. */
function isTakenForGuess({ status }: Visit, endedMs: number, { faults }: Scenario): boolean {
  return status === 429 && faults.some(({ kind, fromMs }) => kind.includes("revoked") && fromMs < endedMs);
}

function isBusy({ status }: Visit, { agentLimits }: Setting): boolean {
  const { exchangesMax, abortsPerSecondMax } = agentLimits;
  return (status === 503 || status === 504) && (exchangesMax < 100 || abortsPerSecondMax < 100);
}

/**
 * Who takes answers slowly does not see that one behind them was the last. If he still sends the body of that request when
 * the server is done with the connection, his own kernel loses what he has not read.
 */
function isOwnLoss({ end, operation }: Visit, { operations }: Scenario): boolean {
  return end === "cut" && operation.readBytesPerMs > 0 && sendsBehind(operation.id, operations);
}

function sendsBehind(host: number, operations: Scenario["operations"]): boolean {
  return operations.some(
    (each) =>
      each.kind === "visit" &&
      each.connection?.onto === host &&
      each.connection.pipelined === true &&
      (each.request.bodyBytes > 0 || sendsBehind(each.id, operations)),
  );
}

/** By its status where nothing else is known of an exchange. */
function isLimit(outcome: string, status: number | null): boolean {
  if (outcome === "") return status === 429 || status === 503;
  // What finds no parking place breaks the protocol, and an agent that found no place is not there.
  return outcome.startsWith("limit_") || outcome === "agent_protocol" || outcome === "agent_not_connected";
}

function describe({ operation: { id, request }, clientId, status }: Visit): string {
  return `visit ${id} (${request.method} ${request.endpoint}) to ${clientId}, status ${status},`;
}
