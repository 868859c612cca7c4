/**
 * What came in order goes out at once, byte for byte as much; a response whose last packet has come is ended in the same
 * step; and a packet that comes a second time, the same, changes nothing.
 */
import type { LedgerExchange } from "../ledger/exchange.ts";
import type { Property } from "../record/checker.ts";

export const delivered: Property = {
  name: "delivered",
  create: (violate, judged) => ({
    serverStep: ({ name, ledger }) => {
      for (const exchange of ledger.touched) {
        if (exchange.tunnel === null) continue;
        judged();
        const wrong = wrongWith(exchange, ledger.steps);
        if (wrong !== null) violate("safety", `exchange ${exchange.id} of ${name} ${wrong}`);
      }
    },
  }),
};

function wrongWith(exchange: LedgerExchange, step: number): string | null {
  if (exchange.repeatedStep === step && exchange.phase === "over" && !exchange.complete)
    return "ended because of a packet that only came twice";
  // A WebSocket whose home is lost ends with a close frame of the server's.
  if (exchange.endedWhole && !exchange.complete && exchange.status !== 101)
    return "ended as if whole before its last packet came";
  if (exchange.phase === "over") return null;
  if (exchange.givenUp) return "goes on after its agent gave it up";
  if (exchange.complete) return `has all of its ${exchange.last} packets and is not ended`;
  const due = exchange.blocking ? 0 : exchange.orderedBytes;
  if (exchange.writtenBytes === due) return null;
  return `wrote ${exchange.writtenBytes} bytes where ${due} came in order`;
}
