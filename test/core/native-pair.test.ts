/** The real server and the real agent, speaking the native protocol over a wire that breaks where the test says. */
import { describe, expect, it } from "vitest";
import { webSocketAccept } from "../../core/http/websocket-accept.ts";
import { agentLimits, serverLimits } from "../../core/limits.ts";
import { bytesOf, expectBody, Pair } from "../helpers/pair.ts";
import type { Visit } from "../helpers/test-visit.ts";

function nativePair(config: ConstructorParameters<typeof Pair>[1] = {}): Pair {
  const pair = new Pair(undefined, { protocol: "auto", ...config });
  expect(pair.agent.isConnected).toBe(true);
  expect(pair.agent.state.links[0].session).not.toBeNull();
  return pair;
}

/** Everything that is under way arrives, and the acknowledgements of it. */
function rest(pair: Pair): void {
  for (let rounds = 0; rounds < 4; rounds++) pair.advance(2 * agentLimits.ackDelayMs);
}

/** Nothing of an exchange is left at either end, while the tunnel lives on. */
function expectIdle(pair: Pair): void {
  rest(pair);
  const { links, exchanges } = pair.agent.state;
  const [{ session }] = links;
  expect([...(session?.wire.streams.keys() ?? [])], "the agent has streams left").toEqual([]);
  expect(exchanges.size).toBe(0);
  expect(pair.agent.origin.running.size, "an origin request is left").toBe(0);
  expect(pair.server.state.exchanges.size, "an exchange is left").toBe(0);
  expect(pair.server.state.heldBytes, "bytes are left").toBe(0);
}

/** Moves the two on step by step, cuts the wire where it says, and lets them come to rest. */
function playWithCuts(pair: Pair, cuts: readonly number[]): boolean {
  let happened = false;
  for (const moves of cuts) {
    let moved = true;
    for (let move = 0; move < moves && moved; move++) moved = pair.agent.move();
    happened = moved;
    pair.agent.cut();
    // Back on the first try, so that the next cut falls into the handshake, the resumption or what follows.
    pair.agent.dispatch({ type: "tick" });
  }
  // A tunnel that was lost at once is followed by a short wait.
  pair.advance(1_000);
  return happened;
}

