/** No byte of one client id or of one visit ever reaches another, visitor sockets included. */
import type { Property } from "../record/checker.ts";
import type { Visit } from "../record/visit.ts";
import { firstDifference, HOME_HEADER, taintKey } from "../scenario/model.ts";
import { headerOf } from "../tools/headers.ts";

/** Fewer bytes than this may agree with another visit's by chance. */
const TELLING_BYTES = 6;

export const taint: Property = {
  name: "taint",
  create: (violate, judged) => {
    const visits: Visit[] = [];
    return {
      visitStarted: (visit) => {
        visits.push(visit);
      },
      visitHead: (visit, _status, headers) => {
        const answered = headerOf(headers, HOME_HEADER);
        if (answered === undefined) return;
        judged();
        const own = `${visit.clientId}/${visit.operation.id}`;
        if (answered === own) return;
        // A tampering agent may mix up its own visits, and say what nobody said; never get at those of another client id.
        const owner = visits.find((other) => `${other.clientId}/${other.operation.id}` === answered);
        if (visit.tampered && (owner === undefined || owner.clientId === visit.clientId)) return;
        violate("safety", `visit ${own} got the head of ${answered}`);
      },
      visitBody: (visit, bytes) => {
        if (!visit.fromHome || bytes.length < TELLING_BYTES) return;
        judged();
        if (visit.firstWrong(bytes) === -1) return;
        const offset = visit.model.bodyOffset + visit.bytesReceived;
        const owner = visits.find((other) => other !== visit && owns(other, offset, bytes));
        if (owner === undefined || (visit.tampered && owner.clientId === visit.clientId)) return;
        violate(
          "safety",
          `visit ${visit.operation.id} to ${visit.clientId} got bytes of visit ${owner.operation.id} to ${owner.clientId}`,
        );
      },
      visitorSocketText: (socket, text) => {
        judged();
        const message = read(text);
        const home = message?.home;
        if (home !== undefined && home !== socket.clientId) {
          violate("safety", `socket ${socket.operation.id} to ${socket.clientId} got a message of ${home}`);
        }
        const asker = message?.echo?.socket;
        if (asker !== undefined && asker !== socket.operation.id) {
          violate("safety", `socket ${socket.operation.id} got the answer to socket ${asker}`);
        }
      },
    };
  },
};

/** Whether the bytes are the other visit's, at the same place of its body or at its beginning. */
function owns(other: Visit, offset: number, bytes: Uint8Array): boolean {
  const key = taintKey(other.clientId, other.operation.id);
  const sample = bytes.subarray(0, 64);
  return [offset, other.model.bodyOffset, other.model.bodyOffset + other.bytesReceived].some(
    (place) => firstDifference(key, place, sample) === -1,
  );
}

function read(text: string): { readonly home?: string; readonly echo?: { readonly socket?: number } } | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
