/**
 * Responses that are compressed on their way to the visitor. The server orders them as they are and is told of their own
 * bytes; the edge gets coded ones.
 */
import type { EdgeFact, EdgeOrder } from "../../core/edge/events.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { ExchangeId } from "../../core/ids.ts";
import { PacedWriter } from "../socket/paced-writer.ts";
import { BodyCoder } from "./body-coder.ts";

export type CodedBodiesOptions = {
  /** To the edge. */
  readonly order: (order: EdgeOrder) => void;
  /** Whether the edge is still to report the last event of that exchange. */
  readonly isOpen: (exchange: ExchangeId) => boolean;
  /** To the server. */
  readonly tell: (fact: EdgeFact) => void;
};

type CodedBody = {
  readonly coder: BodyCoder;
  readonly writer: PacedWriter;
  /** Coded pieces on their way to the kernel, oldest first. */
  readonly leaving: { bytes: number; readonly onGone: () => void }[];
  /** Behind the body. */
  trailers: HeaderList;
};

export class CodedBodies {
  readonly #options: CodedBodiesOptions;
  readonly #bodies = new Map<ExchangeId, CodedBody>();

  constructor(options: CodedBodiesOptions) {
    this.#options = options;
  }

  /** Whether the order is about a coded body, and so does not go to the edge as it is. */
  takes(order: EdgeOrder): boolean {
    if (order.type === "respond_head" && order.coding !== null && this.#options.isOpen(order.exchange)) {
      this.#begin(order.exchange, order.coding);
    }
    if (this.#bodies.size === 0 || (order.type !== "respond_body" && order.type !== "respond_end"))
      return false;
    const body = this.#bodies.get(order.exchange);
    if (body === undefined) return false;
    if (order.type === "respond_body") {
      body.writer.write(order.bytes);
    } else {
      body.trailers = order.trailers;
      body.writer.end();
    }
    return true;
  }

  /** Whether the fact is about coded bytes, of which the server knows nothing. */
  hears(fact: Extract<EdgeFact, { readonly type: "exchange_flushed" | "exchange_closed" }>): boolean {
    const body = this.#bodies.size === 0 ? undefined : this.#bodies.get(fact.exchange);
    if (body === undefined) return false;
    if (fact.type === "exchange_flushed") {
      leave(body, fact.bytes);
      return true;
    }
    this.#bodies.delete(fact.exchange);
    body.writer.discard();
    body.coder.destroy();
    return false;
  }

  #begin(exchange: ExchangeId, coding: "br" | "gzip"): void {
    const { order, tell } = this.#options;
    const leaving: CodedBody["leaving"] = [];
    const coder = new BodyCoder(coding, {
      write: (bytes, onGone) => {
        leaving.push({ bytes: bytes.length, onGone });
        order({ type: "respond_body", exchange, bytes });
      },
      end: () =>
        order({ type: "respond_end", exchange, trailers: this.#bodies.get(exchange)?.trailers ?? [] }),
      fail: () => order({ type: "respond_cut", exchange }),
    });
    const output = {
      write: (piece: Uint8Array, onGone: () => void) => coder.code(piece, onGone),
      end: () => coder.end(),
      onFlushed: (bytes: number) => tell({ type: "exchange_flushed", exchange, bytes }),
    };
    // The coder takes one piece at a time, whatever its size.
    this.#bodies.set(exchange, { coder, writer: new PacedWriter(output, 1), leaving, trailers: [] });
  }
}

function leave({ leaving }: CodedBody, flushedBytes: number): void {
  let left = flushedBytes;
  for (let first = leaving[0]; first !== undefined && first.bytes <= left; first = leaving[0]) {
    left -= first.bytes;
    leaving.shift();
    first.onGone();
  }
  if (leaving[0] !== undefined) leaving[0].bytes -= left;
}
