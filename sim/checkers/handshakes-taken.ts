/** No visitor is told that his WebSocket is open where the home has not taken his handshake (RFC 6455 section 4.2.2). */
import type { Property } from "../record/checker.ts";
import { MISREADS_HANDSHAKE } from "../scenario/answers.ts";

export const handshakesTaken: Property = {
  name: "handshakes_taken",
  create: (violate, judged) => ({
    visitHead: ({ operation }, status) => {
      if (status !== 101) return;
      judged();
      if (operation.answer.quirks?.includes(MISREADS_HANDSHAKE) !== true) return;
      violate("safety", `visit ${operation.id} is given a WebSocket that its home has not opened`);
    },
  }),
};
