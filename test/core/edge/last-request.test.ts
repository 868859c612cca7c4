/** Which requests of a connection are taken, and how long a head is waited for. */
import { describe, expect, test } from "vitest";
import { createEdge, edgeDeadlineMs, stepEdge } from "../../../core/edge/edge.ts";
import type { EdgeEffect, EdgeEvent } from "../../../core/edge/events.ts";
import { edgeLimits } from "../../../core/edge/limits.ts";
import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import { Outbox } from "../../../core/outbox.ts";

const connection = 1 as ConnectionId;
const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

function start(limits: Partial<typeof edgeLimits> = {}) {
  const edge = createEdge({ limits: { ...edgeLimits, ...limits }, trustedProxies: [], date: () => "" });
  const out = new Outbox<EdgeEffect>();
  const opened: number[] = [];
  let paused = false;
  const stepOnce = (event: EdgeEvent) => {
    stepEdge(edge, 0, event, out);
    out.drain((effect) => {
      if (effect.type === "exchange_opened") opened.push(effect.exchange);
      if (effect.type === "connection_pause") paused = effect.paused;
    });
  };
  const step = (event: EdgeEvent) => {
    stepOnce(event);
    while (edgeDeadlineMs(edge) <= 0) stepOnce({ type: "tick" });
  };
  step({ type: "connection_accepted", connection, peer: "192.0.2.1" });
  const say = (text: string) =>
    step({ type: "connection_bytes", connection, bytes: new TextEncoder().encode(text) });
  return { opened, say, step, deadlineMs: () => edgeDeadlineMs(edge), isPaused: () => paused };
}

describe("a request", () => {
  test("behind one that said it is the last is not taken", () => {
    const { opened, say } = start();
    say(`GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n${GET}`);
    say(GET);
    expect(opened).toEqual([1]);
  });

  test("behind one of HTTP/1.0 is not taken", () => {
    const { opened, say } = start();
    say(`GET / HTTP/1.0\r\n\r\n${GET}`);
    expect(opened).toEqual([1]);
  });

  test("that has no room behind others has all the time in the world", () => {
    const { deadlineMs, opened, say } = start({ turnsMax: 2 });
    say(GET + GET + GET.slice(0, 9));
    expect(opened).toEqual([1, 2]);
    expect(deadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("what comes behind the last request", () => {
  const limits = { turnsMax: 1, readAheadBytes: 100 };
  const surplus = "s".repeat(200);
  const exchange = 1 as ExchangeId;
  const whole: EdgeEvent = { type: "respond", exchange, status: 413, headers: [], body: [], close: true };

  test("is read and dropped, where the request says so", () => {
    const { isPaused, say } = start(limits);
    say("GET / HTTP/1.0\r\n\r\n");
    say(surplus);
    expect(isPaused()).toBe(false);
  });

  test.each<readonly [string, EdgeEvent]>([
    ["the answer says so", whole],
    ["the answer is cut", { type: "respond_cut", exchange }],
    ["the listener closes", { type: "listener_close" }],
  ])("is dropped when %s, and then it is read on", (_, event) => {
    const { isPaused, opened, say, step } = start(limits);
    say(GET);
    say(GET + surplus);
    expect(isPaused()).toBe(true);
    step(event);
    expect(isPaused()).toBe(false);
    say(GET);
    expect(opened).toEqual([1]);
  });
});
