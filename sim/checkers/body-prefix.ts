/** The bytes that a visitor sees are a prefix of the model's body. */
import type { Property } from "../record/checker.ts";
import type { Visit } from "../record/visit.ts";
import { HOME_HEADER } from "../scenario/model.ts";
import { headerOf } from "../tools/headers.ts";

export const bodyPrefix: Property = {
  name: "body_prefix",
  create: (violate, judged) => ({
    visitBody: (visit, bytes) => {
      if (visit.tampered || headerOf(visit.headers, HOME_HEADER) === undefined) return;
      judged();
      const { bodyBytes } = visit.model;
      if (visit.bytesReceived + bytes.length > bodyBytes) {
        violate("safety", `${nameOf(visit)} got more than the ${bodyBytes} bytes that its home sent`);
        return;
      }
      const wrong = visit.firstWrong(bytes);
      if (wrong === -1) return;
      violate(
        "safety",
        `${nameOf(visit)} got a wrong byte at ${visit.bytesReceived + wrong} of ${bodyBytes}`,
      );
    },
  }),
};

function nameOf(visit: Visit): string {
  return `visit ${visit.operation.id} to ${visit.clientId}`;
}
