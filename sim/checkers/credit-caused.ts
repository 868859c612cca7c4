/**
 * A server gives an agent credit for what the visitor has taken, and for one window beyond, whatever the cause of it: bytes that
 * came twice, or that only left a buffer of its own, give none.
 */
import type { ExchangeId } from "../../core/ids.ts";
import type { Property } from "../record/checker.ts";
import { KIND, readEntries } from "../wire/native.ts";

export const creditCaused: Property = {
  name: "credit_caused",
  create: (violate, judged) => {
    let windowBytesMax = 0;
    return {
      begun: ({ serverLimits }) => {
        windowBytesMax = serverLimits.windowBytesMax;
      },
      sees: ["socket_send_packet"],
      serverStep: ({ name, ledger }, _event, effects, count) => {
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "socket_send_packet") continue;
          const kind = effect.header[0];
          if (kind !== KIND.credit && kind !== KIND.resume) continue;
          if (ledger.sockets.get(effect.socket)?.native !== true) continue;
          for (const { exchange: id, limit } of readEntries(effect.header)) {
            const exchange = ledger.exchanges.get(id as ExchangeId);
            // It may be over, and what is on its way is dropped.
            if (exchange === undefined || exchange.phase !== "asked") continue;
            judged();
            const { blocking, orderedBytes, writtenBytes, unflushedBytes } = exchange;
            const taken = blocking ? orderedBytes : writtenBytes - unflushedBytes;
            if (limit <= taken + windowBytesMax) continue;
            violate(
              "safety",
              `${name} gives exchange ${id} credit for ${limit} bytes, of which ${taken} were taken and ${windowBytesMax} may be ahead`,
            );
          }
        }
      },
    };
  },
};