describe("an exchange of the native protocol", () => {
  it("H14 H16 passes method, target, headers and both bodies as they are", () => {
    const pair = nativePair();
    const body = bytesOf(3_000);
    pair.agent.origin.answer = () => ({
      status: 207,
      headers: ["Set-Cookie", "a=1", "X-B", "1", "set-cookie", "b=2", "Content-Length", String(body.length)],
      body,
    });
    const visit = pair.server.visit({
      method: "REPORT",
      target: "/a//%2e%2e/b;x?clientId=home&q=1&q=&x=%7A+",
      headers: ["X-One", "1", "x-one", "2", "Content-Length", "5"],
      body: "12345",
    });
    pair.run();
    expectBody(visit, body);
    expect(visit.status).toBe(207);
    const cookies = visit.headers.filter(
      (_, index) => visit.headers[index - 1]?.toLowerCase() === "set-cookie",
    );
    expect(cookies).toEqual(["a=1", "b=2"]);
    const [run] = pair.agent.origin.runs;
    expect(run?.request.method).toBe("REPORT");
    expect(run?.request.target).toContain("/a//%2e%2e/b;x?");
    expect(run?.request.headers.join("|")).toContain("X-One|1|x-one|2");
    expect(Buffer.concat(run?.received ?? []).toString()).toBe("12345");
    expectIdle(pair);
    pair.expectEmpty();
  });

  it("H12 H13 passes interim responses and trailers", () => {
    const pair = nativePair();
    const interims = [{ status: 103, headers: ["Link", "</a.css>; rel=preload"] }];
    pair.agent.origin.answer = () => ({ interims, body: bytesOf(10), trailers: ["X-Sum", "1"] });
    const visit = pair.server.visit();
    pair.run();
    expect(visit.interims).toEqual(interims);
    expect(visit.trailers).toEqual(["X-Sum", "1"]);
    expectIdle(pair);
  });

  it("T11 holds back an upload at the pace of the origin", () => {
    const pair = nativePair();
    pair.agent.origin.answer = () => ({ waits: true, body: bytesOf(5) });
    pair.agent.origin.stalls = true;
    const visit = pair.server.visit({ method: "PUT", streams: true });
    pair.run();
    let sent = 0;
    for (; !visit.isPaused; sent += 50_000) {
      expect(sent, "the visitor is never paused").toBeLessThan(2_000_000);
      visit.sendBody(bytesOf(50_000));
      pair.run();
    }
    pair.agent.origin.stalls = false;
    pair.run();
    expect(visit.isPaused).toBe(false);
    visit.endBody();
    pair.run();
    expect(Buffer.concat(pair.agent.origin.runs[0]?.received ?? [])).toHaveLength(sent);
    expectBody(visit, bytesOf(5));
    expectIdle(pair);
  });

  it("T11 lets one stalled visitor hold nobody but itself", () => {
    const pair = nativePair();
    const body = bytesOf(2_000_000);
    pair.agent.origin.answer = () => ({ body });
    const stalled = pair.server.visit({ takes: false });
    const others = [1, 2, 3].map(() => pair.server.visit());
    pair.run();
    for (const visit of others) expectBody(visit, body);
    expect(stalled.unflushedBytes).toBeLessThanOrEqual(serverLimits.windowBytes);
    expect(pair.agent.origin.running.size).toBe(1);
    for (let rounds = 0; !stalled.isClosed; rounds++) {
      expect(rounds, "the stalled visitor never gets the rest").toBeLessThan(1_000);
      stalled.take();
      pair.run();
    }
    expectBody(stalled, body);
    expectIdle(pair);
  });

  it("T24 ends once at both ends when the visitor leaves at any moment", () => {
    for (let moves = 0; ; moves++) {
      const pair = nativePair();
      pair.agent.origin.answer = () => ({ body: bytesOf(200_000) });
      const visit = pair.server.visit();
      for (let move = 0; move < moves; move++) pair.agent.move();
      const wasOver = visit.isClosed;
      visit.leave();
      pair.run();
      expectIdle(pair);
      const { exchangesStarted, exchangesAborted, exchangesCompleted } = pair.agent.state.counters;
      expect(exchangesAborted + exchangesCompleted).toBe(exchangesStarted);
      pair.expectEmpty();
      if (wasOver) break;
    }
  });

  it("H30 tells the visitor what failed at the origin", () => {
    const pair = nativePair({ origins: [{ prefix: "/only", authority: "only.test" }] });
    const visit = pair.server.visit();
    pair.run();
    expect(visit.status).toBe(404);
    expect(visit.code).toBe("no_origin");
    expectIdle(pair);
  });
});

