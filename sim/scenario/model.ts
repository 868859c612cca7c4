/**
 * The small model that checkers believe: what a home answers to an operation, byte by byte. It is a function of the
 * scenario alone and shares nothing with the machines under test.
 */
import { newBytes } from "../tools/bytes.ts";
import { latin1Text, utf8Bytes } from "../tools/text.ts";
import { extraHeaders, MISREADS_HANDSHAKE } from "./answers.ts";
import { hasChunks } from "./deliveries.ts";
import type { AnswerSpec, VisitOperation } from "./scenario.ts";

/** Answers of a home carry this header, so that a checker can tell them from answers of the server or the agent. */
export const HOME_HEADER = "x-home-answer";
/** What a home says to a request that is no visit's: it tries to sign its visitor out of itself. */
export const PAGE_HEADER = "x-home-page";
export const PAGE_OF_NOBODY = [PAGE_HEADER, "1", "set-cookie", "culvert-session=theirs; Path=/"] as const;

export type ModelAnswer = {
  readonly status: number;
  /** In the order sent; header names are unique. */
  readonly headers: readonly string[];
  /** Place of the body's first byte in the taint stream: above 0 for a range. */
  readonly bodyOffset: number;
  /** Bytes that follow the head, 0 where the response has no body. */
  readonly bodyBytes: number;
  /** What the home really sends: other headers as well, and not always as many bytes as it should. */
  readonly sent: { readonly status: number; readonly headers: readonly string[]; readonly bytes: number };
};

/** What the home of `clientId` answers to the visit. */
export function answerOf(clientId: string, visit: VisitOperation): ModelAnswer {
  const { answer, request } = visit;
  if (request.upgrade === true && answer.status === 200) return upgradeOf(clientId, visit);
  const headers = [HOME_HEADER, `${clientId}/${visit.id}`, "content-type", answer.contentType];
  const range = answer.status === 200 ? request.range : null;
  const first = range?.first ?? 0;
  const whole =
    range === null ? answer.bodyBytes : Math.max(0, Math.min(range.last + 1, answer.bodyBytes) - first);
  if (range !== null)
    headers.push("content-range", `bytes ${first}-${first + whole - 1}/${answer.bodyBytes}`);
  if (answer.declaresLength) headers.push("content-length", String(whole));
  const status = range === null ? answer.status : 206;
  const mayHaveBody = hasBody(request.method, answer);
  const bodyBytes = mayHaveBody ? whole : 0;
  const { quirks = [] } = answer;
  const extra = [
    ...extraHeaders(quirks, answer.declaresLength ? String(whole) : null),
    ...(hasTrailers(visit) ? ["trailer", "X-Sum"] : []),
  ];
  return {
    status,
    headers,
    bodyOffset: first,
    bodyBytes,
    sent: {
      status: quirks.includes("bad_status") ? 1_000 : status,
      headers: extra.length === 0 ? headers : [...headers, ...extra],
      bytes: mayHaveBody
        ? sentBytes(bodyBytes, answer)
        : quirks.includes("body_for_nobody")
          ? ADDED_BYTES
          : 0,
    },
  };
}

/** What takes the handshake whose key is sixteen zeros, as that of every simulated visitor is (RFC 6455 section 4.2.2). */
const ACCEPT = "ICX+Yqv66kxgM0FcWaLWlFLwTAI=";

const SWITCHING = ["connection", "Upgrade", "upgrade", "websocket", "sec-websocket-accept", ACCEPT];

