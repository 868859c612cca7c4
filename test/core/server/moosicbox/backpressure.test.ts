import { describe, expect, it } from "vitest";
import { type ServerLimits, serverLimits } from "../../../../core/limits.ts";
import { TestServer } from "../../../helpers/test-server.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

const KIB = 1024;
const SMALL: Partial<ServerLimits> = {
  heldBytesSoft: 4 * KIB,
  heldBytesHard: 32 * KIB,
  heldBytesTotal: 64 * KIB,
  parkedBytesMax: 16 * KIB,
  responseBufferBytesMax: 60 * KIB,
};

/** A home whose answers are sent packet by packet, 1 KiB each. */
function scene(limits: Partial<ServerLimits> = {}) {
  const server = new TestServer({ ...SMALL, ...limits });
  const tunnel = server.tunnel();
  const sent = new Map<Visit, number>();
  /** The next `count` packets of an answer, whether or not the tunnel is paused: they may be on their way already. */
  const send = (visit: Visit, count: number, last = false) => {
    for (let left = count; left > 0; left--) {
      const packetId = (sent.get(visit) ?? 0) + 1;
      sent.set(visit, packetId);
      const body = new Uint8Array(KIB).fill(packetId);
      tunnel.send({ requestId: visit.requestId, packetId, body, last: last && left === 1 });
    }
  };
  const slow = (options: Parameters<TestServer["visit"]>[0] = {}) =>
    server.visit({ takes: false, ...options });
  return { server, tunnel, send, slow };
}

describe("a slow visitor alone on a tunnel", () => {
  it("pauses it above the soft limit, not at it, and resumes it at half", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    send(visit, 4);
    expect(tunnel.paused).toBe(false);
    send(visit, 1);
    expect(tunnel.paused).toBe(true);
    visit.take(2 * KIB);
    expect(tunnel.paused).toBe(true);
    visit.take(KIB);
    expect(tunnel.paused).toBe(false);
    expect(server.state.counters.tunnelPauses).toBe(1);
    server.expectEmpty();
  });

  it.each([
    ["every ping period", [], serverLimits.pingMs],
    ["every half second while visitor sockets may be told something", ["home"], serverLimits.pauseMsMax],
    ["every ping period when the visitor sockets are another home's", ["other"], serverLimits.pingMs],
  ])("lets the tunnel be read for a moment %s, until its next packet", (_, visitors, pauseMs) => {
    const { server, tunnel, send, slow } = scene();
    for (const clientId of visitors) server.visitorSocket(clientId);
    const visit = slow();
    send(visit, 5);
    for (let pulse = 0; pulse < 5; pulse++) {
      server.advance(pauseMs - 1);
      expect(tunnel.paused).toBe(true);
      server.advance(1);
      expect(tunnel.paused).toBe(false);
      tunnel.beat();
      send(visit, 1);
      expect(tunnel.paused).toBe(true);
    }
    server.expectEmpty();
  });

  it("lets the tunnel be read at once when a visitor socket comes", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    send(visit, 5);
    expect(tunnel.paused).toBe(true);
    server.visitorSocket();
    expect(tunnel.paused).toBe(false);
    send(visit, 1);
    server.advance(serverLimits.pauseMsMax);
    expect(tunnel.paused).toBe(false);
  });

  it("does not cut that moment short by taking a little", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    send(visit, 6);
    server.advance(serverLimits.pingMs);
    expect(tunnel.paused).toBe(false);
    visit.take(10);
    expect(tunnel.paused).toBe(false);
    send(visit, 1);
    expect(tunnel.paused).toBe(true);
  });

  it.each<[string, (visit: Visit) => void]>([
    ["leaves", (visit) => visit.leave()],
    ["takes everything", (visit) => visit.take()],
  ])("resumes the tunnel when it %s", (_, act) => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    send(visit, 5);
    act(visit);
    expect(tunnel.paused).toBe(false);
    server.expectEmpty();
  });

  it("is given up above the hard limit, not at it", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    send(visit, 32);
    expect(visit.end).toBe("none");
    send(visit, 1);
    expect(visit.end).toBe("cut");
    expect(server.outcomes("limit_slow_visitor")).toBe(1);
    expect(tunnel.aborts).toEqual([visit.requestId]);
    expect(tunnel.paused).toBe(false);
    server.expectEmpty();
  });

  it("does not hold the tunnel any more once its answer is whole", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    send(visit, 5);
    send(visit, 1, true);
    expect(tunnel.paused).toBe(false);
    visit.take();
    expect(visit.end).toBe("clean");
    server.expectEmpty();
  });

  it("leaves no pause behind when the tunnel is lost or closed", () => {
    const { server, tunnel, send, slow } = scene();
    send(slow(), 5);
    expect(tunnel.paused).toBe(true);
    server.tunnel();
    expect(tunnel.closed?.reason).toBe("superseded");
    server.expectEmpty();
  });

  it("is not dropped for silence while its paused tunnel is read in pulses", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    send(visit, 6);
    for (let ms = 0; ms < serverLimits.silenceMs * 3; ms += 100) {
      server.advance(100);
      // The visitor takes a little all the time, so flushes come between any two packets.
      visit.take(1);
      if (!tunnel.paused) tunnel.beat();
    }
    expect(tunnel.isOpen).toBe(true);
  });
});

