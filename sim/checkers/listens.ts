/** Silence proves nothing to who does not listen: a tunnel is not dropped while it is paused. */
import type { Property } from "../record/checker.ts";

export const listens: Property = {
  name: "listens",
  create: (violate, judged) => ({
    sees: ["socket_terminate"],
    serverStep: ({ name, ledger }, _event, effects, count) => {
      for (let index = 0; index < count; index++) {
        const effect = effects[index];
        if (effect?.type !== "socket_terminate") continue;
        judged();
        const socket = ledger.sockets.get(effect.socket);
        if (socket?.paused !== true) continue;
        violate("safety", `${name} drops tunnel ${socket.id} of ${socket.clientId}, which it does not read`);
      }
    },
  }),
};
