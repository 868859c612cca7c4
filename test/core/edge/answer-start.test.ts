/** Visitors of whom nothing is read: what is written to find out whether they have left. */
import { describe, expect, test } from "vitest";
import { edgeLimits } from "../../../core/edge/limits.ts";
import { ask, GET, post, type Run, start } from "./harness.ts";

const KIB = 1024;
const { lookMs, lookStepMs } = edgeLimits;
const BODY_BYTES = 1024 * KIB;
const GO_ON = "HTTP/1.1 100 Continue";

/** One who has more on his way than a look may read. */
function standing(head = post(BODY_BYTES)): Run {
  const run = start({ lookBytes: 64 * KIB });
  const id = run.visit(head);
  for (let piece = 0; piece < 10; piece++) run.bytes(id, "x".repeat(60 * KIB));
  expect(run.connection(id).paused).toBe(true);
  expect(run.written()).toBe("");
  return run;
}

function look(run: Run, times: number): void {
  for (let count = 0; count < times; count++) {
    run.wait(lookMs + lookStepMs);
    run.flushed();
  }
}

/** What the visitor reads: interim responses, and the final one. */
function answerOf(text: string): { readonly interims: string[]; readonly final: string } {
  const heads = text.split("\r\n\r\n");
  const first = heads.findIndex((head) => !/^HTTP\/1\.1 1\d\d /.test(head));
  return { interims: heads.slice(0, first), final: heads.slice(first).join("\r\n\r\n") };
}

const plain = answerAfter(0).final;

function answerAfter(looks: number) {
  const run = standing();
  look(run, looks);
  run.answer(1);
  return answerOf(run.written());
}

describe("a visitor who stands there with more than is read of him", () => {
  test("gets a byte of what every answer begins with at each look, and no more before it has left", () => {
    const run = standing();
    look(run, 4);
    expect(run.written()).toBe("HTTP");
    run.wait(10 * (lookMs + lookStepMs));
    expect(run.written()).toBe("HTTP/");
  });

  test.each(Array.from({ length: 30 }, (_, looks) => looks))(
    "reads his answer as it is after %d looks, and one interim response at most before it",
    (looks) => {
      const { interims, final } = answerAfter(looks);
      expect(final).toBe(plain);
      expect(interims.length).toBe(looks > "HTTP/1.1 ".length ? 1 : 0);
      for (const head of interims) expect(head).toMatch(/^HTTP\/1\.1 100 Continue\.*$/);
    },
  );

  test("is told to go on once, however often the home says something before its answer", () => {
    const run = standing();
    for (let count = 0; count < 3; count++) {
      look(run, 30);
      run.interim(1);
      run.flushed();
    }
    run.answer(1);
    const { interims, final } = answerOf(run.written());
    expect(interims.filter((head) => head.startsWith(GO_ON))).toHaveLength(1);
    expect(interims.filter((head) => head.startsWith("HTTP/1.1 103 "))).toHaveLength(3);
    expect(final).toBe(plain);
  });

  test("gets so much and no more, so that his client takes the head", () => {
    const run = standing();
    look(run, edgeLimits.answerStartBytes + 10);
    expect(run.written()).toBe(GO_ON.padEnd(edgeLimits.answerStartBytes, "."));
  });

  test.each([
    ["speaks HTTP/1.0", post(BODY_BYTES).replace("HTTP/1.1", "HTTP/1.0")],
    ["came by a proxy", post(BODY_BYTES, "", "X-Forwarded-For: 10.0.0.1")],
    ["waits to be told to go on", post(BODY_BYTES, "", "Expect: 100-continue")],
  ])("and %s gets no interim response that he did not ask for", (_, head) => {
    const run = standing(head);
    look(run, 30);
    expect(run.written()).toBe("HTTP/1.1 ");
    run.answer(1);
    expect(run.statuses()).toEqual([200]);
  });

  test("is told to go on in one piece when his body is wanted, where he waits for that", () => {
    const run = standing(post(BODY_BYTES, "", "Expect: 100-continue"));
    look(run, 5);
    run.read(1);
    expect(run.written()).toBe(`${GO_ON}\r\n\r\n`);
  });

  test("is refused in one piece where his body turns out to be none", () => {
    const run = standing(ask("POST /", "Transfer-Encoding: chunked"));
    look(run, 3);
    run.read(1);
    run.flushed();
    expect(run.statuses()).toEqual([400]);
    expect(run.written()).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("gets nothing between the pieces of an answer that has begun", () => {
    const run = standing();
    run.head(1, ["content-length", "2"]);
    run.flushed();
    const before = run.written();
    look(run, 5);
    expect(run.written()).toBe(before);
  });
});

test("the next answer of a connection begins anew", () => {
  const run = standing(post(600 * KIB));
  look(run, 3);
  run.read(1);
  run.answer(1);
  const before = run.written();
  run.bytes(1, GET);
  run.answer(2);
  expect(run.written().slice(before.length)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(run.statuses()).toEqual([200, 200]);
});
