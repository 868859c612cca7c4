import { describe, expect, test } from "vitest";
import { edgeLimits } from "../../../core/edge/limits.ts";
import { ask, GET, post, type Run, start } from "./harness.ts";

const { headMs, idleMs, lingerMs } = edgeLimits;

describe("a head", () => {
  test("has so long from the connection's beginning, however it dribbles, and 408 follows", () => {
    const run = start();
    run.accept();
    run.wait(headMs / 2);
    run.bytes(1, "GET /");
    run.wait(headMs / 2 - 1);
    run.bytes(1, " HTTP/1.1\r\n");
    expect(run.written()).toBe("");
    run.wait(1);
    expect(run.statuses()).toEqual([408]);
    expect(run.connection(1).ended).toBe(true);
    expect(run.faults).toEqual(["request_timeout"]);
  });

  test("of a later request has so long from its first byte", () => {
    const run = start();
    run.visit(GET);
    run.answer(1);
    run.wait(idleMs - 1);
    run.bytes(1, "G");
    run.wait(headMs - 1);
    expect(run.statuses()).toEqual([200]);
    run.wait(1);
    expect(run.statuses()).toEqual([200, 408]);
  });

  test("that stops behind a request that is not answered gets 408 in its turn", () => {
    const run = start();
    run.visit(`${GET}GET`);
    run.wait(headMs);
    expect(run.written()).toBe("");
    run.answer(1);
    expect(run.statuses()).toEqual([200, 408]);
  });

  test("that waits for room has its time from when it is read on", () => {
    const run = start({ turnsMax: 1 });
    run.visit(`${GET}GET`);
    run.wait(headMs);
    run.answer(1);
    run.wait(headMs - 1);
    expect(run.statuses()).toEqual([200]);
    run.wait(1);
    expect(run.statuses()).toEqual([200, 408]);
  });

  test("is not begun by empty lines, whole or half, which buy no time", () => {
    const run = start();
    run.accept();
    for (let at = 0; at < headMs; at += 1_000) {
      expect(run.connection(1).ended).toBe(false);
      run.bytes(1, "\r");
      run.wait(1_000);
      run.bytes(1, "\n");
    }
    expect(run.connection(1).ended).toBe(true);
  });
});

describe("a request line", () => {
  test("of another version gets 505, behind the answers that are due before it, and is the last", () => {
    const run = start();
    run.visit(`${GET}GET / HTTP/2.0\r\nHost: x\r\n\r\n${GET}`);
    run.answer(1);
    expect(run.statuses()).toEqual([200, 505]);
    expect(run.opened()).toHaveLength(1);
    expect(run.faults).toEqual(["version_not_supported"]);
  });
});

describe("a connection that waits for a request", () => {
  test("is closed after the idle time, without a word", () => {
    const run = start();
    run.visit(GET);
    run.answer(1);
    run.wait(idleMs - 1);
    expect(run.connection(1).destroyed).toBeNull();
    run.wait(1);
    expect(run.connection(1).destroyed).toBe("close");
    expect(run.statuses()).toEqual([200]);
    expect(run.faults).toEqual([]);
  });

  test("gets no more time for empty lines", () => {
    const run = start();
    run.visit(GET);
    run.answer(1);
    for (let at = 0; at < idleMs; at += 5_000) {
      run.bytes(1, "\r");
      run.wait(5_000);
      run.bytes(1, "\n");
    }
    expect(run.connection(1).destroyed).toBe("close");
  });

  test("begins its time anew after each response", () => {
    const run = start();
    run.visit(GET);
    run.answer(1);
    run.wait(idleMs - 1);
    run.bytes(1, GET);
    run.wait(10 * idleMs);
    run.answer(2);
    run.wait(idleMs - 1);
    expect(run.connection(1).destroyed).toBeNull();
  });
});

