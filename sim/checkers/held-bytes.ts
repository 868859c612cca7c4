/** A server holds what it was given and has not passed on, to the byte, and never more than its limits allow. */
import type { ServerLimits } from "../../core/limits.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import type { Property } from "../record/checker.ts";

export const heldBytes: Property = {
  name: "held_bytes",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    return {
      begun: (setting) => {
        limits = setting.serverLimits;
      },
      serverStep: (server, event) => {
        const { name, ledger, heldBytes: claimed } = server;
        if (ledger.heldBytes > 0) judged();
        // Bytes that are gone while a gap holds others back are missed when it is filled: that is `delivered`'s to judge.
        const isOff = claimed > ledger.heldBytes || (claimed < ledger.heldBytes && !ledger.waitsForGaps);
        if (isOff) {
          violate(
            "safety",
            `${name} says that it holds ${claimed} bytes after ${event.type}; what it was given and did not pass on is ${ledger.heldBytes}`,
          );
        }
        if (limits === null) return;
        for (const exchange of ledger.touched) {
          const excess = excessOf(exchange, limits);
          if (excess !== null) violate("safety", `${name} keeps ${excess} for exchange ${exchange.id}`);
        }
        // What a limit ended may still have to be written, and answers of the server's own come on top.
        if (ledger.heldBytes <= limits.heldBytesTotal) return;
        if (ledger.heldBytes > limits.heldBytesTotal + bytesOfEnded(ledger.exchanges.values())) {
          violate("safety", `${name} holds ${ledger.heldBytes} bytes, above its ${limits.heldBytesTotal}`);
        }
      },
    };
  },
};

/** What is beyond a limit and was not given up for it; null where nothing is. */
function excessOf(exchange: LedgerExchange, limits: ServerLimits): string | null {
  if (exchange.phase === "over") return null;
  if (exchange.requestBytes > limits.requestBodyBytesMax) return `${exchange.requestBytes} request bytes`;
  if (exchange.unflushedBytes > limits.heldBytesHard) return `${exchange.unflushedBytes} unread bytes`;
  if (exchange.parkedBytes > limits.parkedBytesMax) return `${exchange.parkedBytes} parked bytes`;
  if (exchange.parkedPackets > limits.parkedPacketsMax) return `${exchange.parkedPackets} parked packets`;
  if (exchange.blocking && exchange.orderedBytes > limits.responseBufferBytesMax)
    return `${exchange.orderedBytes} gathered bytes`;
  return null;
}

function bytesOfEnded(exchanges: Iterable<LedgerExchange>): number {
  let bytes = 0;
  for (const exchange of exchanges) if (exchange.phase === "over") bytes += exchange.heldBytes;
  return bytes;
}
