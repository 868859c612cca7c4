/** A response that ends cleanly is whole: a part of a body is never taken for all of it. */
import type { Property } from "./checker.ts";

export const cleanEnd: Property = {
  name: "clean_end",
  create: (violate, judged) => ({
    visitEnded: (visit, end) => {
      if (end !== "complete" || !visit.fromHome || visit.tampered) return;
      judged();
      const { bodyBytes } = visit.model;
      if (visit.bytesReceived === bodyBytes) return;
      violate(
        "safety",
        `visit ${visit.operation.id} ended cleanly after ${visit.bytesReceived} of ${bodyBytes} bytes`,
      );
    },
  }),
};