/** What takes no handshake: another protocol, another key's answer, none, and two. */
const MISREADINGS: readonly (readonly string[])[] = [
  ["connection", "Upgrade", "upgrade", "h2c"],
  [...SWITCHING.slice(0, -1), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
  SWITCHING.slice(0, -2),
  [...SWITCHING, "upgrade", "h2c"],
];

/** The home takes a WebSocket: its body is what its frames carry. */
function upgradeOf(clientId: string, { id, answer }: VisitOperation): ModelAnswer {
  const { bodyBytes, quirks = [] } = answer;
  const headers = [HOME_HEADER, `${clientId}/${id}`];
  const misreads = quirks.includes(MISREADS_HANDSHAKE);
  const switching = (misreads ? MISREADINGS[id % MISREADINGS.length] : SWITCHING) ?? SWITCHING;
  return {
    status: 101,
    headers,
    bodyOffset: 0,
    bodyBytes,
    sent: { status: 101, headers: [...switching, ...headers], bytes: bodyBytes },
  };
}

/** What follows the body of an answer that has trailers. */
export function trailersOf({ id }: VisitOperation): readonly string[] {
  return ["x-sum", String(id), "X-Sum", "again"];
}

/** Whether the answer to the visit ends with trailers: only a body whose length was not declared has a place for them. */
export function hasTrailers({ request, answer }: VisitOperation): boolean {
  return (
    answer.trailers === true &&
    !answer.declaresLength &&
    hasChunks(answer.deliveries ?? []) &&
    hasBody(request.method, answer)
  );
}

function sentBytes(bodyBytes: number, { quirks = [], declaresLength }: AnswerSpec): number {
  // Without a declared length nobody can know that it is not all.
  if (quirks.includes("ends_early") && declaresLength) return Math.floor(bodyBytes / 2);
  if (quirks.includes("ends_late") && declaresLength && bodyBytes > 0) return bodyBytes + ADDED_BYTES;
  return bodyBytes;
}

const ADDED_BYTES = 100;

/** RFC 9112 section 6.3: these have no body, whatever their headers say. */
function hasBody(method: string, answer: AnswerSpec): boolean {
  return method !== "HEAD" && answer.status !== 204 && answer.status !== 304;
}

/** The taint of one visit's body: which client id and which visit a byte belongs to shows in its value. */
export function taintKey(clientId: string, visit: number): number {
  let key = Math.imul(visit + 1, 0x9e3779b1);
  for (let index = 0; index < clientId.length; index++) {
    key = Math.imul(key ^ clientId.charCodeAt(index), 0x85ebca6b) ^ (key >>> 13);
  }
  return key | 0;
}

/** `length` bytes of the taint stream from `offset` on. */
export function taintedBytes(key: number, offset: number, length: number): Uint8Array {
  const bytes = newBytes(length);
  let index = 0;
  for (const end = wholeWordsFrom(offset, length); index < end; index++)
    bytes[index] = taintByte(key, offset + index);
  for (const end = length - 3; index < end; index += 4) {
    const word = taintWord(key, offset + index);
    bytes[index] = word;
    bytes[index + 1] = word >>> 8;
    bytes[index + 2] = word >>> 16;
    bytes[index + 3] = word >>> 24;
  }
  for (; index < length; index++) bytes[index] = taintByte(key, offset + index);
  return bytes;
}

/** Index of the first byte that is not the stream's at that place; -1 when all are. */
export function firstDifference(key: number, offset: number, bytes: Uint8Array): number {
  const { length } = bytes;
  let index = 0;
  for (const end = wholeWordsFrom(offset, length); index < end; index++) {
    if (bytes[index] !== taintByte(key, offset + index)) return index;
  }
  for (const end = length - 3; index < end; index += 4) {
    const word = taintWord(key, offset + index);
    if (wordAt(bytes, index) !== word) break;
  }
  for (; index < length; index++) {
    if (bytes[index] !== taintByte(key, offset + index)) return index;
  }
  return -1;
}

function taintByte(key: number, offset: number): number {
  return (taintWord(key, offset) >>> (8 * (offset & 3))) & 0xff;
}

/** The stream comes in words of four bytes, the lowest first: the one that the place is in. */
function taintWord(key: number, offset: number): number {
  const mixed = Math.imul((offset >>> 2) + key, 0x9e3779b1);
  const word = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35);
  return word ^ (word >>> 16);
}

function wordAt(bytes: Uint8Array, index: number): number {
  const low = (bytes[index] ?? 0) | ((bytes[index + 1] ?? 0) << 8);
  return low | ((bytes[index + 2] ?? 0) << 16) | ((bytes[index + 3] ?? 0) << 24);
}

/** How many bytes come before the first that begins a word. */
function wholeWordsFrom(offset: number, length: number): number {
  return Math.min(length, -offset & 3);
}

/** What a visit sends as its request body, one byte to a character: mostly JSON. Null where it sends none. */
export function requestBodyOf({ id, request: { bodyBytes, quirks = [] } }: VisitOperation): string | null {
  if (bodyBytes === 0 || quirks.includes("empty_body")) return null;
  if (quirks.includes("raw_body")) return latin1Text(taintedBytes(taintKey("visitor", id), 0, bodyBytes));
  if (quirks.includes("number_body")) return String(WHOLE_NUMBER + id);
  const text = JSON.stringify({ visit: id, fill: "" });
  const filled = text.replace('""', `"${"x".repeat(Math.max(0, bodyBytes - text.length))}"`);
  return quirks.includes("wide_body") ? latin1Text(utf8Bytes(filled.replace("x", WIDE_JSON))) : filled;
}

/** As many digits as any reader of JSON keeps. */
const WHOLE_NUMBER = 100_000_000_000_000;

/** Characters of two, three and four bytes, and escapes, as `JSON.stringify` leaves them. */
const WIDE_JSON = '\u00e9\u20ac\ud83d\ude00\\n\\"\\\\';
