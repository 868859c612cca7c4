/**
 * Nobody with a good credential is told 401, wherever his home is: with a token of a home that wants one, its password, or
 * nothing where nothing is needed; by whichever way, before the agents are back after a restart, and while they are away.
 * Tokens that are revoked, a registry that forgets or reads what was before, and a thief who connects with a home's token and
 * says another mode, are other properties' business.
 */
import type { Property } from "../record/checker.ts";
import type { Scenario, VisitOperation } from "../scenario/scenario.ts";

const MEDIA: ReadonlySet<string> = new Set(["track", "validate_signature"]);

export const goodStaysGood: Property = {
  name: "good_stays_good",
  create: (violate, judged) => {
    let isSpoiled = false;
    let homes: Scenario["homes"] = [];
    /** Since when the registry has known of each home. */
    const knownUs = new Map<string, number>();
    return {
      begun: ({ scenario }) => {
        homes = scenario.homes;
        isSpoiled = scenario.faults.some(({ kind }) => SPOILERS.test(kind));
      },
      registryChanged: ({ clientId, after, atUs }) => {
        if (after !== null && !knownUs.has(clientId)) knownUs.set(clientId, atUs);
      },
      visitHead: (visit, status) => {
        const { operation, clientId, startedUs } = visit;
        if (isSpoiled || visit.tampered || !isGood(operation, homes[operation.home]?.access)) return;
        const { way } = operation.request;
        const needsToBeKnown = way !== undefined && (visit.access ?? "token") !== "token";
        if (needsToBeKnown && (knownUs.get(clientId) ?? Number.POSITIVE_INFINITY) > startedUs) return;
        judged();
        if (status === 401 && !visit.fromHome)
          violate("safety", `visit ${operation.id} to ${clientId} is told 401 and is in the right`);
      },
    };
  },
};

const SPOILERS = /revoked|loses_write|reads_stale|unlike_twin|ticket_replayed/;

function isGood({ request }: VisitOperation, access: "public" | "basic" | undefined): boolean {
  const { endpoint, credential, way, odd, quirks = [] } = request;
  if (odd !== undefined || quirks.length > 0) return false;
  if (endpoint !== "tunnel" && endpoint !== "track") return false;
  if (way === undefined) return MEDIA.has(endpoint) ? credential === "signature" : isClient(credential);
  return access === "public" || credential === "client";
}

function isClient(credential: string): boolean {
  return credential === "client" || credential === "bare";
}
