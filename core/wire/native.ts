/**
 * Frames of culvert.1 (`native.md`): the fixed header, hello and welcome. Heads and header lists are in `native-head.ts`.
 * Nothing here throws on what came from a wire: decoders give null.
 */
import { assert } from "../assert.ts";
import { parseJson } from "./json.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";
import { decodeWays, isHost, type Ways } from "./ways.ts";

/** The subprotocol's name in the handshake. */
export const NATIVE_PROTOCOL = "culvert.1";

/** Every frame begins with kind, flags, exchange and number. */
export const FRAME_HEADER_BYTES = 12;
/** More body in one piece is a violation. */
export const PIECE_BODY_BYTES_MAX = 65_536;
/** exchange u48, received u32, limit u48. */
export const CREDIT_ENTRY_BYTES = 16;
export const PING_BYTES = 8;
export const U48_MAX = 2 ** 48 - 1;

export const FRAME = {
  piece: 1,
  reset: 2,
  credit: 3,
  resume: 4,
  hello: 5,
  welcome: 6,
  drain: 7,
  ping: 8,
  pong: 9,
  moved: 10,
  nodes: 11,
} as const;

/** Flags of a piece; no other frame has any. */
export const FLAG = { head: 1, interim: 2, last: 4, trailers: 8 } as const;

/** The agent's first frame. */
export type Hello = {
  /** Credit for the body of each request, from 1. */
  readonly windowBytes: number;
  /** Of the session to go on with, 32 hex digits. */
  readonly ticket: string | null;
  /** The name by which the home is to be found, one of those that the server's operator gave it; null for any. */
  readonly host: string | null;
  /** Whether the agent keeps links to several nodes, and so wants to be told of others; missing where it does not. */
  readonly links?: true;
};

/** The server's first frame. */
export type Welcome = {
  readonly ticket: string;
  readonly resumed: boolean;
  readonly graceMs: number;
  /** Missing where the server does not tell. */
  readonly ways?: Ways;
  /** The server's `exchangeIdleMs`, from 1; null from a server that does not tell it. */
  readonly idleMs: number | null;
  /** Whether the server takes a moved frame; missing where it does not. */
  readonly moves?: true;
  /** Which of several nodes this is; missing where it is the only one, or its name cannot stand in a header field. */
  readonly node?: string;
};

/** What kind of frame the bytes begin like, one of `FRAME` or a number that is none of them; 0 where they are too short. */
export function frameKind(bytes: Uint8Array): number {
  return bytes.length < FRAME_HEADER_BYTES ? 0 : (bytes[0] ?? 0);
}

export function encodeHello(hello: Hello): Uint8Array {
  assert(isWindow(hello.windowBytes), "a window is not a whole number from 1");
  const { windowBytes, ticket, host, links } = hello;
  return jsonFrame(FRAME.hello, {
    window: windowBytes,
    ticket,
    ...(host === null ? {} : { host }),
    ...(links === true ? { links } : {}),
  });
}

/** Null for anything but a well-formed hello. */
export function decodeHello(bytes: Uint8Array): Hello | null {
  const json = decodeJsonFrame(FRAME.hello, bytes);
  if (json === null) return null;
  const windowBytes = json.window;
  const ticket = json.ticket;
  const host = json.host ?? null;
  if (!isWindow(windowBytes) || (ticket !== null && !isTicket(ticket))) return null;
  if (host !== null && !isHost(host)) return null;
  return { windowBytes, ticket, host, ...(json.links === true ? LINKS : {}) };
}

const LINKS = { links: true } as const;

export function encodeWelcome(welcome: Welcome): Uint8Array {
  assert(isTicket(welcome.ticket), "a ticket is not 32 hex digits");
  assert(isDuration(welcome.graceMs), "graceMs is not a whole number");
  assert(isIdle(welcome.idleMs), "idleMs is not a whole number from 1");
  return jsonFrame(FRAME.welcome, {
    ticket: welcome.ticket,
    resumed: welcome.resumed,
    graceMs: welcome.graceMs,
    ...(welcome.ways === undefined ? {} : { ways: welcome.ways }),
    idleMs: welcome.idleMs,
    ...(welcome.moves === true ? { moves: true } : {}),
    ...(welcome.node === undefined ? {} : { node: welcome.node }),
  });
}

