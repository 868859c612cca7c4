/**
 * Where our reader of responses and Node's may differ, each with the reason. A rule looks at nothing but what was sent, so
 * that a difference which none explains is a fault of a reader.
 */
import type { Generated } from "./generated-responses.ts";

export type Rule = {
  readonly name: string;
  readonly section: string;
  /** Whether it has something to say about what was sent. */
  readonly applies: (sent: Anatomy) => boolean;
};

/** A response taken apart at its empty lines, by nothing more than a look at them. */
export type Anatomy = {
  readonly method: string;
  readonly upgrade: boolean;
  /** Of the interim responses and the one that follows, without their last line ends. */
  readonly heads: readonly string[];
  /** Status and field lines of all heads, those that a broken line end made included. */
  readonly statusLines: readonly string[];
  readonly fieldLines: readonly string[];
  /** What follows the last head. */
  readonly rest: string;
};

/** What we refuse, or wait for in vain, and Node may take. */
export const STRICTER: readonly Rule[] = [
  {
    name: "a line has no CR inside",
    section: "RFC 9112 section 2.2",
    applies: ({ heads }) => heads.some((head) => BARE_CR.test(head)),
  },
  {
    name: "a response begins with its version, which is 1.0 or 1.1",
    section: "RFC 9112 sections 2.3 and 4",
    applies: ({ statusLines }) => statusLines.some((line) => !/^HTTP\/1\.[01](?!\d)/.test(line)),
  },
  {
    name: "a status is a number from 100 to 999, between single spaces, and its reason is text",
    section: "RFC 9112 section 4",
    applies: ({ statusLines }) =>
      statusLines.some((line) => !/^\S+ [1-9]\d\d(?: [\t -~\x80-\xff]*)?$/.test(line)),
  },
  {
    name: "a field's name is a token, and its colon follows at once",
    section: "RFC 9112 section 5.1",
    applies: ({ fieldLines }) => fieldLines.some((line) => !/^[!#$%&'*+.^_`|~\w-]+:/.test(line)),
  },
  {
    name: "a field's value has no control character but tab",
    section: "RFC 9110 section 5.5",
    applies: ({ fieldLines }) => fieldLines.some((line) => /[^\t -~\x80-\xff]/.test(line)),
  },
  {
    name: "101 answers a request for an upgrade, and says so",
    section: "RFC 9110 sections 7.8 and 15.2.2",
    applies: ({ statusLines, fieldLines, upgrade }) => {
      if (!statusLines.some((line) => line.includes(" 101"))) return false;
      const options = valuesOf(fieldLines, "connection")
        .join()
        .toLowerCase()
        .split(/[\t ]*,[\t ]*/);
      return !upgrade || valuesOf(fieldLines, "upgrade").join() === "" || !options.includes("upgrade");
    },
  },
  {
    name: "a length is a number, and one",
    section: "RFC 9112 section 6.3",
    applies: ({ fieldLines }) => {
      const lengths = valuesOf(fieldLines, "content-length").flatMap((value) => value.split(","));
      return (
        lengths.some((value) => !/^[\t ]*\d{1,15}[\t ]*$/.test(value)) ||
        new Set(lengths.map(Number)).size > 1
      );
    },
  },
  {
    name: "a body is coded in chunks and no other way, and has no length beside them",
    section: "RFC 9112 sections 6.1 and 6.3",
    applies: ({ fieldLines }) => {
      const codings = valuesOf(fieldLines, "transfer-encoding");
      if (codings.length === 0) return false;
      return codings.join().toLowerCase() !== "chunked" || valuesOf(fieldLines, "content-length").length > 0;
    },
  },
  {
    name: "a chunk has a size of hexadecimal digits, extensions without control characters, and just that size",
    section: "RFC 9112 section 7.1",
    applies: (sent) => isChunked(sent) && !/^0/.test(afterChunks(sent.rest)),
  },
  {
    name: "trailers are fields as any others, and no length",
    section: "RFC 9112 section 7.1.2, RFC 9110 section 6.5.1",
    applies: (sent) => {
      if (!isChunked(sent)) return false;
      const [last, ...lines] = afterChunks(sent.rest).split("\r\n\r\n", 1).join().split("\r\n");
      return (
        !CHUNK_LINE.test(`${last}\r\n`) ||
        lines.some((line) => !/^(?:[!#$%&'*+.^_`|~\w-]+:|[\t ])[\t -~\x80-\xff]*$/.test(line)) ||
        /^[\t ]/.test(lines[0] ?? "") ||
        valuesOf(lines, "content-length").length > 0
      );
    },
  },
  {
    name: "nothing but another response may follow a body",
    section: "RFC 9112 section 9.2",
    applies: (sent) => {
      const behind = behindBody(sent);
      return !isBodiless(sent) && !behind.startsWith("HTTP/1.") && !"HTTP/1.".startsWith(behind);
    },
  },
];

/** What we take, and Node may refuse. */
export const MORE_LENIENT: readonly Rule[] = [
  {
    name: "a line of a head, or of trailers, may end with LF alone",
    section: "RFC 9112 section 2.2",
    applies: ({ heads, rest }) => [...heads, rest].some((text) => LONE_LF.test(text)),
  },
  {
    name: "a value that goes on in the next line is one value",
    section: "RFC 9112 section 5.2",
    applies: ({ heads, rest }) => [...heads, rest].some((text) => /\r\n[\t ]/.test(text)),
  },
  {
    name: "the same length twice is one length",
    section: "RFC 9112 section 6.3",
    applies: ({ fieldLines }) => valuesOf(fieldLines, "content-length").join().includes(","),
  },
  {
    name: "what a chunk's size is followed by does not matter, if it is text",
    section: "RFC 9112 section 7.1.1",
    applies: (sent) => isChunked(sent) && /[0-9a-f](?:[\t ]|;)/i.test(sent.rest),
  },
  {
    name: "an interim response ends no connection, whatever its version and fields",
    section: "RFC 9110 section 15.2",
    applies: ({ heads }) => heads.length > 1,
  },
  {
    name: "where there is no body, nothing is said about its length",
    section: "RFC 9112 section 6.3",
    applies: ({ heads }) => heads.some((head) => /^\S+ 1\d\d/.test(head) && /^content-length:/im.test(head)),
  },
];

/** What both take, in different ways. */
export const OTHERWISE: readonly Rule[] = [
  {
    name: "spaces around a value are no part of it",
    section: "RFC 9110 section 5.5",
    applies: ({ heads }) => heads.some((head) => /transfer-encoding:[^\r]*[\t ](?:\r|$)/i.test(head)),
  },
  {
    name: "a value that goes on in the next line has one space in place of the break",
    section: "RFC 9112 section 5.2",
    applies: ({ heads, rest }) => [...heads, rest].some((text) => /\r\n[\t ]/.test(text)),
  },
];

export function anatomyOf({ method, upgrade, text }: Generated): Anatomy {
  const heads: string[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    const head = end === -1 ? rest : rest.slice(0, end);
    heads.push(head);
    rest = end === -1 ? "" : rest.slice(end + 4);
    if (end === -1 || !/^\S+ 1(?!01)\d\d/.test(head)) break;
  }
  const lines = heads.map((head) => head.split("\r\n"));
  return {
    method,
    upgrade,
    heads,
    statusLines: lines.map(([first]) => first ?? ""),
    // Those of the last head decide how its body ends; a line that goes on is part of the one before.
    fieldLines: lines.flatMap(([, ...fields]) => unfolded(fields)),
    rest,
  };
}

function unfolded(lines: readonly string[]): string[] {
  const whole: string[] = [];
  for (const line of lines) {
    if (whole.length > 0 && /^[\t ]/.test(line)) whole.push(`${whole.pop()} ${trimmed(line)}`);
    else whole.push(line);
  }
  return whole;
}

/** Of the fields of that name, without white space around them. */
export function valuesOf(lines: readonly string[], name: string): string[] {
  return lines
    .filter((line) => line.toLowerCase().startsWith(`${name}:`))
    .map((line) => trimmed(line.slice(name.length + 1)));
}

function trimmed(value: string): string {
  return value.replace(/^[\t ]+|[\t ]+$/g, "");
}

function isBodiless({ method, statusLines }: Anatomy): boolean {
  return method === "HEAD" || /^\S+ (?:204|304)/.test(statusLines.at(-1) ?? "");
}

function isChunked(sent: Anatomy): boolean {
  return !isBodiless(sent) && valuesOf(sent.fieldLines, "transfer-encoding").length > 0;
}

/** From the last chunk on, or from what is no chunk. */
export function afterChunks(rest: string): string {
  let left = rest;
  for (;;) {
    const [line, digits] = CHUNK_LINE.exec(left) ?? [];
    const size = Number.parseInt(digits ?? "", 16);
    if (line === undefined || size === 0) return left;
    const end = line.length + size;
    // A chunk that is longer or shorter than its size is none.
    if (left.slice(end, end + 2) !== "\r\n") return "";
    left = left.slice(end + 2);
  }
}

/** What follows the end of the body. */
function behindBody(sent: Anatomy): string {
  if (isChunked(sent)) {
    const last = afterChunks(sent.rest);
    const end = /^[^\r]*\r\n\r\n/.exec(last)?.[0].length ?? last.indexOf("\r\n\r\n") + 4;
    return last.slice(end);
  }
  const length = Number(valuesOf(sent.fieldLines, "content-length")[0]?.split(",")[0] ?? Number.NaN);
  return Number.isNaN(length) ? "" : sent.rest.slice(length);
}

const LONE_LF = /(?<!\r)\n/;
const BARE_CR = /\r(?!\n)/;
const CHUNK_LINE = /^0*([0-9a-f]{1,13})[\t ]*(?:;[\t -~\x80-\xff]*)?\r\n/i;
