/** A request that is not idempotent (RFC 9110 section 9.2.2) reaches the home at most once, and unaltered: over resumptions, any. */
import type { Property } from "../record/checker.ts";
import type { HomeCall } from "../record/home-call.ts";
import type { Visit } from "../record/visit.ts";
import { type HomeSpec, isNative } from "../scenario/scenario.ts";

/**
 * Once more on another connection, where the home closed one that it had kept without a word, or said what is no HTTP: that may
 * have been said to nobody (RFC 9110 section 9.2.2).
 */
function isUnanswered({ connection, silent, end, visit }: HomeCall): boolean {
  if (connection === null || connection.calls.length === 1) return false;
  return (silent && end !== null) || visit?.answer.quirks?.includes("no_http") === true;
}

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

export const atMostOnce: Property = {
  name: "at_most_once_at_home",
  create: (violate, judged) => {
    const visits = new Map<number, Visit>();
    const calls = new Map<number, HomeCall>();
    let homes: readonly HomeSpec[] = [];
    /**
     * Of the native protocol an exchange reaches its home once, whatever its method: unless somebody in between lets the
     * agent forget it, as a reset does that the server never sent.
     */
    const mayRepeat = (call: HomeCall, before: HomeCall) => {
      const { visit, method } = call;
      if (isUnanswered(before) && SAFE.has(method)) return true;
      if (visit !== null && visits.get(visit.id)?.tampered === true) return true;
      const home = homes[visit?.home ?? -1];
      return IDEMPOTENT.has(method) && (home === undefined || !isNative(home));
    };
    /** Who closes an upgraded connection in its middle ends it, as far as anybody can see. */
    const mayEndEarly = (id: number) => {
      const visit = visits.get(id);
      return visit?.end === "left" && visit.operation.request.upgrade === true;
    };
    return {
      begun: ({ scenario }) => {
        homes = scenario.homes;
      },
      visitStarted: (visit) => {
        visits.set(visit.operation.id, visit);
      },
      homeCalled: (call) => {
        if (call.visit === null) return;
        judged();
        const { id, request } = call.visit;
        const before = calls.get(id);
        if (call.method !== request.method) {
          violate(
            "safety",
            `visit ${id} asked with ${request.method}, its home was asked with ${call.method}`,
          );
        }
        if (!call.bodyIntact) violate("safety", `the home got another request body than visit ${id} sent`);
        if (before !== undefined && !mayRepeat(call, before)) {
          violate("safety", `the ${call.method} of visit ${id} reached its home twice`);
        }
        if (!call.headersIntact) violate("safety", `the home got other fields than visit ${id} sent`);
        calls.set(id, call);
      },
      // What is streamed is known to be intact when nothing more comes of it.
      homeCallEnded: ({ visit, bodyIntact, atUs }) => {
        if (visit === null || mayEndEarly(visit.id)) return;
        if (!bodyIntact && calls.get(visit.id)?.atUs === atUs)
          violate("safety", `the home got another request body than visit ${visit.id} sent`);
      },
    };
  },
};
