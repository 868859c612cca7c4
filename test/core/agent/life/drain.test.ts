import { describe, expect, it } from "vitest";
import { agentDeadlineMs } from "../../../../core/agent.ts";
import type { AgentEffect } from "../../../../core/effects.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { all, Harness, only, packets, problem, reports } from "../harness.ts";

function drain(harness: Harness): AgentEffect[] {
  return harness.step({ type: "drain_requested" });
}

function closed(harness: Harness): AgentEffect[] {
  return harness.step({ type: "socket_closed", socket: harness.socket, code: 1000, reason: "" });
}

describe("a drain", () => {
  it("T25 of an idle tunnel closes it and stops when it is closed", () => {
    const harness = new Harness();
    harness.connect();
    const effects = drain(harness);
    expect(reports(effects)).toEqual(["draining"]);
    expect(only(effects, "socket_close").code).toBe(1000);
    expect(closed(harness)).toEqual([{ type: "stopped", failure: null }]);
  });

  it("T25 lets running exchanges finish and be sent, and refuses new ones meanwhile", () => {
    const harness = new Harness();
    harness.connect();
    const exchange = harness.request(1);
    harness.head(exchange);
    expect(all(drain(harness), "socket_close")).toEqual([]);
    expect(problem(harness.frame(2))).toEqual({ status: 503, code: "draining", requestId: 2 });
    harness.body(exchange, 100_000);
    expect(packets(harness.end(exchange)).at(-1)?.last).toBe(true);
    expect(harness.phase).toBe("draining");
    expect(all(harness.flush(), "socket_close")).toHaveLength(1);
    closed(harness);
    expect(harness.phase).toBe("stopped");
  });

  it("T25 gives up what has not finished by the deadline, and tells the server of each", () => {
    const harness = new Harness();
    harness.connect();
    harness.request(1);
    const streaming = harness.request(2);
    harness.head(streaming);
    harness.body(streaming, 100_000);
    drain(harness);
    harness.advanceAlive(agentLimits.drainMs - 1);
    const effects = harness.advance(1);
    expect(all(effects, "origin_abort")).toHaveLength(2);
    expect(packets(effects)).toMatchObject([{ requestId: 1, packetId: 1, last: true }]);
    expect(only(effects, "socket_send_text").text).toContain('"ABORT"');
    expect(effects.at(-1)?.type).toBe("socket_close");
  });

  it("has said good-bye by default when Docker kills, ten seconds after it asked", () => {
    const harness = new Harness();
    harness.connect();
    harness.request(1);
    drain(harness);
    harness.advanceAlive(9_000);
    expect(only(harness.effects, "socket_close").code).toBe(1000);
  });

  it("does not wait without end for a server that never closes", () => {
    const harness = new Harness();
    const socket = harness.connect();
    drain(harness);
    const effects = harness.advance(10_000);
    expect(effects).toEqual([
      { type: "socket_terminate", socket },
      { type: "stopped", failure: null },
    ]);
  });

  it("does not wait without end for a server that never reads", () => {
    const harness = new Harness();
    harness.connect();
    const exchange = harness.request(1);
    harness.head(exchange);
    harness.end(exchange);
    drain(harness);
    expect(harness.phase).toBe("draining");
    harness.advanceAlive(agentLimits.drainMs);
    expect(harness.phase).toBe("closing");
  });

  it("ends when the tunnel is lost meanwhile: nobody waits for the answers any more", () => {
    const harness = new Harness();
    harness.connect();
    harness.request(1);
    drain(harness);
    const effects = harness.lose();
    expect(all(effects, "origin_abort")).toHaveLength(1);
    expect(effects.at(-1)).toEqual({ type: "stopped", failure: null });
  });

  it("ends when the server falls silent meanwhile", () => {
    const harness = new Harness({ limits: { ...agentLimits, drainMs: 30_000 } });
    harness.connect();
    harness.request(1);
    drain(harness);
    const effects = harness.advance(agentLimits.silenceMs);
    expect(all(effects, "socket_terminate")).toHaveLength(1);
    expect(effects.at(-1)).toEqual({ type: "stopped", failure: null });
  });

  const phases: Record<string, (harness: Harness) => void> = {
    "before the first tick": () => {},
    "while registering": (harness) => harness.step({ type: "tick" }),
    "while signing": (harness) => {
      harness.step({ type: "tick" });
      harness.answer(200, '{"token":"t"}');
      harness.step({ type: "socket_refused", socket: harness.socket, status: 401, body: "" });
      harness.advance(0);
    },
    "while waiting": (harness) => {
      harness.step({ type: "tick" });
      harness.answer(503, "");
    },
  };

  it.each(Object.entries(phases))("stops at once %s", (_, enter) => {
    const harness = new Harness({ clientToken: null });
    enter(harness);
    expect(drain(harness).at(-1)).toEqual({ type: "stopped", failure: null });
    expect(agentDeadlineMs(harness.state)).toBe(Number.POSITIVE_INFINITY);
  });

  it("stops at once while connecting, and cuts the handshake", () => {
    const harness = new Harness();
    harness.step({ type: "tick" });
    const { socket } = harness;
    expect(drain(harness).slice(1)).toEqual([
      { type: "socket_terminate", socket },
      { type: "stopped", failure: null },
    ]);
  });

  it("that is asked for twice is one drain", () => {
    const harness = new Harness();
    harness.connect();
    harness.request(1);
    drain(harness);
    expect(drain(harness)).toEqual([]);
    const { socket } = harness;
    harness.advanceAlive(agentLimits.drainMs - 1);
    harness.advance(1);
    expect(drain(harness)).toEqual([]);
    harness.step({ type: "socket_closed", socket, code: 1000, reason: "" });
    expect(drain(harness)).toEqual([]);
    expect(all(harness.effects, "stopped")).toHaveLength(1);
  });
});
