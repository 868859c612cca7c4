/** The head of an answer as whatever carries it hands it on. */
import type { HeaderList } from "../../http/headers.ts";

/** The head of a final response: its status is from 200 to 599, or 101 where it takes an upgrade that the request asked for. */
export type CarriedHead = {
  readonly status: number;
  /** End-to-end fields, with one way at most to tell where the body ends: its length, or else the chunks of the next hop. */
  readonly headers: HeaderList;
  /** The body's length if the home declared it, null otherwise. */
  readonly declaredBytes: number | null;
  /** Names of the fields that the trailer section of a chunked body will have; empty where none was announced. */
  readonly trailerNames: string;
  /** Whether the home leaves it to the server to compress the body. */
  readonly compressible: boolean;
};