describe("T01 T02 a tunnel that is cut anywhere, and again", () => {
  const down = bytesOf(150_000);
  const up = bytesOf(150_000);

  function download(): { pair: Pair; visit: Visit; check: () => void } {
    const pair = nativePair();
    pair.agent.origin.answer = () => ({ body: down, headers: ["x-call", "1"], chunkBytes: 40_000 });
    const visit = pair.server.visit();
    return { pair, visit, check: () => expectBody(visit, down) };
  }

  function upload(): { pair: Pair; visit: Visit; check: () => void } {
    const pair = nativePair();
    pair.agent.origin.answer = () => ({ waits: true, body: bytesOf(3), trailers: ["x-sum", "1"] });
    const visit = pair.server.visit({ method: "PUT", streams: true });
    for (let at = 0; at < up.length; at += 50_000) visit.sendBody(up.slice(at, at + 50_000));
    visit.endBody(["x-up", "1"]);
    const check = () => {
      expectBody(visit, bytesOf(3));
      const [run] = pair.agent.origin.runs;
      expect(Buffer.compare(Buffer.concat(run?.received ?? []), up), "the upload is not exact").toBe(0);
      expect(run?.trailers).toEqual(["x-up", "1"]);
    };
    return { pair, visit, check };
  }

  it.each([
    ["download", download],
    ["upload", upload],
  ])("loses and repeats nothing, and calls the origin once: %s", (_, begin) => {
    let cuts = 0;
    for (let first = 0; ; first++) {
      let isOver = false;
      for (const second of [0, 1, 2, 3, 4, 6, 9, 14]) {
        const { pair, visit, check } = begin();
        isOver = !playWithCuts(pair, [first, second]);
        check();
        expect(visit.isClosed).toBe(true);
        expect(pair.agent.origin.requests, "the origin is called again").toHaveLength(1);
        expect(pair.agent.origin.aborted).toEqual([]);
        expect(pair.agent.state.counters.sessionsResumed).toBeGreaterThan(0);
        expectIdle(pair);
        pair.expectEmpty();
        cuts++;
      }
      if (isOver && first > 20) break;
    }
    expect(cuts).toBeGreaterThan(100);
  });

  it("T22 goes on with an upgraded connection, byte for byte", () => {
    for (let moves = 0; moves < 30; moves++) {
      const pair = nativePair();
      const headers = [
        "Connection",
        "Upgrade",
        "Upgrade",
        "websocket",
        "Sec-WebSocket-Accept",
        webSocketAccept("x"),
      ];
      pair.agent.origin.answer = () => ({ status: 101, headers, echoes: true });
      const visit = pair.server.visit({
        upgrade: true,
        headers: ["Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "x"],
      });
      pair.run();
      expect(visit.status).toBe(101);
      const said = bytesOf(30_000);
      visit.sendBody(said.slice(0, 10_000));
      for (let move = 0; move < moves; move++) pair.agent.move();
      pair.agent.cut();
      visit.sendBody(said.slice(10_000));
      pair.run();
      rest(pair);
      expect(Buffer.compare(visit.body, said), "the echo is not exact").toBe(0);
      visit.endBody();
      pair.run();
      expect(visit.end).toBe("clean");
      expectIdle(pair);
      pair.expectEmpty();
    }
  });

  it("T03 fails each exchange once when the agent is not back in time", () => {
    const { pair, visit } = download();
    pair.agent.move();
    pair.agent.move();
    pair.agent.vanish();
    pair.advance(serverLimits.silenceMs + serverLimits.pingMs + serverLimits.graceMs + 1_000);
    expect(visit.isClosed).toBe(true);
    expect(visit.end === "cut" || visit.status >= 500).toBe(true);
    expect(pair.server.state.exchanges.size).toBe(0);
  });

  it("T04 lets a request wait for the agent that is about to return", () => {
    const pair = nativePair();
    pair.agent.origin.answer = () => ({ body: bytesOf(5) });
    pair.agent.wire.hold();
    pair.agent.cut();
    const visit = pair.server.visit();
    expect(visit.status).toBe(0);
    pair.run();
    rest(pair);
    expectBody(visit, bytesOf(5));
    expectIdle(pair);
  });
});

describe("the end of a native tunnel", () => {
  it("T25 an agent that drains finishes what runs and then stops", () => {
    const pair = nativePair();
    const body = bytesOf(300_000);
    pair.agent.origin.answer = () => ({ body });
    pair.agent.origin.holds = true;
    const visit = pair.server.visit();
    pair.run();
    pair.agent.dispatch({ type: "drain_requested" });
    pair.run();
    pair.agent.origin.holds = false;
    pair.run();
    rest(pair);
    expectBody(visit, body);
    expect(pair.agent.stopped).toBeNull();
    pair.server.expectEmpty();
  });

  it("T16 an agent that is superseded gives up its session, and the new one takes the requests", () => {
    const pair = nativePair();
    pair.agent.origin.holds = true;
    const lost = pair.server.visit();
    pair.run();
    const newer = pair.join({ protocol: "auto", seed: 2 });
    newer.origin.answer = () => ({ body: bytesOf(4) });
    pair.run();
    expect(lost.code).toBe("agent_lost");
    expect(pair.agent.state.links[0].session).toBeNull();
    expect(pair.agent.origin.running.size).toBe(0);
    const visit = pair.server.visit();
    pair.run();
    expectBody(visit, bytesOf(4));
  });
});
