/** An agent that still owes something to an exchange that is over is told to stop, in the same step. */
import type { Property } from "../record/checker.ts";

export const abortSent: Property = {
  name: "abort_sent",
  create: (violate, judged) => {
    let socketBytesMax = 0;
    return {
      begun: ({ serverLimits }) => {
        ({ socketBytesMax } = serverLimits);
      },
      serverStep: ({ name, ledger }, event) => {
        for (const exchange of ledger.touched) {
          const gone = !ledger.exchanges.has(exchange.id);
          const endsNow = exchange.endedStep === ledger.steps || (gone && exchange.phase !== "over");
          if (!endsNow || !exchange.owed || exchange.tunnel === null) continue;
          const socket = ledger.sockets.get(exchange.tunnel);
          if (socket?.phase !== "open") continue;
          // What an agent cannot be told now it is told later, or when it is back.
          if (exchange.native && (socket.resumes || socket.unsentBytes >= socketBytesMax)) continue;
          judged();
          if (ledger.resets.has(exchange.id)) continue;
          if (ledger.aborts.has(`${exchange.tunnel} ${exchange.requestId}`)) continue;
          violate(
            "safety",
            `exchange ${exchange.id} of ${name} is over on ${event.type}, and its agent was not told to stop`,
          );
        }
      },
    };
  },
};