describe("a connection whose last response is out", () => {
  const over = () => {
    const run = start();
    run.visit(ask("GET /", "Connection: close"));
    run.answer(1);
    return run;
  };

  test("is read on, to no effect, until the visitor ends his side", () => {
    const run = over();
    run.bytes(1, GET);
    expect(run.connection(1)).toMatchObject({ ended: true, destroyed: null, paused: false });
    run.ended();
    expect(run.connection(1).destroyed).toBe("close");
    expect(run.opened()).toHaveLength(1);
  });

  test("is closed after a while, however much comes", () => {
    const run = over();
    run.wait(lingerMs - 1);
    run.bytes(1, GET);
    expect(run.connection(1).destroyed).toBeNull();
    run.wait(1);
    expect(run.connection(1).destroyed).toBe("close");
  });

  test("is forgotten when it is closed, and so is its deadline", () => {
    const run = over();
    run.closed();
    run.wait(10 * lingerMs);
    expect(run.edge.connections.size).toBe(0);
  });
});

describe("a visitor who ends his side", () => {
  const silent: readonly [string, (run: Run) => void][] = [
    ["before he has said anything", (run) => void run.accept()],
    ["behind an empty line", (run) => void run.visit("\r\n")],
    ["behind half of one", (run) => void run.visit("\r")],
  ];
  test.each(silent)("%s is answered by the same and nothing else", (_when, prepare) => {
    const run = start();
    prepare(run);
    run.ended();
    expect(run.written()).toBe("");
    expect(run.faults).toEqual([]);
    expect(run.connection(1).ended).toBe(true);
  });

  test("between two requests is answered by the same and nothing else", () => {
    const run = start();
    run.visit(GET);
    run.answer(1);
    run.ended();
    expect(run.statuses()).toEqual([200]);
    expect(run.connection(1).ended).toBe(true);
  });

  test.each([
    ["a head", "GET"],
    ["a body", post(5, "abc")],
    ["trailers", `${ask("POST /", "Transfer-Encoding: chunked")}0\r\n`],
  ])("inside %s is told that it cannot be understood", (_what, text) => {
    const run = start();
    run.visit(text);
    run.ended();
    expect(run.statuses()).toEqual([400]);
    expect(run.told(1).filter((type) => type === "exchange_body_ended")).toEqual([]);
    expect(run.faults).toEqual(["bad_request"]);
  });

  test("inside a body whose answer has begun gets no more of it", () => {
    const run = start();
    run.visit(post(5));
    run.head(1);
    run.ended();
    expect(run.connection(1).destroyed).toBe("close");
  });

  test("inside the rest of a body that was answered gets nothing more", () => {
    const run = start();
    run.visit(post(5));
    run.answer(1);
    run.ended();
    expect(run.statuses()).toEqual([200]);
    expect(run.connection(1).ended).toBe(true);
  });

  test("while he waits for an answer gets none, and later orders change nothing", () => {
    const run = start();
    run.visit(GET + GET);
    run.ended();
    expect(run.connection(1).ended).toBe(true);
    run.respond(1);
    run.head(2);
    run.cut(2);
    run.closed();
    expect(run.written()).toBe("");
    expect([1, 2].map(run.outcome)).toEqual([false, false]);
  });

  test("while the last of an answer leaves gets it whole", () => {
    const run = start();
    run.visit(GET);
    run.respond(1);
    run.ended();
    expect(run.outcome(1)).toBeNull();
    run.flushed();
    expect(run.outcome(1)).toBe(true);
  });

  test("with a head that waits for room is no fault", () => {
    const run = start({ turnsMax: 1 });
    run.visit(GET + GET);
    run.ended();
    expect(run.faults).toEqual([]);
  });
});

describe("a connection that is gone", () => {
  test("closes each exchange on it once, in order, as not complete", () => {
    const run = start();
    run.visit(GET + GET + post(3));
    run.respond(1);
    run.closed(1, "reset");
    expect(run.facts.slice(3)).toEqual(
      [1, 2, 3].map((exchange) => ({ type: "exchange_closed", exchange, complete: false })),
    );
    for (const exchange of [1, 2, 3]) run.respond(exchange);
    expect(run.edge.connections.size).toBe(0);
  });

  test("leaves the others alone", () => {
    const run = start();
    run.visit(GET);
    run.visit(GET);
    run.closed(1);
    run.answer(2);
    expect(run.outcome(2)).toBe(true);
  });
});