describe("a neighbour of a slow visitor", () => {
  it("keeps the tunnel from being paused while it waits for bytes", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    const neighbour = server.visit();
    send(visit, 20);
    expect(tunnel.paused).toBe(false);
    send(neighbour, 1, true);
    expect(neighbour.end).toBe("clean");
    expect(tunnel.paused).toBe(true);
  });

  it("resumes a paused tunnel by its request", () => {
    const { server, tunnel, send, slow } = scene();
    send(slow(), 5);
    expect(tunnel.paused).toBe(true);
    const neighbour = server.visit();
    expect(tunnel.paused).toBe(false);
    neighbour.leave();
    expect(tunnel.paused).toBe(true);
  });

  it("goes on when the slow one is given up", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    const neighbour = server.visit();
    send(neighbour, 1);
    send(visit, 33);
    expect(visit.end).toBe("cut");
    expect(neighbour.end).toBe("none");
    expect(tunnel.paused).toBe(false);
    send(neighbour, 1, true);
    expect(neighbour).toMatchObject({ status: 200, end: "clean" });
    server.expectEmpty();
  });

  it("that is slow as well lets the tunnel pause", () => {
    const { tunnel, send, slow } = scene();
    const both = [slow(), slow()] as const;
    send(both[0], 5);
    expect(tunnel.paused).toBe(false);
    send(both[1], 5);
    expect(tunnel.paused).toBe(true);
    both[1].take();
    expect(tunnel.paused).toBe(false);
  });

  it("that is a visitor socket with a question keeps the tunnel readable for a second", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow();
    send(visit, 5);
    server.visitorSocket().say("1");
    expect(tunnel.paused).toBe(false);
    server.advance(999);
    send(visit, 1);
    expect(tunnel.paused).toBe(false);
    server.advance(1);
    send(visit, 1);
    expect(tunnel.paused).toBe(true);
  });

  it("that gathers a blocking answer is not slow, however much is held for it", () => {
    const { server, tunnel, send, slow } = scene();
    const visit = slow({ blocking: true });
    send(visit, 50);
    expect(tunnel.paused).toBe(false);
    send(visit, 1, true);
    expect(server.state.heldBytes).toBe(51 * KIB);
    visit.take();
    expect(visit).toMatchObject({ status: 200, end: "clean" });
    server.expectEmpty();
  });

  it("that waits for a missing packet is not slow: a pause would make it wait for ever", () => {
    const { server, tunnel, slow } = scene();
    const visit = slow();
    for (let packetId = 2; packetId < 14; packetId++) {
      tunnel.send({ requestId: visit.requestId, packetId, body: new Uint8Array(KIB) });
    }
    expect(tunnel.paused).toBe(false);
    expect(server.state.heldBytes).toBe(12 * KIB);
  });
});

describe("the bytes held in all", () => {
  it("cost the largest holder its answer when they are too many, and nobody else", () => {
    const { server, send, slow } = scene({ heldBytesHard: 60 * KIB });
    const small = slow();
    const large = slow();
    const blocking = slow({ blocking: true });
    send(small, 10);
    send(large, 30);
    send(blocking, 24);
    expect(server.state.heldBytes).toBe(64 * KIB);
    send(small, 1);
    expect(large.end).toBe("cut");
    expect(server.outcomes("limit_slow_visitor")).toBe(1);
    expect(server.state.heldBytes).toBe(35 * KIB);
    expect([small.end, blocking.status]).toEqual(["none", 0]);
    server.expectEmpty();
  });

  it("cost a blocking answer its buffer when that is the largest", () => {
    const { server, send, slow } = scene();
    const blocking = slow({ blocking: true });
    const streamed = slow();
    send(blocking, 40);
    send(streamed, 25);
    expect(blocking).toMatchObject({ status: 502, code: "limit_response_buffer" });
    expect(streamed.end).toBe("none");
    server.expectEmpty();
  });

  it("cost one answer only, though the connection that was cut takes a while to go", () => {
    const { server, send, slow } = scene({ heldBytesHard: 60 * KIB });
    const large = slow({ lingers: true });
    const others = [slow(), slow(), slow()] as const;
    send(large, 40);
    for (const other of others) send(other, 8);
    send(others[0], 1);
    expect(large.end).toBe("cut");
    for (const other of others) send(other, 2);
    expect(others.map((other) => other.end)).toEqual(["none", "none", "none"]);
    large.take(KIB);
    large.leave();
    expect(server.outcomes("limit_slow_visitor")).toBe(1);
    server.expectEmpty();
  });

  it("cost an answer that is whole already, when its visitor holds the most and does not take it", () => {
    const { server, send, slow } = scene();
    const stalled = slow({ blocking: true });
    send(stalled, 59, true);
    expect(server.state.heldBytes).toBe(59 * KIB);
    const fresh = server.visit();
    const slower = slow();
    send(slower, 6);
    expect(stalled.end).toBe("cut");
    expect(slower.end).toBe("none");
    expect(server.outcomes("limit_slow_visitor")).toBe(1);
    send(fresh, 1, true);
    expect(fresh.end).toBe("clean");
    server.expectEmpty();
  });

  it("count a body that came in one packet until its visitor has taken it", () => {
    const { server, tunnel, slow } = scene();
    const visits = Array.from({ length: 5 }, () => slow());
    for (const visit of visits) {
      tunnel.send({ requestId: visit.requestId, packetId: 1, last: true, body: new Uint8Array(14 * KIB) });
    }
    expect(visits.filter((visit) => visit.end === "cut")).toHaveLength(1);
    expect(server.state.heldBytes).toBe(56 * KIB);
    server.expectEmpty();
  });

  it("count request bodies, and refuse the largest with 503", () => {
    const { server, slow } = scene({ requestBodyBytesMax: 60 * KIB });
    const large = slow({ method: "POST", body: "x" });
    const small = slow({ method: "POST", body: "x" });
    large.sendBody("x".repeat(50 * KIB));
    small.sendBody("x".repeat(14 * KIB));
    expect(large.status).toBe(0);
    small.sendBody("x");
    expect(large).toMatchObject({ status: 503, code: "limit_exchanges" });
    expect(small.status).toBe(0);
    server.expectEmpty();
  });
});
