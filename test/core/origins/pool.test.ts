import { describe, expect, test } from "vitest";
import { OK, start } from "./harness.ts";

const POST = { method: "POST", body: Buffer.from("x") };
const OK_WITH = (fields: string) => `HTTP/1.1 200 OK\r\n${fields}\r\nContent-Length: 2\r\n\r\nok`;

describe("the connection of a request", () => {
  test("is kept for the next one", () => {
    const run = start();
    for (let round = 0; round < 5; round++) run.exchange();
    expect(run.connections).toHaveLength(1);
    expect(run.types().filter((type) => type === "ended")).toHaveLength(5);
  });

  test("is nobody else's meanwhile", () => {
    const run = start();
    run.request();
    run.request();
    expect(run.connections).toHaveLength(2);
  });

  test("is the one that was the last to fall idle", () => {
    const run = start();
    for (let each = 0; each < 3; each++) run.request();
    for (const id of [2, 3, 1]) run.answer(id);
    run.request({ target: "/a" });
    run.request({ target: "/b" });
    expect(run.written(1)).toContain("GET /a ");
    expect(run.written(3)).toContain("GET /b ");
  });

  test("leads to the request's own origin", () => {
    const run = start({ basePaths: ["", "/base"] });
    run.exchange({ origin: 0, target: "/a" });
    run.exchange({ origin: 1, target: "/b" });
    run.exchange({ origin: 1, method: "OPTIONS", target: "*" });
    expect(run.connections.map(({ origin }) => origin)).toEqual([0, 1]);
    expect(run.written(2)).toMatch(/^GET \/base\/b HTTP.*\r\n\r\nOPTIONS \* HTTP/s);
  });

  test("is given up when it is not made in time, and takes its time from then on", () => {
    const run = start({ limits: { connectMs: 100 } });
    const exchange = run.request();
    run.wait(99);
    run.opened(1);
    run.wait(10_000);
    expect(run.facts).toEqual([]);
    run.answer(1);
    const late = start({ limits: { connectMs: 100 } });
    late.request();
    late.wait(100);
    expect(late.facts).toEqual([{ type: "failed", exchange, fault: "connect_timeout" }]);
    expect(late.connection(1).closed).toBe(true);
  });
});

const KEPT = { limits: { idleMs: 4_000 } };

describe("an idle connection", () => {
  test.each([
    ["is closed before the 2 seconds of gunicorn are over", {}, 1_500],
    ["is kept for as long as the operator says", KEPT, 4_000],
  ])("%s", (_, options, idleMs) => {
    const run = start(options);
    run.exchange();
    run.wait(idleMs - 1);
    expect(run.connection(1).closed).toBe(false);
    run.wait(1);
    expect(run.connection(1).closed).toBe(true);
    run.exchange();
    expect(run.connections).toHaveLength(2);
  });

  test("is not kept at all where that is switched off, and its origin is told so", () => {
    const run = start({ limits: { idleMs: 0 } });
    for (let id = 1; id <= 3; id++) {
      expect(run.exchange()).toBe(id);
      expect(run.written(id)).toContain("\r\nConnection: close\r\n");
      expect(run.connection(id).closed).toBe(true);
    }
  });

  test("is closed a second before the origin said that it will close it", () => {
    const run = start(KEPT);
    run.exchange({}, OK_WITH("Keep-Alive: timeout=3, max=100"));
    run.wait(1_999);
    expect(run.connection(1).closed).toBe(false);
    run.wait(1);
    expect(run.connection(1).closed).toBe(true);
  });

  test.each(["timeout=1", "timeout=0"])("is not kept at all by %s", (announced) => {
    const run = start();
    run.exchange({}, OK_WITH(`Keep-Alive: ${announced}`));
    expect(run.connection(1).closed).toBe(true);
  });

  test.each(["timeout=60", "max=5", "timeout"])("is kept as ever by %s", (announced) => {
    const run = start();
    run.exchange({}, OK_WITH(`Keep-Alive: ${announced}`));
    run.wait(1_499);
    expect(run.connection(1).closed).toBe(false);
  });

  test("forgets what the origin announced with an earlier response", () => {
    const run = start();
    run.exchange({}, OK_WITH("Keep-Alive: timeout=2"));
    run.exchange();
    run.wait(1_499);
    expect(run.connection(1).closed).toBe(false);
  });

  test("that the origin closes is forgotten", () => {
    const run = start();
    run.exchange();
    run.ended(1);
    expect(run.connection(1).closed).toBe(true);
    run.exchange();
    run.closed(2, "reset");
    run.exchange();
    expect(run.connections).toHaveLength(3);
  });

  test("beyond as many as are kept is closed", () => {
    const run = start({ limits: { idleConnectionsMax: 2 } });
    for (let each = 0; each < 3; each++) run.request();
    for (const id of [1, 2, 3]) run.answer(id);
    expect(run.connections.map(({ closed }) => closed)).toEqual([false, false, true]);
  });

  test.each(["POST", "PUT", "PATCH", "DELETE", "M-SEARCH"])(
    "that is no longer young is not given to a request that cannot be repeated: %s",
    (method) => {
      const run = start(KEPT);
      run.exchange();
      run.wait(1_499);
      run.exchange({ ...POST, method });
      expect(run.connections).toHaveLength(1);
      run.wait(1_500);
      run.exchange({ ...POST, method });
      expect(run.connections).toHaveLength(2);
      expect(run.connection(1).closed).toBe(false);
    },
  );

  test("that is no longer young is given to a request without a body that is safe", () => {
    const run = start(KEPT);
    run.exchange();
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      run.wait(3_000);
      const answer = method === "HEAD" ? OK.slice(0, -2) : OK;
      expect(run.exchange({ method }, answer)).toBe(1);
    }
    run.wait(3_000);
    expect(run.exchange({ body: Buffer.from("x") })).toBe(2);
  });

  test("is not used when its time is over, although its tick is late", () => {
    const run = start();
    run.exchange();
    run.stall(4_000);
    run.request();
    expect(run.connections).toHaveLength(2);
  });
});

