/** Which requests of a connection are taken, and how long a head is waited for. */
import { describe, expect, test } from "vitest";
import { createEdge, edgeDeadlineMs, stepEdge } from "../../../core/edge/edge.ts";
import type { EdgeEffect, EdgeEvent } from "../../../core/edge/events.ts";
import { edgeLimits } from "../../../core/edge/limits.ts";
import type { ConnectionId } from "../../../core/ids.ts";
import { Outbox } from "../../../core/outbox.ts";

const connection = 1 as ConnectionId;
const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

function start(limits: Partial<typeof edgeLimits> = {}) {
  const edge = createEdge({ limits: { ...edgeLimits, ...limits }, trustedProxies: [], date: () => "" });
  const out = new Outbox<EdgeEffect>();
  const opened: number[] = [];
  const stepOnce = (event: EdgeEvent) => {
    stepEdge(edge, 0, event, out);
    out.drain((effect) => {
      if (effect.type === "exchange_opened") opened.push(effect.exchange);
    });
  };
  const step = (event: EdgeEvent) => {
    stepOnce(event);
    while (edgeDeadlineMs(edge) <= 0) stepOnce({ type: "tick" });
  };
  step({ type: "connection_accepted", connection, peer: "192.0.2.1" });
  const say = (text: string) =>
    step({ type: "connection_bytes", connection, bytes: new TextEncoder().encode(text) });
  return { edge, opened, say };
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
    const { edge, opened, say } = start({ turnsMax: 2 });
    say(GET + GET + GET.slice(0, 9));
    expect(opened).toEqual([1, 2]);
    expect(edgeDeadlineMs(edge)).toBe(Number.POSITIVE_INFINITY);
  });
});
