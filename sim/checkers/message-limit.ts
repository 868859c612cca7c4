/** A visitor's message that is larger than the limit, in bytes as they cross the wire, closes its socket and goes nowhere. */
import type { Property } from "../record/checker.ts";
import { utf8Length } from "../wire/frame.ts";

export const messageLimit: Property = {
  name: "message_limit",
  create: (violate, judged) => {
    let bytesMax = 0;
    return {
      begun: ({ serverLimits }) => {
        bytesMax = serverLimits.visitorMessageBytesMax;
      },
      sees: ["socket_text"],
      serverStep: ({ name, ledger }, event) => {
        if (event.type !== "socket_text") return;
        const socket = ledger.sockets.get(event.socket);
        if (socket === undefined || socket.kind !== "visitor") return;
        const bytes = utf8Length(event.text);
        if (bytes <= bytesMax) return;
        judged();
        if (socket.phase === "leaving") return;
        violate(
          "safety",
          `${name} took ${bytes} bytes from visitor socket ${socket.id}, above its ${bytesMax}`,
        );
      },
    };
  },
};