describe("where an origin may serve one connection at a time, an idle one", () => {
  const requests = (run: ReturnType<typeof start>, count: number) => {
    for (let each = 0; each < count; each++) run.request();
    for (let id = 1; id <= count; id++) run.opened(id);
  };

  test("is closed in a moment when others have waited for a while", () => {
    const run = start(KEPT);
    requests(run, 6);
    for (let id = 1; id <= 6; id++) {
      run.wait(200);
      run.answer(id);
      run.wait(19);
      expect(run.connection(id).closed).toBe(false);
      run.wait(1);
      expect(run.connection(id).closed).toBe(id < 6);
    }
    expect(run.exchange()).toBe(6);
  });

  test("is closed when others have waited for a while by then", () => {
    const run = start(KEPT);
    requests(run, 2);
    run.wait(10);
    run.answer(1);
    run.wait(89);
    expect(run.connection(1).closed).toBe(false);
    run.wait(1);
    expect(run.connection(1).closed).toBe(true);
  });

  test("is closed for a request that must not go on it", () => {
    const run = start(KEPT);
    run.exchange();
    run.wait(2_000);
    run.request(POST);
    run.wait(99);
    expect(run.connection(1).closed).toBe(false);
    run.wait(1);
    expect(run.connection(1).closed).toBe(true);
  });

  test("stays where the origin answers on another one meanwhile", () => {
    const run = start(KEPT);
    requests(run, 3);
    run.wait(10);
    run.answer(1);
    run.wait(10);
    run.answer(2);
    run.wait(1_000);
    expect(run.connections.map(({ closed }) => closed)).toEqual([false, false, false]);
    // From then on it is known.
    run.answer(3);
    for (let each = 0; each < 4; each++) run.request();
    run.opened(4);
    run.wait(1_000);
    run.answer(1);
    expect(run.connection(1).closed).toBe(false);
  });

  test("stays where the others are answered with it, however long all have waited", () => {
    const run = start(KEPT);
    requests(run, 3);
    run.wait(1_000);
    for (let id = 1; id <= 3; id++) run.answer(id);
    run.wait(1_000);
    expect(run.connections.map(({ closed }) => closed)).toEqual([false, false, false]);
  });

  test("stays beside a request that waits on an older one", () => {
    const run = start(KEPT);
    requests(run, 2);
    run.wait(1_000);
    run.answer(2);
    expect(run.connection(2).closed).toBe(false);
    expect(run.exchange()).toBe(2);
  });
});

describe("a connection is not kept", () => {
  test.each([
    ["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"],
    ["HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ])("against the response's word: %j", (answer) => {
    const run = start();
    run.exchange({}, answer);
    expect(run.types()).toEqual(["head", "ended"]);
    expect(run.connection(1).closed).toBe(true);
  });

  test("when the response is over before the request has left", () => {
    const run = start();
    run.request(POST);
    run.flushed(1, 10);
    run.bytes(1, OK);
    expect(run.types()).toEqual(["head", "body", "ended"]);
    expect(run.connection(1).closed).toBe(true);
  });

  test("when the response is over before the request's body is", () => {
    const run = start();
    const exchange = run.request({ method: "PUT", body: "streamed" });
    run.answer(1);
    expect(run.connection(1).closed).toBe(true);
    run.send(exchange, "late");
    run.endBody(exchange);
    expect(run.written(1)).not.toContain("late");
    expect(run.types()).toEqual(["head", "body", "ended"]);
  });

  test("when the origin ended its side with the response", () => {
    const run = start();
    const exchange = run.request();
    run.flushed(1);
    run.pause(exchange, true);
    run.bytes(1, OK);
    run.ended(1);
    run.pause(exchange, false);
    expect(run.types()).toEqual(["head", "body", "ended"]);
    expect(run.connection(1).closed).toBe(true);
  });
});

describe("a login that is bound to its connection", () => {
  const asks = (challenge: string) =>
    `HTTP/1.1 401 No\r\nWWW-Authenticate: ${challenge}\r\nContent-Length: 0\r\n\r\n`;

  test.each(["NTLM TlRMTVNTUAAB", "Negotiate YII", "negotiate"])(
    "leaves the connection to nobody else, shown as %s",
    (shown) => {
      const run = start();
      run.exchange();
      run.exchange({ headers: ["Authorization", shown] });
      expect(run.connections).toHaveLength(1);
      expect(run.connection(1).closed).toBe(true);
    },
  );

  test.each(["NTLM", "Negotiate", "Basic realm=x, NTLM", "Negotiate oYG2, Basic realm=x"])(
    "leaves the connection to nobody else, asked for as %s",
    (challenge) => {
      const run = start();
      run.exchange({}, asks(challenge));
      expect(run.connection(1).closed).toBe(true);
    },
  );

  test.each([
    ["Bearer ntlm", "Basic realm=negotiate"],
    ["Basic eDp5", "Digest realm=x, qop=auth"],
    ["Negotiator x", "NTLMv3"],
  ])("is no login by %s, or for %s", (shown, challenge) => {
    const run = start();
    run.exchange({ headers: ["Authorization", shown] }, asks(challenge));
    expect(run.connection(1).closed).toBe(false);
  });
});
