/** A response that ends cleanly is whole: a part of a body is never taken for all of it. */
import type { Property } from "../record/checker.ts";

/** RFC 6455's registry of close codes. */
const SERVICE_RESTART = 1012;

export const cleanEnd: Property = {
  name: "clean_end",
  create: (violate, judged) => ({
    visitEnded: (visit, end) => {
      if (end !== "complete" || !visit.fromHome || visit.tampered) return;
      judged();
      const { bodyBytes } = visit.model;
      if (visit.bytesReceived === bodyBytes) return;
      // A WebSocket whose home is lost is told so.
      if (visit.status === 101 && visit.closeCode === SERVICE_RESTART) return;
      violate(
        "safety",
        `visit ${visit.operation.id} ended cleanly after ${visit.bytesReceived} of ${bodyBytes} bytes`,
      );
    },
    visitFrameBroken: (visit) => {
      if (!visit.tampered)
        violate("safety", `visit ${visit.operation.id} got what is no frame of a WebSocket`);
    },
  }),
};
