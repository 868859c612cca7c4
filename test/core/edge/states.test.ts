/** Whatever happens in whatever state: nothing throws, the invariants hold after each step, and nothing is left behind. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ExchangeId } from "../../../core/ids.ts";
import { ask, GET, HANDSHAKE, post, type Run, start } from "./harness.ts";

const CHUNKED = ask("POST /", "Transfer-Encoding: chunked");

/** By name, and what leads there. */
type State = readonly [string, ...Step[]];
type Happening = readonly [string, Step];
type Step = (run: Run) => unknown;

const STATES: readonly State[] = [
  ["nothing said", (run) => run.accept()],
  ["half of an empty line", (run) => run.visit("\r")],
  ["in a head", (run) => run.visit("GET / HT")],
  ["asked", (run) => run.visit(GET)],
  ["asked for the last time", (run) => run.visit(ask("GET /", "Connection: close"))],
  ["asked with HTTP/1.0", (run) => run.visit("GET / HTTP/1.0\r\n\r\n")],
  ["asked three times", (run) => run.visit(GET + GET + GET)],
  ["asked, and in a head", (run) => run.visit(`${GET}GET`)],
  ["asked, and a body waits", (run) => run.visit(post(5, "abc"))],
  ["asked, and expecting 100", (run) => run.visit(post(5, "", "Expect: 100-continue"))],
  ["in a body", (run) => run.visit(post(5, "abc")), (run) => run.read(1)],
  ["in chunks", (run) => run.visit(`${CHUNKED}5\r\nab`), (run) => run.read(1)],
  ["in trailers", (run) => run.visit(`${CHUNKED}0\r\nX-A`), (run) => run.read(1)],
  [
    "in a body that is paused",
    (run) => run.visit(post(5, "abc")),
    (run) => run.read(1),
    (run) => run.pause(1),
  ],
  ["answering", (run) => run.visit(GET), (run) => run.head(1)],
  ["answering while a body comes", (run) => run.visit(post(5)), (run) => run.read(1), (run) => run.head(1)],
  ["answered, and not out", (run) => run.visit(GET), (run) => run.respond(1)],
  ["answered while a body comes", (run) => run.visit(post(5)), (run) => run.read(1), (run) => run.respond(1)],
  ["answered, and a rest comes", (run) => run.visit(post(5)), (run) => run.answer(1)],
  ["idle", (run) => run.visit(GET), (run) => run.answer(1)],
  ["answered before its turn", (run) => run.visit(GET + GET), (run) => run.respond(2)],
  ["cut before its turn", (run) => run.visit(GET + GET), (run) => run.cut(2)],
  ["refused behind another", (run) => run.visit(`${GET}\0`)],
  ["refused with a body, behind another", (run) => run.visit(GET + post(5, "abc", "Expect: x"))],
  ["lingering", (run) => run.visit("\0")],
  ["ended by the visitor", (run) => run.visit(GET), (run) => run.ended()],
  ["handed over", (run) => run.visit(HANDSHAKE)],
  ["returned", (run) => run.visit(HANDSHAKE), (run) => run.returned(), (run) => run.bytes(1, "abc")],
  ["upgraded", (run) => run.visit(HANDSHAKE), (run) => run.returned(), (run) => run.upgrade(1)],
  [
    "upgraded, ended here",
    (run) => run.visit(HANDSHAKE),
    (run) => run.returned(),
    (run) => run.upgrade(1),
    (run) => run.end(1),
  ],
  [
    "upgraded, ended there",
    (run) => run.visit(HANDSHAKE),
    (run) => run.returned(),
    (run) => run.upgrade(1),
    (run) => run.ended(),
  ],
  ["destroyed", (run) => run.visit(GET), (run) => run.cut(1)],
];

/** Orders come as the server gives them: one head at most, and nothing behind an end. */
const isUnanswered = (run: Run, exchange: number) =>
  run.edge.turns.get(exchange as ExchangeId)?.response === "none" &&
  run.edge.turns.get(exchange as ExchangeId)?.orders.length === 0;
const isBegun = (run: Run, exchange: number) => {
  const response = run.edge.turns.get(exchange as ExchangeId)?.response;
  return response === "body" || response === "raw";
};

