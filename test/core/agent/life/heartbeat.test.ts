import { describe, expect, it } from "vitest";
import { agentDeadlineMs } from "../../../../core/agent.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { all, Harness, only, reports } from "../harness.ts";

const { pingMs, silenceMs, stallMs } = agentLimits;

describe("the heartbeat", () => {
  it("pings at its pace and keeps a tunnel whose server answers", () => {
    const harness = new Harness();
    const socket = harness.connect();
    for (let ping = 0; ping < 100; ping++) {
      expect(all(harness.advance(pingMs), "socket_ping")).toHaveLength(1);
      harness.step({ type: "socket_heard", socket });
    }
    expect(harness.phase).toBe("connected");
  });

  it("PB11 T12 drops a half-open tunnel within 15 s, though its own pings went out", () => {
    const harness = new Harness();
    const socket = harness.connect();
    const effects = harness.advance(15_000);
    expect(all(effects, "socket_ping").length).toBeGreaterThan(0);
    expect(only(effects, "socket_terminate").socket).toBe(socket);
    expect(reports(effects)).toEqual(["disconnected", "retrying"]);
    expect(only(effects, "socket_connect").socket).not.toBe(socket);
  });

  it("counts the silence from the last sign of life, not from the last ping", () => {
    const harness = new Harness();
    const socket = harness.connect();
    harness.advance(pingMs - 1);
    harness.step({ type: "socket_heard", socket });
    expect(all(harness.advance(silenceMs - 1), "socket_terminate")).toEqual([]);
    expect(all(harness.advance(1), "socket_terminate")).toHaveLength(1);
  });

  it("does not take a flush for a sign of life", () => {
    const harness = new Harness();
    harness.connect();
    harness.end(startedResponse(harness));
    harness.advance(silenceMs - 1);
    harness.flush();
    expect(all(harness.advance(1), "socket_terminate")).toHaveLength(1);
  });

  it.each(["socket_text", "socket_bytes", "socket_heard"] as const)("takes %s for a sign of life", (type) => {
    const harness = new Harness();
    const socket = harness.connect();
    harness.advance(silenceMs - 1);
    if (type === "socket_text") harness.text('{"type":"ABORT","request_id":1}');
    else if (type === "socket_bytes") harness.step({ type, socket, bytes: new Uint8Array(3) });
    else harness.step({ type, socket });
    harness.advance(silenceMs - 1);
    expect(harness.phase).toBe("connected");
  });

  it("T14 grants one more ping period after a stall, and drops the tunnel if that stays silent too", () => {
    const harness = new Harness();
    const socket = harness.connect();
    harness.nowMs = agentDeadlineMs(harness.state) + 8 * 3600 * 1000;
    const woken = harness.step({ type: "tick" });
    expect(all(woken, "socket_ping")).toHaveLength(1);
    expect(all(woken, "socket_terminate")).toEqual([]);
    expect(all(harness.advance(pingMs - 1), "socket_terminate")).toEqual([]);
    expect(only(harness.advance(1), "socket_terminate").socket).toBe(socket);
  });

  it("pings at once after a stall, also where no ping was due yet", () => {
    const harness = new Harness();
    harness.connect();
    harness.advance(2 * pingMs);
    harness.nowMs = agentDeadlineMs(harness.state) + stallMs + 1;
    expect(harness.nowMs).toBeLessThan(3 * pingMs);
    expect(all(harness.step({ type: "tick" }), "socket_ping")).toHaveLength(1);
  });

  it("keeps a tunnel that answers the ping after a stall", () => {
    const harness = new Harness();
    const socket = harness.connect();
    harness.nowMs = agentDeadlineMs(harness.state) + silenceMs;
    harness.step({ type: "tick" });
    harness.step({ type: "socket_heard", socket });
    harness.advance(silenceMs - 1);
    expect(harness.phase).toBe("connected");
  });

  it("takes a tick that is only a little late for no stall", () => {
    const harness = new Harness();
    harness.connect();
    harness.advance(2 * pingMs);
    harness.nowMs = agentDeadlineMs(harness.state) + stallMs;
    expect(all(harness.step({ type: "tick" }), "socket_terminate")).toHaveLength(1);
  });
});

function startedResponse(harness: Harness) {
  const exchange = harness.request(1);
  harness.head(exchange);
  return exchange;
}
