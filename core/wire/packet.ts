/**
 * The response packet of the MoosicBox protocol: one numbered piece of a response, from agent to server
 * (protocol-moosicbox.md, Agent to server). Packet 1 carries the status and the headers as well.
 *
 * Decoding runs once per 64 KiB of every body, so it copies nothing: the body of a packet is a view of the message.
 */
import { assert, at } from "../assert.ts";
import { byteAt } from "../bytes.ts";
import { type HeaderList, validHeader } from "../http/headers.ts";
import { decodeBase64 } from "./base64.ts";
import { jsonValueEnd, parseJson } from "./json.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

/** An unsigned 64-bit id. A bigint only beyond 2^53 - 1, where a number would round it; such ids are never ours. */
export type WireId = number | bigint;

export type PacketHead = { readonly status: number; readonly headers: HeaderList };

export type Packet = {
  readonly type: "packet";
  readonly requestId: WireId;
  /** Counted from 1, at most 2^32 - 1. */
  readonly packetId: number;
  readonly last: boolean;
  /** There exactly where `packetId` is 1. */
  readonly head: PacketHead | null;
  /** A view of the message, not a copy. */
  readonly body: Uint8Array;
};

/** What came breaks the protocol. Where the request id could still be read, only that exchange has to suffer. */
export type PacketProblem = {
  readonly type: "problem";
  readonly requestId: WireId | null;
  readonly code: "agent_protocol" | "limit_response_headers";
  /** For the log: names the rule, never what came. */
  readonly detail: string;
};

export const TEXT_PACKET_PREFIX = "TUNNEL_RESPONSE:";

/** Decodes a binary message. `headerBytesMax` bounds the headers in their encoded form. */
export function decodePacket(bytes: Uint8Array, headerBytesMax: number): Packet | PacketProblem {
  if (bytes.length < FIXED_BYTES) return problem(null, "a packet is shorter than its fixed header");
  const requestId = readId(bytes);
  const packetId = readU32(bytes, 8);
  const lastFlag = byteAt(bytes, 12);
  if (packetId === 0) return problem(requestId, "a packet has the number 0");
  if (lastFlag > 1) return problem(requestId, "a last flag is neither 0 nor 1");
  const last = lastFlag === 1;
  if (packetId !== 1) {
    return { type: "packet", requestId, packetId, last, head: null, body: bytes.subarray(FIXED_BYTES) };
  }
  if (bytes.length < HEAD_FIXED_BYTES) return problem(requestId, "a first packet is cut inside its head");
  const status = readU16(bytes, FIXED_BYTES);
  const bodyStart = HEAD_FIXED_BYTES + readU32(bytes, FIXED_BYTES + 2);
  if (bodyStart > bytes.length) return problem(requestId, "a first packet is cut inside its headers");
  if (bodyStart - HEAD_FIXED_BYTES > headerBytesMax) return headersTooLarge(requestId);
  const json = decodeUtf8(bytes.subarray(HEAD_FIXED_BYTES, bodyStart));
  if (json === null) return problem(requestId, "headers are not UTF-8");
  const head = decodeHead(status, json);
  if (typeof head === "string") return problem(requestId, head);
  return { type: "packet", requestId, packetId, last, head, body: bytes.subarray(bodyStart) };
}

/** Decodes the text form, `TUNNEL_RESPONSE:` and so on. `headerBytesMax` bounds the headers in UTF-16 units here. */
export function decodeTextPacket(text: string, headerBytesMax: number): Packet | PacketProblem {
  const fixed = TEXT_FIXED.exec(text);
  const requestId = parseWireId(fixed?.[1] ?? "");
  if (fixed === null || requestId === null) return problem(null, "a text packet has no request id");
  const packetId = Number(fixed[2] ?? 0);
  if (packetId < 1 || packetId > U32_MAX)
    return problem(requestId, "a text packet has no number or last flag");
  const last = fixed[3] === "1";
  const fixedEnd = fixed[0].length;
  if (packetId !== 1) {
    const body = decodeBase64(text.slice(fixedEnd));
    if (body === null) return problem(requestId, "a body is not base64");
    return { type: "packet", requestId, packetId, last, head: null, body };
  }
  const status = text.slice(fixedEnd, fixedEnd + 3);
  if (!/^\d{3}$/.test(status)) return problem(requestId, "a first text packet has no status");
  const jsonStart = skipBar(text, fixedEnd + 3);
  if (text[jsonStart] !== "{") return problem(requestId, "a first text packet has no headers");
  const jsonEnd = jsonValueEnd(text, jsonStart);
  if (jsonEnd - jsonStart > headerBytesMax) return headersTooLarge(requestId);
  const head = decodeHead(Number(status), text.slice(jsonStart, jsonEnd));
  if (typeof head === "string") return problem(requestId, head);
  const body = decodeBase64(text.slice(skipBar(text, jsonEnd)));
  if (body === null) return problem(requestId, "a body is not base64");
  return { type: "packet", requestId, packetId, last, head, body };
}

