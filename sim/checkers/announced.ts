/** No request goes on a connection that its origin may be closing: one is left a second before the time that it announced. */
import type { Property } from "../record/checker.ts";

/** For what is on its way. */
const MARGIN_MS = 1_000;

export const announced: Property = {
  name: "announced",
  create: (violate, judged) => ({
    originsStep: ({ name, ledger: { reused } }) => {
      const announcedMs = reused?.connection.announcedMs ?? null;
      if (reused === null || announcedMs === null) return;
      judged();
      const { connection, idleMs } = reused;
      if (idleMs >= announcedMs - MARGIN_MS)
        violate(
          "safety",
          `${name} asks on connection ${connection.id}, idle for ${idleMs} of ${announcedMs} ms`,
        );
    },
  }),
};
