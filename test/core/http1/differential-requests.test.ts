import { describe, expect, test } from "vitest";
import { isPersistent } from "../../../core/edge/head.ts";
import { hasElement } from "../../../core/http/lists.ts";
import {
  createRequestReader,
  nextRequestPart,
  putRequestBytes,
  waitingBytes,
} from "../../../core/http1/request-reader.ts";
import { generateRequests } from "./generated-requests.ts";
import { type ReadRequest, type RequestsReading, readRequestsByNode } from "./node-request-reader.ts";
import { anatomyOf, MORE_LENIENT, type Rule, STRICTER } from "./request-reading-rules.ts";

const CONNECTIONS = 100_000;

/** `endsAt`: where each request that is complete ends, counted in bytes of the connection. */
type OurReading = RequestsReading & { readonly endsAt: readonly number[] };

function readByUs(pieces: readonly Uint8Array[]): OurReading {
  const reader = createRequestReader(128 * 1024);
  const requests: { -readonly [Key in keyof ReadRequest]: ReadRequest[Key] }[] = [];
  const endsAt: number[] = [];
  let comeBytes = 0;
  let isRefused = false;
  for (const piece of pieces) {
    putRequestBytes(reader, piece);
    comeBytes += piece.length;
    for (
      let part = isRefused ? null : nextRequestPart(reader);
      part !== null;
      part = nextRequestPart(reader)
    ) {
      if (part.type === "broken") {
        isRefused = true;
        break;
      }
      if (part.type === "head") {
        const { method, target, minorVersion, headers, hasBody } = part.head;
        requests.push({ method, target, minorVersion, headers, body: "", trailers: [], complete: !hasBody });
      }
      const latest = requests.at(-1);
      if (latest === undefined) throw new Error("a part belongs to no request");
      if (part.type === "body") latest.body += Buffer.from(part.bytes).toString("latin1");
      if (part.type === "end") {
        latest.trailers = part.trailers;
        latest.complete = true;
      }
      if (latest.complete) endsAt.push(comeBytes - waitingBytes(reader));
    }
  }
  return { requests, end: isRefused ? "refused" : "open", endsAt };
}

/** Up to the last request of the connection: what follows it is none, and each reader has its own way with that. */
function upToLast(reading: RequestsReading): RequestsReading {
  const last = reading.requests.findIndex((request) => request.complete && !stays(request));
  return last === -1 ? reading : { requests: reading.requests.slice(0, last + 1), end: "open" };
}

/** Node takes what follows a request for an upgrade for another protocol, even where nobody upgrades. */
function stays({ method, target, headers, minorVersion }: ReadRequest): boolean {
  if (hasElement(headers, "connection", "upgrade")) return false;
  return isPersistent({ method, target, headers, minorVersion: minorVersion === 0 ? 0 : 1, hasBody: false });
}

/** Where the two readings part, and the rules that may explain it; null where they are the same. */
function difference(
  ours: RequestsReading,
  theirs: RequestsReading,
): { readonly at: number; readonly rules: readonly Rule[] } | null {
  for (let at = 0; ; at++) {
    const [our, their] = [ours.requests[at], theirs.requests[at]];
    const [we, they] = [our?.complete === true, their?.complete === true];
    if (we && they) {
      if (JSON.stringify(our) !== JSON.stringify(their)) return { at, rules: NONE };
      continue;
    }
    if (we) return { at, rules: MORE_LENIENT };
    if (they) return { at, rules: STRICTER };
    // Neither has the whole of it; what both have seen of it must not differ, nor whether more of it may come.
    if (our === undefined && their === undefined) return null;
    if (our === undefined) return { at, rules: STRICTER };
    if (their === undefined) return { at, rules: MORE_LENIENT };
    if (!isBegunAlike(our, their)) return { at, rules: NONE };
    if (ours.end === theirs.end) return null;
    return { at, rules: ours.end === "refused" ? STRICTER : MORE_LENIENT };
  }
}

/** What both take, both take alike. */
const NONE: readonly Rule[] = [];

function isBegunAlike(our: ReadRequest, their: ReadRequest): boolean {
  const isPrefix = our.body.startsWith(their.body) || their.body.startsWith(our.body);
  const headOf = ({ method, target, minorVersion, headers }: ReadRequest) =>
    JSON.stringify([method, target, minorVersion, headers]);
  return isPrefix && headOf(our) === headOf(their);
}

describe("the requests of a hundred thousand generated connections", () => {
  test("are the same wherever they were cut", () => {
    for (let seed = 1; seed <= CONNECTIONS; seed++) {
      const { text, pieces } = generateRequests(seed);
      const whole = readByUs([Buffer.from(text, "latin1")]);
      const parts = readByUs(pieces);
      if (JSON.stringify(parts) !== JSON.stringify(whole)) {
        expect.fail(`seed ${seed} is read in two ways: ${JSON.stringify({ text, whole, parts })}`);
      }
    }
  });

  test("mean the same to Node's reader, or a rule of ours says why not", async () => {
    const used = new Set<Rule>();
    let complete = 0;
    for (let seed = 1; seed <= CONNECTIONS; seed++) {
      const { text, pieces } = generateRequests(seed);
      const { endsAt, ...all } = readByUs(pieces);
      const ours = upToLast(all);
      const theirs = upToLast(await readRequestsByNode(pieces));
      complete += ours.requests.filter((request) => request.complete).length;
      const found = difference(ours, theirs);
      if (found === null) continue;
      const disputed = text.slice(found.at === 0 ? 0 : endsAt[found.at - 1]);
      const sent = anatomyOf(disputed);
      const explaining = found.rules.filter((rule) => rule.applies(sent));
      for (const rule of explaining) used.add(rule);
      if (explaining.length > 0) continue;
      expect.fail(
        `no rule explains a difference: ${JSON.stringify({ seed, at: found.at, disputed, ours, theirs }, null, 2)}`,
      );
    }
    // Neither is the property empty, nor is there a rule for what never happens.
    expect(complete).toBeGreaterThan(CONNECTIONS / 2);
    expect([...STRICTER, ...MORE_LENIENT].filter((rule) => !used.has(rule))).toEqual([]);
  }, 300_000);
});
