/** Requests of one connection as visitors may send them: valid, odd and malformed, the same for the same seed, cut anywhere. */
import { below, createPrng, type Prng } from "../../../core/prng.ts";
import {
  CONNECTIONS,
  CONTENT,
  chance,
  chunks,
  coding,
  cut,
  fields,
  length,
  lineEnd,
  mutated,
  pick,
  text,
  VERSIONS,
} from "./generated-parts.ts";

export type GeneratedRequests = {
  readonly text: string;
  /** The same in pieces. */
  readonly pieces: readonly Buffer[];
};

export function generateRequests(seed: number): GeneratedRequests {
  const prng = createPrng(seed);
  let all = "";
  for (let count = 1 + below(prng, 3); count > 0; count--) all += emptyLines(prng) + request(prng);
  if (chance(prng, 10)) all = all.slice(0, below(prng, all.length + 1));
  while (all.length > 0 && chance(prng, 12)) all = mutated(prng, all);
  return { text: all, pieces: cut(prng, Buffer.from(all, "latin1")) };
}

function emptyLines(prng: Prng): string {
  return chance(prng, 5) ? pick(prng, ["\r\n", "\r\n\r\n", "\n", "\r", " "]) : "";
}

function request(prng: Prng): string {
  const content = text(prng, CONTENT, 40);
  const host = chance(prng, 5) ? "" : "Host: x\r\n";
  const connection = chance(prng, 10) ? `Connection:${pick(prng, CONNECTIONS)}\r\n` : "";
  const lines = [host, fields(prng), connection];
  const kind = below(prng, 10);
  if (kind < 4) return head(prng, lines);
  if (kind < 7) return head(prng, [...lines, length(prng, content.length)]) + content;
  if (kind < 9) return head(prng, [coding(prng), ...lines]) + chunks(prng);
  return head(prng, [coding(prng), ...lines, length(prng, content.length)]) + content;
}

function head(prng: Prng, lines: readonly string[]): string {
  const method = chance(prng, 6) ? pick(prng, ODD_METHODS) : pick(prng, METHODS);
  const target = chance(prng, 6) ? pick(prng, ODD_TARGETS) : pick(prng, TARGETS);
  const version = chance(prng, 4) ? pick(prng, VERSIONS) : "HTTP/1.1";
  const gap = () => (chance(prng, 2) ? pick(prng, ["  ", "\t", "", " \t"]) : " ");
  const behind = chance(prng, 2) ? pick(prng, [" ", "\t", " x", "\0"]) : "";
  const line = `${method}${gap()}${target}${gap()}${version}${behind}`;
  return `${line}${lineEnd(prng)}${lines.join("")}${lineEnd(prng)}`;
}

const METHODS = ["GET", "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "M-SEARCH", "PROPFIND"];
const ODD_METHODS = [
  "get",
  "FOO",
  "Get",
  "",
  "GE T",
  "G\xe9T",
  "G(T",
  "PRI",
  "BREW",
  "A".repeat(40),
  "-A",
  "G_T",
  "HTTP/1.1",
];
const TARGETS = ["/", "/a/b?c=d", "/%2e%2e//x;y", "*", "http://x/a", "https://x:1?b", "/a?b?c"];
const ODD_TARGETS = [
  "a",
  "",
  "/a b",
  "/\xe9",
  "/a#b",
  "/\x01",
  "/\x7f",
  "?a",
  "//",
  "x:1",
  "ftp://x/",
  "http:/x",
  '/"<>|',
  "/a\tb",
];
