/** Status and headers come once, before any byte, and are those of the home's first packet. */
import type { Property } from "../record/checker.ts";
import { HOME_HEADER } from "../scenario/model.ts";
import { headerOf } from "../tools/headers.ts";

export const headOnce: Property = {
  name: "head_once",
  create: (violate, judged) => ({
    visitHead: (visit, status, headers) => {
      judged();
      const name = `visit ${visit.operation.id}`;
      if (visit.status !== null) violate("safety", `${name} got a second head, ${status}`);
      if (visit.tampered) return;
      const answered = headerOf(headers, HOME_HEADER);
      if (answered === undefined) {
        // Below 400 only a home, or an endpoint of the server itself, has something to say.
        if (status < 400 && isTunnelled(visit.operation.request.endpoint)) {
          violate("safety", `${name} got ${status} without the home's headers`);
        }
        return;
      }
      if (status !== visit.model.status) {
        violate("safety", `${name} got status ${status}, its home answered ${visit.model.status}`);
      }
      for (let index = 0; index + 1 < visit.model.headers.length; index += 2) {
        const field = visit.model.headers[index] ?? "";
        const wanted = visit.model.headers[index + 1];
        if (field === "content-length") continue;
        if (headerOf(headers, field) !== wanted)
          violate("safety", `${name} got another ${field} than was sent`);
      }
    },
    visitBody: (visit) => {
      if (visit.status === null) violate("safety", `visit ${visit.operation.id} got a body before a head`);
    },
  }),
};

function isTunnelled(endpoint: string): boolean {
  return endpoint === "tunnel" || endpoint === "track" || endpoint === "magic_token_use";
}
