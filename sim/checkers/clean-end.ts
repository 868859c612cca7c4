/** A response that ends cleanly is whole: a part of a body is never taken for all of it. */
import type { Property } from "../record/checker.ts";
import { GOOD_BYE_CODE } from "../wire/web-socket-frame.ts";

export const cleanEnd: Property = {
  name: "clean_end",
  create: (violate, judged) => ({
    visitEnded: (visit, end) => {
      if (end !== "complete" || !visit.fromHome || visit.tampered) return;
      judged();
      const { bodyBytes } = visit.model;
      if (visit.bytesReceived === bodyBytes) return;
      // Who has a WebSocket that must be closed is told so by a code, and no home closes with that one.
      if (visit.status === 101 && visit.closeCode !== null && visit.closeCode !== GOOD_BYE_CODE) return;
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
