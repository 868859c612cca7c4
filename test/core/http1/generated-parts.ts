/** Parts of messages as peers may send them: valid, odd and malformed. What requests and responses are generated of. */
import { below, type Prng } from "../../../core/prng.ts";

export function fields(prng: Prng): string {
  let lines = "";
  for (let count = below(prng, 4); count > 0; count--) {
    const name = chance(prng, 4) ? pick(prng, ODD_NAMES) : pick(prng, NAMES);
    const value = chance(prng, 8) ? pick(prng, ODD_VALUES) : text(prng, VISIBLE, 10);
    lines += `${name}:${pick(prng, [" ", "", "\t", "  "])}${value}${lineEnd(prng)}`;
  }
  return lines;
}

export function length(prng: Prng, bytes: number): string {
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

export function coding(prng: Prng): string {
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

export function chunks(prng: Prng): string {
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

export function lineEnd(prng: Prng): string {
  return chance(prng, 1) ? pick(prng, ["\n", "\r", "\r\r\n"]) : "\r\n";
}

/** With one byte changed, lost, or more. */
export function mutated(prng: Prng, text: string): string {
  const at = below(prng, text.length);
  const byte = chance(prng, 30) ? String.fromCharCode(below(prng, 256)) : pick(prng, SPECIAL);
  return pick(prng, [
    text.slice(0, at) + text.slice(at + 1),
    text.slice(0, at) + byte + text.slice(at),
    text.slice(0, at) + byte + text.slice(at + 1),
  ]);
}

export function cut(prng: Prng, bytes: Buffer): Buffer[] {
  const places = [0, bytes.length];
  while (chance(prng, 60)) places.push(below(prng, bytes.length + 1));
  places.sort((a, b) => a - b);
  return places
    .slice(1)
    .map((to, index) => bytes.subarray(places[index], to))
    .filter(({ length }) => length > 0);
}

export function text(prng: Prng, alphabet: string, lengthMax: number): string {
  let text = "";
  for (let left = below(prng, lengthMax); left > 0; left--) text += alphabet[below(prng, alphabet.length)];
  return text;
}

export function chance(prng: Prng, percent: number): boolean {
  return below(prng, 100) < percent;
}

export function pick<T>(prng: Prng, items: readonly T[]): T {
  return items[below(prng, items.length)] as T;
}

export const CONTENT = "abc0\r\n \x00\xff";
export const VERSIONS = [
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
export const CONNECTIONS = [" close", " keep-alive", "Close, x", " upgrade", " upgrade\r\nUpgrade: x"];
const VISIBLE = 'abcXYZ019-=;,"/\xe9';
const SPECIAL = ["\r", "\n", "\r\n", " ", "\t", ":", ";", ",", "0", "\x00", "\x7f", "\x80"];
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
