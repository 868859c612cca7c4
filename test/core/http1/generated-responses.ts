/** Responses as origins may send them: valid, odd and malformed, the same for the same seed, and cut anywhere. */
import { below, createPrng, type Prng } from "../../../core/prng.ts";

export type Generated = {
  readonly method: string;
  readonly upgrade: boolean;
  readonly text: string;
  /** The same in pieces. */
  readonly pieces: readonly Buffer[];
};

export function generateResponse(seed: number): Generated {
  const prng = createPrng(seed);
  const method = pick(prng, ["GET", "GET", "GET", "POST", "HEAD"]);
  const upgrade = method === "GET" && chance(prng, 10);
  let text = chance(prng, 2) ? pick(prng, ["\r\n", "\n", " "]) : "";
  while (chance(prng, 15)) text += head(prng, pick(prng, ["100", "102", "103"]), [fields(prng)]);
  text += upgrade && chance(prng, 70) ? switched(prng) : response(prng);
  if (chance(prng, 5)) text += pick(prng, ["x", "\r\n", "\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "0\r\n\r\n"]);
  if (chance(prng, 10)) text = text.slice(0, below(prng, text.length + 1));
  while (text.length > 0 && chance(prng, 12)) text = mutated(prng, text);
  return { method, upgrade, text, pieces: cut(prng, Buffer.from(text, "latin1")) };
}

function response(prng: Prng): string {
  const status = chance(prng, 3) ? pick(prng, ["101", "99", "099", "2000"]) : pick(prng, STATUSES);
  const content = text(prng, CONTENT, 40);
  const connection = chance(prng, 20) ? `Connection:${pick(prng, CONNECTIONS)}\r\n` : "";
  const kind = below(prng, 10);
  if (kind < 4) return head(prng, status, [fields(prng), length(prng, content.length), connection]) + content;
  if (kind < 8) return head(prng, status, [coding(prng), fields(prng), connection]) + chunks(prng);
  if (kind < 9) return head(prng, status, [fields(prng), connection]) + content;
  return head(prng, status, [coding(prng), length(prng, content.length)]) + content;
}

function switched(prng: Prng): string {
  const lines = ["Connection: upgrade\r\n", "Upgrade: x\r\n", fields(prng)].filter(() => !chance(prng, 10));
  return head(prng, "101", lines) + text(prng, CONTENT, 20);
}

function head(prng: Prng, status: string, lines: readonly string[]): string {
  const version = chance(prng, 6) ? pick(prng, VERSIONS) : "HTTP/1.1";
  const gap = chance(prng, 2) ? pick(prng, ["  ", "\t", ""]) : " ";
  const reason = chance(prng, 15) ? pick(prng, REASONS) : " OK";
  return `${version}${gap}${status}${reason}${lineEnd(prng)}${lines.join("")}${lineEnd(prng)}`;
}

function fields(prng: Prng): string {
  let lines = "";
  for (let count = below(prng, 4); count > 0; count--) {
    const name = chance(prng, 4) ? pick(prng, ODD_NAMES) : pick(prng, NAMES);
    const value = chance(prng, 8) ? pick(prng, ODD_VALUES) : text(prng, VISIBLE, 10);
    lines += `${name}:${pick(prng, [" ", "", "\t", "  "])}${value}${lineEnd(prng)}`;
  }
  return lines;
}

function length(prng: Prng, bytes: number): string {
  if (!chance(prng, 12)) return `Content-Length: ${bytes}\r\n`;
  return pick(prng, [
    `Content-Length: ${bytes}\r\nContent-Length: ${bytes}\r\n`,
    `Content-Length: ${bytes}, ${bytes}\r\n`,
    `Content-Length: ${bytes}\r\nContent-Length: ${bytes + 1}\r\n`,
    `Content-Length: ${bytes + 2}\r\n`,
    `Content-Length: ${Math.max(0, bytes - 2)}\r\n`,
    `Content-Length: +${bytes}\r\n`,
    `Content-Length: -${bytes}\r\n`,
    `Content-Length: 00${bytes}\r\n`,
    `Content-Length:\t${bytes} \r\n`,
    `Content-Length: 0x${bytes}\r\n`,
    `Content-Length: ${bytes}${"0".repeat(20)}\r\n`,
    "Content-Length:\r\n",
    `content-length : ${bytes}\r\n`,
  ]);
}

function coding(prng: Prng): string {
  if (!chance(prng, 12)) return "Transfer-Encoding: chunked\r\n";
  return pick(prng, [
    "transfer-encoding:Chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, gzip\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: chunkedx\r\n",
    "Transfer-Encoding: chunked \t\r\n",
    "Transfer-Encoding: ,chunked\r\n",
    "Transfer-Encoding:\r\n",
  ]);
}

function chunks(prng: Prng): string {
  let body = "";
  for (let count = below(prng, 4); count > 0; count--) {
    const content = text(prng, CONTENT, 20);
    if (content === "") continue;
    const size = content.length.toString(16);
    body += `${chance(prng, 6) ? pick(prng, oddSizes(size)) : size}${chunkEnd(prng)}${content}${lineEnd(prng)}`;
  }
  return `${body}${pick(prng, ["0", "0", "0", "000", "0;x"])}\r\n${chance(prng, 20) ? fields(prng) : ""}\r\n`;
}

function oddSizes(size: string): readonly string[] {
  return [
    size.toUpperCase(),
    `00${size}`,
    `-${size}`,
    `+${size}`,
    `0x${size}`,
    ` ${size}`,
    `${size}1`,
    "",
    "g",
    `${"0".repeat(20)}${size}`,
    "ffffffffffffffff",
    "10000000000000000",
  ];
}

function chunkEnd(prng: Prng): string {
  if (!chance(prng, 15)) return "\r\n";
  return pick(prng, [
    ";a=b\r\n",
    ';a="b c"\r\n',
    " \r\n",
    "\t;a\r\n",
    ";\r\n",
    "; a\r\n",
    ";\x01\r\n",
    "\n",
    ";a=b\n",
    ";a\rb\r\n",
  ]);
}

function lineEnd(prng: Prng): string {
  return chance(prng, 1) ? pick(prng, ["\n", "\r", "\r\r\n"]) : "\r\n";
}

/** With one byte changed, lost, or more. */
function mutated(prng: Prng, text: string): string {
  const at = below(prng, text.length);
  const byte = chance(prng, 30) ? String.fromCharCode(below(prng, 256)) : pick(prng, SPECIAL);
  return pick(prng, [
    text.slice(0, at) + text.slice(at + 1),
    text.slice(0, at) + byte + text.slice(at),
    text.slice(0, at) + byte + text.slice(at + 1),
  ]);
}

function cut(prng: Prng, bytes: Buffer): Buffer[] {
  const places = [0, bytes.length];
  while (chance(prng, 60)) places.push(below(prng, bytes.length + 1));
  places.sort((a, b) => a - b);
  return places
    .slice(1)
    .map((to, index) => bytes.subarray(places[index], to))
    .filter(({ length }) => length > 0);
}

function text(prng: Prng, alphabet: string, lengthMax: number): string {
  let text = "";
  for (let left = below(prng, lengthMax); left > 0; left--) text += alphabet[below(prng, alphabet.length)];
  return text;
}

function chance(prng: Prng, percent: number): boolean {
  return below(prng, 100) < percent;
}

function pick<T>(prng: Prng, items: readonly T[]): T {
  return items[below(prng, items.length)] as T;
}

const CONTENT = "abc0\r\n \x00\xff";
const VISIBLE = 'abcXYZ019-=;,"/\xe9';
const SPECIAL = ["\r", "\n", "\r\n", " ", "\t", ":", ";", ",", "0", "\x00", "\x7f", "\x80"];
const STATUSES = ["200", "200", "200", "200", "206", "404", "500", "204", "304", "999"];
const VERSIONS = [
  "HTTP/1.0",
  "HTTP/1.0",
  "HTTP/1.0",
  "HTTP/2.0",
  "HTTP/0.9",
  "HTTP/1.2",
  "http/1.1",
  "HTTP/1",
  "HTTP/1.10",
  "ICY",
];
const REASONS = ["", " ", " Not Found", " caf\xe9", " a\tb", "  two", " \x01", " \x7f", "x"];
const CONNECTIONS = [" close", " keep-alive", "Close, x", " upgrade", " upgrade\r\nUpgrade: x"];
const NAMES = ["Date", "X-A", "x-a", "Set-Cookie", "Keep-Alive", "Trailer", "X!#$%&'*+-.^_`|~9"];
const ODD_NAMES = ["X-A ", "", " X-A", "X A", "X\xe9", "X(", "\tX-A", "Content-Length", "\x00"];
const ODD_VALUES = [
  "a\x00b",
  "a\x01",
  "a\x7f",
  "a\rb",
  "a\nb",
  "a\r\n b",
  "\r\n\tb",
  "a \t ",
  "\xa0b\xa0",
  "a\x0b",
  "a\r\n\r\n",
];
