/** A request that is not idempotent (RFC 9110 section 9.2.2) reaches the home at most once, and unaltered. */
import type { HomeCall, Property } from "./checker.ts";

const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

export const atMostOnce: Property = {
  name: "at_most_once_at_home",
  create: (violate, judged) => {
    const calls = new Map<number, HomeCall>();
    return {
      homeCalled: (call) => {
        if (call.visit === null) return;
        judged();
        const { id, request } = call.visit;
        if (call.method !== request.method) {
          violate(
            "safety",
            `visit ${id} asked with ${request.method}, its home was asked with ${call.method}`,
          );
        }
        if (!call.bodyIntact) violate("safety", `the home got another request body than visit ${id} sent`);
        if (calls.has(id) && !IDEMPOTENT.has(call.method)) {
          violate("safety", `the ${call.method} of visit ${id} reached its home twice`);
        }
        calls.set(id, call);
      },
    };
  },
};
