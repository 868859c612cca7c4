/**
 * What a node says of its answer to another one, in one field that no home and no visitor gets to see. An answer without it is not a
 * node's: somebody else listens there, or a node that was shown no pass that it takes.
 */
import { FAILURE_CODES, type FailureCode } from "../../failure.ts";
import { type HeaderList, headerValue, withoutHeader } from "../../http/headers.ts";

export type Mark =
  /** The home's. `compressible`: it leaves it to the server to compress the body. */
  | { readonly type: "home"; readonly compressible: boolean }
  /** The home is not at that node, or not any more: nobody was asked. */
  | { readonly type: "misdirected" }
  | { readonly type: "failed"; readonly code: FailureCode; readonly detail: string | null };

const NAME = "Culvert-Peer";
const LOWER_NAME = "culvert-peer";

/** Of an answer to what was not taken in. */
export const ASTRAY: HeaderList = [NAME, "misdirected"];

export function markFields(mark: Mark): HeaderList {
  return [NAME, textOf(mark)];
}

/** A home's fields: it cannot speak for a node. */
export function withoutMark(headers: HeaderList): HeaderList {
  return withoutHeader(headers, LOWER_NAME);
}

/** Null where there is none, or nobody knows what it means. */
export function readMark(headers: HeaderList): Mark | null {
  const [word, code, detail] = (headerValue(headers, LOWER_NAME) ?? "").split(" ");
  switch (word) {
    case "home":
      return { type: "home", compressible: code === "compressible" };
    case "misdirected":
      return { type: "misdirected" };
    case "failed": {
      const known = FAILURE_CODES.find((each) => each === code);
      if (known === undefined) return null;
      return { type: "failed", code: known, detail: detail === undefined ? null : decoded(detail) };
    }
    default:
      return null;
  }
}

function textOf(mark: Mark): string {
  if (mark.type === "home") return mark.compressible ? "home compressible" : "home";
  if (mark.type === "misdirected") return "misdirected";
  const { code, detail } = mark;
  return detail === null ? `failed ${code}` : `failed ${code} ${encodeURIComponent(detail)}`;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
