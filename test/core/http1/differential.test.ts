import { describe, expect, test } from "vitest";
import {
  createReader,
  endBytes,
  expectResponse,
  nextPart,
  putBytes,
} from "../../../core/http1/response-reader.ts";
import { type Generated, generateResponse } from "./generated-responses.ts";
import { type Reading, readByNode } from "./node-reader.ts";
import { type Anatomy, anatomyOf, MORE_LENIENT, OTHERWISE, type Rule, STRICTER } from "./reading-rules.ts";

const RESPONSES = 100_000;
const HEAD_BYTES_MAX = 64 * 1024;

/** `surplus`: more came than the response. */
type OurReading = Reading & { readonly surplus: boolean };

function readByUs(pieces: readonly Uint8Array[], { method, upgrade }: Generated): OurReading {
  const reader = createReader(HEAD_BYTES_MAX);
  expectResponse(reader, method, upgrade);
  const interims: Reading["interims"][number][] = [];
  const body: Uint8Array[] = [];
  let head: Reading["head"] = null;
  let trailers: readonly string[] = [];
  let end: Reading["end"] = "cut";
  const drain = () => {
    for (let part = nextPart(reader); part !== null; part = nextPart(reader)) {
      if (part.type === "interim") interims.push({ status: part.status, headers: part.headers });
      else if (part.type === "head") head = { status: part.status, headers: part.headers };
      else if (part.type === "body") body.push(part.bytes);
      else if (part.type === "malformed") end = "refused";
      else {
        trailers = part.trailers;
        end = "complete";
      }
    }
  };
  for (const piece of pieces) {
    putBytes(reader, piece);
    drain();
  }
  endBytes(reader);
  drain();
  return {
    interims,
    head,
    body: Buffer.concat(body).toString("latin1"),
    trailers,
    end,
    surplus: reader.surplus,
  };
}

/** The rules that may explain why the two readings are not the same; null where they are. */
function rulesFor(ours: Reading, theirs: Reading): readonly Rule[] | null {
  if (ours.end === "complete" && theirs.end === "complete") return isSame(ours, theirs) ? null : OTHERWISE;
  if (theirs.end === "complete") return STRICTER;
  if (ours.end === "complete") return MORE_LENIENT;
  // Neither has a whole response; what both have seen of it must not differ.
  return isBegunAlike(ours, theirs) ? null : [...STRICTER, ...MORE_LENIENT, ...OTHERWISE];
}

function isSame(a: Reading, b: Reading): boolean {
  return JSON.stringify(partsOf(a)) === JSON.stringify(partsOf(b));
}

function partsOf({ interims, head, body, trailers, end }: Reading): readonly unknown[] {
  return [interims, head, body, trailers, end];
}

function isBegunAlike(ours: Reading, theirs: Reading): boolean {
  if (ours.head === null || theirs.head === null) return true;
  const isPrefix = ours.body.startsWith(theirs.body) || theirs.body.startsWith(ours.body);
  return (
    isPrefix && JSON.stringify([ours.interims, ours.head]) === JSON.stringify([theirs.interims, theirs.head])
  );
}

describe("a hundred thousand generated responses", () => {
  test("are the same wherever they were cut", () => {
    for (let seed = 1; seed <= RESPONSES; seed++) {
      const generated = generateResponse(seed);
      const whole = readByUs([Buffer.from(generated.text, "latin1")], generated);
      const pieces = readByUs(generated.pieces, generated);
      // What comes behind the end, and was not there with it, is for the client to deal with.
      const isSurplusLater = whole.surplus && pieces.end === "complete";
      if (!isSurplusLater && !isSame(pieces, whole)) {
        expect.fail(`seed ${seed} is read in two ways: ${JSON.stringify(generated)}`);
      }
    }
  });

  test("mean the same to Node's reader, strict and lenient, or a rule of ours says why not", async () => {
    const used = new Set<Rule>();
    let complete = 0;
    for (let seed = 1; seed <= RESPONSES; seed++) {
      const generated = generateResponse(seed);
      const ours = readByUs(generated.pieces, generated);
      if (ours.end === "complete") complete++;
      let sent: Anatomy | null = null;
      for (const lenient of [false, true]) {
        const theirs = await readByNode(generated.pieces, { ...generated, lenient });
        const rules = rulesFor(ours, theirs);
        if (rules === null) continue;
        sent ??= anatomyOf(generated);
        const explaining = rules.filter((rule) => rule.applies(sent as Anatomy));
        for (const rule of explaining) used.add(rule);
        if (explaining.length > 0) continue;
        const found = { seed, lenient, text: generated.text, ours, theirs };
        expect.fail(`no rule explains a difference: ${JSON.stringify(found, null, 2)}`);
      }
    }
    // Neither is the property empty, nor is there a rule for what never happens.
    expect(complete).toBeGreaterThan(RESPONSES / 4);
    expect([...STRICTER, ...MORE_LENIENT, ...OTHERWISE].filter((rule) => !used.has(rule))).toEqual([]);
  }, 300_000);
});
