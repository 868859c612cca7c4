/** Requests that stand behind others of their connection: who sends many at once waits for who does not. */
import { describe, expect, test } from "vitest";
import { checkEdge } from "../../../core/edge/check.ts";
import { createEdge, edgeDeadlineMs, stepEdge } from "../../../core/edge/edge.ts";
import type { EdgeEffect, EdgeEvent } from "../../../core/edge/events.ts";
import { type EdgeLimits, edgeLimits } from "../../../core/edge/limits.ts";
import type { ConnectionId } from "../../../core/ids.ts";
import { Outbox } from "../../../core/outbox.ts";
import { GET } from "./harness.ts";

/** An edge whose ticks come when a test says so. */
function start(limits: Partial<EdgeLimits> = {}) {
  const edge = createEdge({ limits: { ...edgeLimits, ...limits }, trustedProxies: [], date: () => "" });
  const out = new Outbox<EdgeEffect>();
  let nowMs = 0;
  let accepted = 0;
  /** The targets of the requests that the event opens. */
  const step = (event: EdgeEvent): string[] => {
    const targets: string[] = [];
    stepEdge(edge, nowMs, event, out);
    out.drain((effect) => {
      if (effect.type === "exchange_opened") targets.push(effect.target);
    });
    checkEdge(edge);
    return targets;
  };
  return {
    edge,
    tick: () => step({ type: "tick" }),
    wait: (ms: number) => {
      nowMs += ms;
    },
    accept: () => {
      const connection = ++accepted as ConnectionId;
      step({ type: "connection_accepted", connection, peer: "192.0.2.1" });
      return connection;
    },
    say: (connection: ConnectionId, text: string) =>
      step({ type: "connection_bytes", connection, bytes: new TextEncoder().encode(text) }),
  };
}

function requests(name: string, count: number): string {
  let text = "";
  for (let index = 1; index <= count; index++) text += `GET /${name}${index} HTTP/1.1\r\nHost: x\r\n\r\n`;
  return text;
}

describe("requests that come at once", () => {
  test("are taken one now, and one with each tick", () => {
    const { edge, accept, say, tick } = start();
    expect(say(accept(), requests("a", 3))).toEqual(["/a1"]);
    expect(edgeDeadlineMs(edge)).toBe(0);
    expect(tick()).toEqual(["/a2"]);
    expect(tick()).toEqual(["/a3"]);
    expect(edgeDeadlineMs(edge)).toBeGreaterThan(0);
  });

  test("of many connections are taken in turns, so many with each tick", () => {
    const { accept, say, tick } = start({ pipelinedPerTick: 2 });
    for (const name of ["a", "b", "c"]) say(accept(), requests(name, 3));
    expect([tick(), tick(), tick(), tick()]).toEqual([["/a2", "/b2"], ["/c2", "/a3"], ["/b3", "/c3"], []]);
  });

  test("hold up nobody who has asked for nothing yet", () => {
    const { accept, say, tick } = start({ pipelinedPerTick: 1 });
    for (let index = 0; index < 100; index++) say(accept(), requests("flood", 10));
    const visitor = accept();
    tick();
    expect(say(visitor, requests("good", 1))).toEqual(["/good1"]);
  });

  test("of one connection are no more at once for coming in pieces", () => {
    const { accept, say, tick } = start({ pipelinedPerTick: 1 });
    const stranger = accept();
    expect(say(stranger, GET)).toHaveLength(1);
    for (let index = 0; index < 10; index++) expect(say(stranger, GET)).toEqual([]);
    expect(tick()).toHaveLength(1);
    expect(tick()).toHaveLength(1);
  });

  test("have no deadline of ours while they wait for their tick", () => {
    const { accept, say, tick, wait } = start({ pipelinedPerTick: 1 });
    const stranger = accept();
    say(stranger, requests("a", 9));
    for (let index = 2; index <= 9; index++) {
      wait(edgeLimits.headMs - 1);
      expect(tick()).toEqual([`/a${index}`]);
    }
  });

  test("have a whole head's time, not more, though they come byte by byte", () => {
    const { edge, accept, say, tick, wait } = start();
    const stranger = accept();
    say(stranger, GET);
    for (let index = 0; index < 14; index++) {
      say(stranger, "GET / HTTP/1.1\r\nHost: x"[index] ?? "");
      tick();
      wait(1_000);
    }
    expect(edgeDeadlineMs(edge)).toBe(edgeLimits.headMs);
  });
});
