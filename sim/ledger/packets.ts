/** What the deployed protocol's messages write in a ledger: requests and aborts that go out, packets that come. */
import type { Ledger } from "./ledger.ts";
import { type SeenPacket, seenPacket, seenTextPacket } from "./seen-packet.ts";
import type { LedgerSocket } from "./socket.ts";

const REQUEST_ID = /^\{"type":"(HTTP|WS|ABORT)",(?:"conn_id":\d+,)?"request_id":(\d+)/;

export class Packets {
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  heardBytes(socket: LedgerSocket, bytes: Uint8Array): void {
    this.#packet(socket, seenPacket(bytes));
  }

  heardText(socket: LedgerSocket, text: string): void {
    if (text.startsWith("TUNNEL_RESPONSE:")) {
      this.#packet(socket, seenTextPacket(text));
    } else if (text.includes('"ABORT"')) {
      const requestId = /"request_id":\s*(\d{1,16})/.exec(text)?.[1];
      const exchange = requestId === undefined ? undefined : this.#ledger.exchangeOf(Number(requestId));
      if (exchange?.tunnel !== socket.id) return;
      this.#ledger.touch(exchange);
      exchange.givenUp = true;
    }
  }

  sent(socket: LedgerSocket, text: string): void {
    const frame = REQUEST_ID.exec(text);
    if (frame === null) return;
    const requestId = Number(frame[2]);
    if (frame[1] === "ABORT") this.#ledger.aborts.add(`${socket.id} ${frame[2]}`);
    if (frame[1] !== "HTTP") return;
    const exchange = this.#ledger.exchangeOf(requestId);
    if (exchange === undefined || exchange.phase === "asked" || exchange.phase === "over") {
      this.#ledger.astray.push(
        `a request frame for ${requestId}, which is ${exchange?.phase ?? "not there"}`,
      );
      return;
    }
    this.#ledger.touch(exchange);
    this.#ledger.asked.push(exchange);
    exchange.phase = "asked";
    exchange.tunnel = socket.id;
    exchange.requestBytes = 0;
    exchange.progressMs = this.#ledger.nowMs;
  }

  #packet(socket: LedgerSocket, packet: SeenPacket | null): void {
    this.#ledger.packet = packet;
    const exchange = packet === null ? undefined : this.#ledger.exchangeOf(packet.requestId);
    if (packet === null || exchange?.tunnel !== socket.id || exchange.phase !== "asked") return;
    this.#ledger.touch(exchange);
    exchange.take(packet, this.#ledger.nowMs, this.#ledger.steps);
  }
}
