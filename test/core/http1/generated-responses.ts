/** Responses as origins may send them: valid, odd and malformed, the same for the same seed, and cut anywhere. */
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

const STATUSES = ["200", "200", "200", "200", "206", "404", "500", "204", "304", "999"];
const REASONS = ["", " ", " Not Found", " caf\xe9", " a\tb", "  two", " \x01", " \x7f", "x"];
