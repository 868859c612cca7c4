/**
 * Where our reader of requests and Node's may differ, each with the reason. A rule looks at nothing but the request that the
 * two disagree about, so that a difference which none explains is a fault of a reader.
 */
import { afterChunks, valuesOf } from "./reading-rules.ts";

export type Rule = {
  readonly name: string;
  readonly section: string;
  /** Whether it has something to say about what was sent. */
  readonly applies: (sent: Anatomy) => boolean;
};

/** A request taken apart at its empty line, by nothing more than a look at it. */
export type Anatomy = {
  /** All of it, and what follows. */
  readonly text: string;
  /** Without its last line ends, and without what stands before it. */
  readonly head: string;
  readonly requestLine: string;
  readonly fieldLines: readonly string[];
  /** What follows the head. */
  readonly rest: string;
};

/** What we refuse, or wait for in vain, and Node may take. */
export const STRICTER: readonly Rule[] = [
  {
    name: "a line ends with CR and LF, those before a request included",
    section: "RFC 9112 section 2.2",
    applies: ({ text, head }) => /^[\r\n]*(?:\r(?!\n)|(?<!\r)\n)/.test(text) || BARE.test(head),
  },
  {
    name: "method, target and version stand between single spaces",
    section: "RFC 9112 section 3",
    applies: ({ requestLine }) => !/^[^ \t]* [^ \t]* [^ \t]*$/.test(requestLine),
  },
  {
    name: "a request has a version, which is 1.0 or 1.1",
    section: "RFC 9112 section 2.3",
    applies: ({ requestLine }) => !/ HTTP\/1\.[01]$/.test(requestLine),
  },
  {
    name: "a body is coded in chunks and no other way, has no length beside them, and none of HTTP/1.0",
    section: "RFC 9112 sections 6.1 and 6.3",
    applies: ({ requestLine, fieldLines }) => {
      const codings = valuesOf(fieldLines, "transfer-encoding");
      if (codings.length === 0) return false;
      const isElse = codings.join().toLowerCase() !== "chunked" || / HTTP\/1\.0$/.test(requestLine);
      return isElse || valuesOf(fieldLines, "content-length").length > 0;
    },
  },
  {
    name: "a chunk has a size that is a number, and just that size",
    section: "RFC 9112 section 7.1",
    applies: ({ fieldLines, rest }) => isChunked(fieldLines) && !/^0/.test(afterChunks(rest)),
  },
  {
    name: "trailers are fields as any others, and say nothing of the body's end",
    section: "RFC 9112 section 7.1.2, RFC 9110 section 6.5.1",
    applies: ({ fieldLines, rest }) => {
      if (!isChunked(fieldLines)) return false;
      const [, ...lines] = afterChunks(rest).split("\r\n\r\n", 1).join().split("\r\n");
      const isFraming = ["content-length", "transfer-encoding"].some(
        (name) => valuesOf(lines, name).length > 0,
      );
      return isFraming || lines.some((line) => !/^[!#$%&'*+.^_`|~\w-]+:[\t -~\x80-\xff]*$/.test(line));
    },
  },
  {
    name: "a request that asks for an upgrade has its body as any other",
    section: "RFC 9110 section 7.8",
    applies: ({ fieldLines }) => valuesOf(fieldLines, "connection").join().includes("upgrade"),
  },
];

/** What we take, and Node may refuse. */
export const MORE_LENIENT: readonly Rule[] = [
  {
    name: "a method need not be a known one",
    section: "RFC 9110 section 9.1",
    applies: ({ requestLine }) =>
      /^[A-Z][A-Z-]* /.test(requestLine) &&
      !/^(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH|M-SEARCH|PROPFIND) /.test(requestLine),
  },
  {
    name: "what forms a target may have is for its router to say",
    section: "RFC 9112 section 3.2",
    applies: ({ requestLine }) =>
      !/^\S+ (?:\*|\/[\x21\x22\x24-\x7e]*|https?:\/\/[a-z0-9:]+(?:[/?][\x21\x22\x24-\x7e]*)?) /.test(
        requestLine,
      ),
  },
  {
    name: "what a chunk's size is followed by does not matter, if it is text",
    section: "RFC 9112 section 7.1.1",
    applies: ({ fieldLines, rest }) => isChunked(fieldLines) && /[0-9a-f];/i.test(rest),
  },
  {
    name: "lines of a chunked body are judged when they are whole",
    section: "RFC 9112 section 7.1",
    applies: ({ fieldLines, rest }) => isChunked(fieldLines) && !afterChunks(rest).includes("\r\n\r\n"),
  },
  {
    name: "spaces around a value are no part of it",
    section: "RFC 9110 section 5.5",
    applies: ({ head }) => /transfer-encoding:[^\r]*[\t ](?:\r|$)/i.test(head),
  },
];

export function anatomyOf(text: string): Anatomy {
  const begun = text.replace(/^[\r\n]+/, "");
  const end = begun.indexOf("\r\n\r\n");
  const head = end === -1 ? begun : begun.slice(0, end);
  const [requestLine = "", ...fieldLines] = head.split("\r\n");
  return { text, head, requestLine, fieldLines, rest: end === -1 ? "" : begun.slice(end + 4) };
}

function isChunked(fieldLines: readonly string[]): boolean {
  return valuesOf(fieldLines, "transfer-encoding").length > 0;
}

const BARE = /\r(?!\n)|(?<!\r)\n/;