const EVENTS: readonly Happening[] = [
  ["a request", (run) => run.bytes(1, GET)],
  ["a body", (run) => run.bytes(1, `cdefg${GET}`)],
  ["chunks", (run) => run.bytes(1, "2\r\nab\r\n0\r\n\r\n")],
  ["no HTTP", (run) => run.bytes(1, "\0\r\n\r\n")],
  ["an empty line", (run) => run.bytes(1, "\r\n")],
  ["a handshake", (run) => run.bytes(1, HANDSHAKE)],
  ["60 KiB", (run) => run.bytes(1, "x".repeat(60 * 1024))],
  ["all leaves", (run) => run.flushed()],
  ["one byte leaves", (run) => run.connection(1).unflushedBytes > 0 && run.flushed(1, 1)],
  ["the visitor ends", (run) => run.ended()],
  ["it closes", (run) => run.closed()],
  ["it breaks", (run) => run.closed(1, "reset")],
  ["it comes back", (run) => run.returned()],
  ["the listener closes", (run) => run.closeListener()],
  ["responses close", (run) => run.step({ type: "responses_close" })],
  ["a quarter of an hour", (run) => run.wait(15 * 60_000)],
  ["a look at the clock", (run) => run.step({ type: "tick" })],
  ["read", (run) => run.read(1)],
  ["pause", (run) => run.pause(1)],
  ["resume", (run) => run.pause(1, false)],
  ["interim", (run) => run.interim(1)],
  ["answer", (run) => isUnanswered(run, 1) && run.respond(1)],
  ["last answer", (run) => isUnanswered(run, 1) && run.respond(1, { close: true })],
  ["head", (run) => isUnanswered(run, 1) && run.head(1)],
  ["body", (run) => isBegun(run, 1) && run.body(1, "abc")],
  ["end", (run) => isBegun(run, 1) && run.end(1)],
  ["cut", (run) => run.cut(1)],
  ["second answer", (run) => isUnanswered(run, 2) && run.respond(2)],
  ["second cut", (run) => run.cut(2)],
];

/** The connection goes, if it has not: each exchange is told so once, as complete only if all of it left. */
function finish(run: Run): void {
  for (const id of run.edge.connections.keys()) run.closed(id);
  expect(run.edge.connections.size).toBe(0);
  expect(run.edge.turns.size).toBe(0);
  expect(run.edge.timers.heap).toEqual([]);
  for (const { exchange } of run.opened()) {
    expect(run.told(exchange).filter((type) => type === "exchange_closed")).toHaveLength(1);
  }
}

const PREPARED = STATES.map(([name, ...steps]) => [name, steps] as const);

describe.each(PREPARED)("%s, and then", (_state, steps) => {
  test.each(EVENTS)("%s", (_event, happen) => {
    const run = start();
    for (const prepare of steps) prepare(run);
    happen(run);
    finish(run);
  });

  test("any two things one after the other", () => {
    for (const [, first] of EVENTS) {
      for (const [, second] of EVENTS) {
        const run = start({ turnsMax: 2, readAheadBytes: 64 });
        for (const prepare of steps) prepare(run);
        first(run);
        if (run.edge.connections.size > 0) second(run);
        finish(run);
      }
    }
  });
});

describe("any sequence", () => {
  test("of events and orders leaves nothing behind, and answers each request at most once, in order", () => {
    const happening = fc.oneof(
      fc.record({ event: fc.nat(EVENTS.length - 1) }),
      fc.record({
        text: fc.constantFrom(
          GET,
          post(3, "abc"),
          post(9, "a"),
          CHUNKED,
          "1\r\na\r\n",
          "0\r\n\r\n",
          HANDSHAKE,
        ),
      }),
      fc.record({ answered: fc.integer({ min: 1, max: 6 }), isStreamed: fc.boolean() }),
      fc.record({ ms: fc.integer({ min: 1, max: 100_000 }) }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...PREPARED),
        fc.array(happening, { maxLength: 30 }),
        ([, steps], happenings) => {
          const run = start({ turnsMax: 3, readAheadBytes: 256 });
          for (const prepare of steps) prepare(run);
          for (const each of happenings) {
            if (run.edge.connections.size === 0) break;
            if ("event" in each) EVENTS[each.event]?.[1](run);
            else if ("text" in each) run.bytes(1, each.text);
            else if ("ms" in each) run.wait(each.ms);
            else if (isUnanswered(run, each.answered)) {
              const headers = ["x-exchange", String(each.answered), "content-length", "2"];
              if (each.isStreamed) {
                run.head(each.answered, headers);
                run.body(each.answered, "ok");
                run.end(each.answered);
              } else run.respond(each.answered, { headers });
            }
          }
          finish(run);
          const answered = Array.from(run.written().matchAll(/x-exchange: (\d+)/g), ([, exchange]) =>
            Number(exchange),
          );
          expect(answered).toEqual([...new Set(answered)].sort((a, b) => a - b));
          for (const exchange of answered) {
            if (run.outcome(exchange) === true && run.opened()[exchange - 1]?.method === "GET") {
              expect(run.flushedBytes(exchange)).toBe(2);
            }
          }
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
