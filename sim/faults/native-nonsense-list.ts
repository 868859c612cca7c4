/** What breaks the rules of the native protocol, written out: heads, sections, whole frames. */
import { KIND, NATIVE_HEADER_BYTES } from "../wire/native.ts";

export const HEAD = 1;
export const INTERIM = 2;
export const LAST = 4;
export const TRAILERS = 8;

function text(value: string): number[] {
  return [value.length, ...value.split("").map((character) => character.charCodeAt(0))];
}

/** A section with its length before it. */
function section(...bytes: readonly number[]): number[] {
  return [0, 0, bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

function fields(...list: readonly string[]): number[] {
  return [list.length / 2, ...list.flatMap(text)];
}

function response(status: number, ...list: readonly string[]): number[] {
  return section(status >> 8, status & 0xff, ...fields(...list));
}

function request(
  method: string,
  target: string,
  list: readonly string[],
  flags = 0,
  body: ArrayLike<number> = [],
): Uint8Array {
  const texts = [...text(method), ...text(target), ...text("192.0.2.9"), ...fields(...list)];
  const head = section(flags, 0, 0, 0, 0, 16, 0, ...texts);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** One byte more than a piece may have of body, and nearly as much. */
const LARGE = new Uint8Array(64 * 1024 + 1);
const LARGER = LARGE.subarray(0, 60_000);

/** In the place of a hello or a welcome, whichever kind it is. */
export const GREETINGS: readonly ((kind: number) => Uint8Array)[] = [
  () => new Uint8Array(3),
  (kind) => json(kind, ""),
  (kind) => about(1, json(kind, "{}")),
  (kind) => json(kind, "[]"),
  (kind) => json(kind, "{}"),
  (kind) => Uint8Array.of(...json(kind, ""), 0xff, 0x7d),
  (kind) => json(kind, '{"window":-1,"ticket":null}'),
  (kind) => json(kind, '{"window":1,"ticket":7}'),
  (kind) => json(kind, '{"window":1,"ticket":"short"}'),
  (kind) => json(kind, `{"ticket":"${"a".repeat(32)}","resumed":true,"graceMs":1}`),
  (kind) => json(kind, `{"ticket":"${"a".repeat(32)}","resumed":1,"graceMs":1}`),
  (kind) => json(kind, `{"ticket":"${"a".repeat(32)}","resumed":false,"graceMs":-1}`),
  () => json(KIND.ping, "12345678"),
];

function json(kind: number, value: string): Uint8Array {
  return Uint8Array.of(kind, ...new Uint8Array(NATIVE_HEADER_BYTES - 1), ...Buffer.from(value));
}

/** The same about an exchange. */
function about(exchange: number, frame: Uint8Array): Uint8Array {
  frame[7] = exchange;
  return frame;
}

export type Piece = readonly [flags: number, payload: ArrayLike<number>];

/** In the place of a piece of an answer, with the number that is due. */
export const RESPONSES: readonly Piece[] = [
  [16, []],
  [0, []],
  [0, LARGE],
  [HEAD, [0, 0]],
  [HEAD, [0, 0, 1, 0, 5]],
  [LAST | TRAILERS, [0, 0]],
  [LAST | TRAILERS, section(1, 5, 65)],
  [TRAILERS, section(0)],
  [LAST | TRAILERS, section(...fields("x-a", "b"))],
  [LAST | TRAILERS, section(...fields("x a", "b"))],
  [HEAD, section(0)],
  [HEAD, section(0, 200)],
  [HEAD, section(0, 200, 0x80, 0x80, 0x80, 0x80)],
  [HEAD, section(0, 200, 200)],
  [HEAD, section(0, 200, 1, 9, 65)],
  [HEAD, section(0, 200, 0, 0)],
  [HEAD, response(42)],
  [HEAD, response(200, "bad name", "x")],
  [HEAD, response(200, "content-length", "12x")],
  [HEAD, response(101)],
  [HEAD | LAST, response(200, "content-length", "5")],
  [HEAD | LAST, response(204, "content-length", "5", "content-length", "5")],
  [HEAD | LAST, response(200, "content-length", "0", "content-length", "0")],
  [HEAD, response(200, "trailer", "x-a")],
  [HEAD | INTERIM, response(103)],
  [HEAD | INTERIM, response(103)],
  [HEAD | INTERIM, response(200)],
  [HEAD | INTERIM, response(102, "bad name", "x")],
  [HEAD | INTERIM | LAST, response(103)],
  [INTERIM, [1]],
  [LAST, []],
];

/** In the place of a later piece of a request, whose body is too short with it, or too long. */
export const CONTINUATIONS: readonly Piece[] = [
  [LAST, []],
  [LAST, [1]],
  [0, LARGER],
];

/** Right behind the request for an upgrade, which the home has not taken yet. */
export const UPGRADE_BYTES: readonly Piece[] = [
  [0, [1, 2, 3]],
  [0, LARGER],
  [LAST, []],
  [LAST, [1]],
];

/** As the beginning of a request, or in the place of a piece of one. */
export const REQUESTS: readonly Piece[] = [
  [HEAD | LAST, request("GET", "/nobody", [])],
  [HEAD | LAST, request("CONNECT", "/nobody", [])],
  [HEAD | LAST, request("GET", "http://elsewhere/", [])],
  [HEAD | LAST, request("OPTIONS", "*", [])],
  [HEAD | LAST, request("GET", "/nobody", ["bad name", "x"])],
  [HEAD | LAST, request("POST", "/nobody", ["content-length", "x"])],
  [HEAD | LAST, request("POST", "/nobody", ["content-length", "3"])],
  [HEAD, [...request("POST", "/nobody", ["content-length", "1"]), 1, 2, 3]],
  [HEAD | LAST, request("GET", "/nobody", ["host", "a", "Host", "b", "x-set", "by the server"])],
  [HEAD, request("POST", "/nobody", ["content-length", "70000"], 0, LARGER)],
  [HEAD | LAST, section(0, 0, 0, 0, 0, 16, 0, 3, 71, 69, 84)],
  [HEAD | LAST, request("GET", "/nobody", [], 1)],
  [HEAD | LAST, request("GET", "/nobody", [], 2)],
  [HEAD, request("GET", "/nobody", ["upgrade", "websocket", "connection", "upgrade"], 1)],
  [HEAD | LAST | TRAILERS, [...request("POST", "/nobody", []), ...section(9)]],
  [HEAD | LAST | TRAILERS, [...request("POST", "/nobody", []), ...section(...fields("x-a", "b"))]],
  [HEAD | LAST, section(0, 0, 0)],
  [LAST, []],
  [0, [1, 2, 3]],
  [HEAD | INTERIM, request("GET", "/nobody", [])],
];

export type Other = readonly [
  kind: number,
  exchange: "this" | "next" | "other" | "none",
  flags: number,
  payload: ArrayLike<number>,
];

const PING = [1, 2, 3, 4, 5, 6, 7, 8];

/** Beside a frame. */
export const OTHERS: readonly Other[] = [
  [42, "none", 0, []],
  [KIND.piece, "none", LAST, []],
  [KIND.piece, "other", LAST, []],
  [KIND.piece, "next", LAST, []],
  [KIND.reset, "next", 0, text("ended").slice(1)],
  [KIND.reset, "none", 0, text("ended").slice(1)],
  [KIND.reset, "other", 0, text("ended").slice(1)],
  [KIND.reset, "this", 0, text("forgotten").slice(1)],
  [KIND.reset, "this", 0, text("origin_timeout").slice(1)],
  [KIND.reset, "this", 0, text("Not a code").slice(1)],
  [KIND.reset, "this", 0, []],
  [KIND.reset, "this", 1, text("ended").slice(1)],
  [KIND.credit, "none", 0, []],
  [KIND.credit, "none", 0, [1, 2, 3]],
  [KIND.credit, "this", 0, []],
  [KIND.credit, "none", 0, [0, 0, 0, 0, 0, 1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0]],
  [KIND.resume, "none", 0, []],
  [KIND.drain, "none", 0, [1]],
  [KIND.ping, "none", 0, PING],
  [KIND.ping, "none", 0, [1]],
  [KIND.pong, "none", 0, PING],
  [KIND.pong, "none", 0, [1]],
];