/** Null for anything but a well-formed welcome. */
export function decodeWelcome(bytes: Uint8Array): Welcome | null {
  const json = decodeJsonFrame(FRAME.welcome, bytes);
  if (json === null) return null;
  const ticket = json.ticket;
  const resumed = json.resumed;
  const graceMs = json.graceMs;
  const idleMs = json.idleMs ?? null;
  const told = { ...(json.moves === true ? MOVES : {}), ...(isNode(json.node) ? { node: json.node } : {}) };
  if (!isTicket(ticket) || typeof resumed !== "boolean" || !isDuration(graceMs) || !isIdle(idleMs))
    return null;
  if (json.ways === undefined) return { ticket, resumed, graceMs, idleMs, ...told };
  const ways = decodeWays(json.ways);
  return ways === null ? null : { ticket, resumed, graceMs, idleMs, ...told, ways };
}

const MOVES = { moves: true } as const;

/** The names of other nodes. */
export function encodeNodes(nodes: readonly string[]): Uint8Array {
  return jsonFrame(FRAME.nodes, { nodes });
}

/** Null for anything but a well-formed nodes frame. A name of which nothing could be made is left out. */
export function decodeNodes(bytes: Uint8Array): readonly string[] | null {
  const nodes = decodeJsonFrame(FRAME.nodes, bytes)?.nodes;
  return Array.isArray(nodes) ? nodes.filter(isNode) : null;
}

/** Whether it can be said to be the name of a node, and stand in a list in a header field. */
export function isNode(value: unknown): value is string {
  return typeof value === "string" && NODE.test(value);
}

const NODE = /^[0-9A-Za-z._:@-]{1,64}$/;

/** Writes the header at the beginning of `bytes`. Numbers count modulo 2^32. */
export function writeFrameHeader(
  bytes: Uint8Array,
  kind: number,
  flags: number,
  exchange: number,
  number: number,
): void {
  bytes[0] = kind;
  bytes[1] = flags;
  writeU48(bytes, 2, exchange);
  writeU32(bytes, 8, number);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) * 0x1000000 +
    (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  );
}

export function readU48(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)) * 0x100000000 + readU32(bytes, at + 2);
}

/** Writes the lowest 32 bits of a whole number. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function writeU48(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 0x100000000);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  writeU32(bytes, at + 2, value);
}

function jsonFrame(kind: number, json: object): Uint8Array {
  const text = encodeUtf8(JSON.stringify(json));
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + text.length);
  writeFrameHeader(bytes, kind, 0, 0, 0);
  bytes.set(text, FRAME_HEADER_BYTES);
  return bytes;
}

/** A hello or a welcome is a few dozen bytes; members that are not known yet have room. */
const JSON_BYTES_MAX = 4_096;

function decodeJsonFrame(kind: number, bytes: Uint8Array): Record<string, unknown> | null {
  if (frameKind(bytes) !== kind || bytes.length > FRAME_HEADER_BYTES + JSON_BYTES_MAX) return null;
  for (let index = 1; index < FRAME_HEADER_BYTES; index++) if (bytes[index] !== 0) return null;
  const text = decodeUtf8(bytes.subarray(FRAME_HEADER_BYTES));
  const json = text === null ? null : parseJson(text);
  return isRecord(json) ? json : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWindow(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= U48_MAX;
}

function isTicket(value: unknown): value is string {
  return typeof value === "string" && TICKET.test(value);
}

const TICKET = /^[0-9a-f]{32}$/;

function isIdle(value: unknown): value is number | null {
  return value === null || (isDuration(value) && value >= 1);
}

function isDuration(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= U48_MAX;
}