/** Everything of a binary packet that comes before the body. The head is due in packet 1 and nowhere else. */
export function encodePacketHeader(packet: {
  readonly requestId: WireId;
  readonly packetId: number;
  readonly last: boolean;
  readonly head: PacketHead | null;
}): Uint8Array {
  const { requestId, packetId, head } = packet;
  assert(isU32(packetId) && packetId > 0, "a packet number is out of range");
  assert((packetId === 1) === (head !== null), "the head belongs into packet 1 and nowhere else");
  const headers = head === null ? null : encodeUtf8(headersJson(head.headers));
  const bytes = new Uint8Array(headers === null ? FIXED_BYTES : HEAD_FIXED_BYTES + headers.length);
  writeId(bytes, requestId);
  writeU32(bytes, 8, packetId);
  bytes[12] = packet.last ? 1 : 0;
  if (head === null || headers === null) return bytes;
  assert(isStatus(head.status), "a status is out of range");
  bytes[13] = head.status >> 8;
  bytes[14] = head.status & 0xff;
  writeU32(bytes, 15, headers.length);
  bytes.set(headers, HEAD_FIXED_BYTES);
  return bytes;
}

/** An id from decimal digits, every bit kept; null where it is not an unsigned 64-bit number. */
export function parseWireId(digits: string): WireId | null {
  if (!/^\d{1,20}$/.test(digits)) return null;
  const id = Number(digits);
  if (Number.isSafeInteger(id)) return id;
  const exact = BigInt(digits);
  return exact <= U64_MAX ? exact : null;
}

const FIXED_BYTES = 13;
const HEAD_FIXED_BYTES = FIXED_BYTES + 6;
const U32_MAX = 2 ** 32 - 1;
const U64_MAX = 2n ** 64n - 1n;

/** Request id, and where they follow, packet id and last flag. */
const TEXT_FIXED = /^TUNNEL_RESPONSE:(\d{1,20})\|(?:(\d{1,10})\|([01]))?/;

/** The head of packet 1, or what is wrong with it. */
function decodeHead(status: number, json: string): PacketHead | string {
  if (!isStatus(status)) return "a status is outside 100 to 999";
  const parsed = parseJson(json);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    return "headers are not a JSON object";
  }
  const headers: string[] = [];
  for (const [name, value] of Object.entries(parsed)) {
    if (typeof value !== "string") return "a header value is not a string";
    if (!validHeader(name, value)) return "a header name or value is not allowed in HTTP";
    headers.push(name, value);
  }
  return { status, headers };
}

/** Keeps the order of the list, which an object's keys would not where a name looks like a number. */
function headersJson(headers: HeaderList): string {
  const members: string[] = [];
  const names = new Set<string>();
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = at(headers, index);
    assert(!names.has(name), "a JSON object cannot carry a header twice");
    names.add(name);
    members.push(`${JSON.stringify(name)}:${JSON.stringify(headers[index + 1])}`);
  }
  return `{${members.join(",")}}`;
}

function problem(requestId: WireId | null, detail: string): PacketProblem {
  return { type: "problem", requestId, code: "agent_protocol", detail };
}

function headersTooLarge(requestId: WireId): PacketProblem {
  const detail = "response headers are larger than the limit";
  return { type: "problem", requestId, code: "limit_response_headers", detail };
}

function skipBar(text: string, at: number): number {
  return text[at] === "|" ? at + 1 : at;
}

function isStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 100 && status <= 999;
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= U32_MAX;
}

function readU16(bytes: Uint8Array, at: number): number {
  return (byteAt(bytes, at) << 8) | byteAt(bytes, at + 1);
}

function readU32(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at) * 0x10000 + readU16(bytes, at + 2);
}

function readId(bytes: Uint8Array): WireId {
  const high = readU32(bytes, 0);
  const low = readU32(bytes, 4);
  return high < 0x20_0000 ? high * 2 ** 32 + low : (BigInt(high) << 32n) | BigInt(low);
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function writeId(bytes: Uint8Array, id: WireId): void {
  if (typeof id === "number") {
    assert(Number.isSafeInteger(id) && id >= 0, "a request id is out of range");
    writeU32(bytes, 0, Math.floor(id / 2 ** 32));
    writeU32(bytes, 4, id % 2 ** 32);
  } else {
    assert(id >= 0n && id <= U64_MAX, "a request id is out of range");
    writeU32(bytes, 0, Number(id >> 32n));
    writeU32(bytes, 4, Number(id & 0xffff_ffffn));
  }
}
