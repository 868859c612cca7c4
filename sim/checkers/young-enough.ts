/** What cannot be repeated goes on no connection that its origin may be closing: on a young one, however long others are kept. */
import type { Property } from "../record/checker.ts";

/** Some close a connection that was idle for two seconds. */
const YOUNG_MS = 1_500;

export const youngEnough: Property = {
  name: "young_enough",
  create: (violate, judged) => ({
    originsStep: ({ name, ledger: { reused } }, event) => {
      if (reused === null || event.type !== "origin_request") return;
      if (event.body === null && SAFE_METHODS.has(event.method)) return;
      judged();
      const { connection, idleMs } = reused;
      if (idleMs >= YOUNG_MS)
        violate(
          "safety",
          `${name} sends ${event.method} on connection ${connection.id}, idle for ${idleMs} ms`,
        );
    },
  }),
};

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
