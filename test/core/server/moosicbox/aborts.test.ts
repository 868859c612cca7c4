import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { TestServer } from "../../../helpers/test-server.ts";
import type { TestSocket } from "../../../helpers/test-socket.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

type Scene = { readonly server: TestServer; readonly tunnel: TestSocket; readonly visit: Visit };

/** How far an exchange has come; each gives a server with one exchange in that phase. */
const PHASES: Readonly<Record<string, { readonly sent: boolean; readonly make: () => Scene }>> = {
  authorizing: {
    sent: false,
    make: () => {
      const server = new TestServer();
      const tunnel = server.tunnel();
      server.registry.mode = "holds";
      return { server, tunnel, visit: server.visit() };
    },
  },
  reading: { sent: false, make: () => scene({ method: "POST", body: "{}", takes: false }) },
  waiting: { sent: true, make: () => scene() },
  "waiting with packets parked": {
    sent: true,
    make: () => sending(scene(), [3, 5]),
  },
  responding: { sent: true, make: () => sending(scene(), [1, 2]) },
  "responding to a visitor who takes nothing": {
    sent: true,
    make: () => sending(scene({ takes: false }), [1, 2]),
  },
  "responding with packets parked": { sent: true, make: () => sending(scene(), [1, 3, 5]) },
  gathering: { sent: true, make: () => sending(scene({ blocking: true }), [1, 2, 5]) },
  "closing with a body that the visitor has not taken": {
    sent: false,
    make: () => {
      const made = sending(scene({ takes: false }), [1, 2]);
      made.tunnel.send({ requestId: made.visit.requestId, packetId: 3, last: true, body: "end" });
      return made;
    },
  },
};

function scene(options: Parameters<TestServer["visit"]>[0] = {}): Scene {
  const server = new TestServer();
  const tunnel = server.tunnel();
  return { server, tunnel, visit: server.visit(options) };
}

function sending(made: Scene, packetIds: readonly number[]): Scene {
  for (const packetId of packetIds) {
    made.tunnel.send({ requestId: made.visit.requestId, packetId, body: `<${packetId}>` });
  }
  return made;
}

describe.each(Object.entries(PHASES))("an exchange that is %s", (phase, { sent, make }) => {
  it("H21 PB05 is gone when its visitor leaves, and the agent is told once if it owes something", () => {
    const { server, tunnel, visit } = make();
    visit.leave();
    expect(tunnel.aborts).toEqual(sent ? [visit.requestId] : []);
    expect(server.state.exchanges.size).toBe(0);
    expect(server.state.heldBytes).toBe(0);
    const ends = server.reports.filter((report) => report.type === "exchange_ended");
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatchObject({
      outcome: "visitor_left",
      clientId: "home",
      method: visit.requestBody ? "POST" : "GET",
    });
    for (const call of [...server.registry.held]) call.answer();
    expect(tunnel.requests).toHaveLength(sent || phase.startsWith("closing") ? 1 : 0);
    server.expectEmpty();
  });

  it("PB06 frees what it parked at once, again and again", () => {
    const { server, tunnel } = make();
    const heldBytes = server.state.heldBytes;
    for (let round = 0; round < 50; round++) {
      const other = server.visit({ headers: ["x-round", String(round)] });
      for (const call of [...server.registry.held]) call.answer();
      tunnel.send({ requestId: other.requestId, packetId: 9, body: "x".repeat(1_000) });
      other.leave();
      expect(server.state.heldBytes).toBe(heldBytes);
    }
    server.expectEmpty();
  });

  it("T24 takes no notice of what its agent sends after its visitor has left", () => {
    const { server, tunnel, visit } = make();
    visit.leave();
    tunnel.send({ requestId: visit.requestId, packetId: 6, last: true, body: "late" });
    tunnel.say(`{"type":"ABORT","request_id":${visit.requestId}}`);
    expect(server.state.exchanges.size).toBe(0);
    expect(tunnel.aborts).toEqual([visit.requestId]);
    server.expectEmpty();
  });

  it("PB14 ends once and never cleanly with half a body when its tunnel is lost", () => {
    const { server, tunnel, visit } = make();
    const wasDone = visit.end === "clean";
    tunnel.lose();
    if (wasDone) {
      visit.take();
      expect(visit).toMatchObject({ end: "clean", text: "<1><2>end" });
      expect(server.outcomes("completed")).toBe(1);
    } else if (sent && visit.end === "cut") {
      expect(visit.status).toBe(200);
      expect(server.outcomes("agent_lost")).toBe(1);
    } else if (sent) {
      expect(visit).toMatchObject({ status: 502, code: "agent_lost" });
    } else {
      // It was not sent yet, so it may still find another tunnel, or none.
      for (const call of [...server.registry.held]) call.answer();
      if (visit.isRead) visit.endBody();
      server.idle(serverLimits.waitMs);
      expect(visit).toMatchObject({ status: 424, code: "agent_not_connected" });
    }
    server.expectEmpty();
  });

  it("PB08 leaves no deadline behind when it has ended", () => {
    const { server, visit } = make();
    visit.leave();
    server.idle(serverLimits.exchangeIdleMs * 2);
    expect(server.reports.filter((report) => report.type === "exchange_ended")).toHaveLength(1);
  });
});

describe("an exchange that was not sent yet", () => {
  it("goes on the tunnel that is there when its body is complete", () => {
    const { server, tunnel, visit } = scene({ method: "POST", body: "{}", takes: false });
    tunnel.lose();
    const next = server.tunnel();
    visit.sendBody("{}");
    visit.endBody();
    expect(next.requests).toHaveLength(1);
    expect(visit.status).toBe(0);
    server.expectEmpty();
  });
});

describe("a failed exchange", () => {
  it("closes the visitor's connection when its body was not read to the end, and only then", () => {
    const { server, tunnel, visit } = scene({ method: "POST", body: "{}", takes: false });
    server.idle(serverLimits.exchangeIdleMs);
    expect(visit).toMatchObject({ status: 408, code: "request_timeout", closesConnection: true });
    const refused = server.open({ method: "POST", target: "/x?clientId=home", body: "{}" });
    expect(refused).toMatchObject({ status: 401, closesConnection: true });
    const read = server.visit({ method: "POST", body: "{}" });
    tunnel.send({ requestId: read.requestId, packetId: 1, last: true });
    expect(read).toMatchObject({ status: 200, closesConnection: false });
    expect(server.open({ target: "/x" })).toMatchObject({ status: 400, closesConnection: false });
  });

  it("ignores the rest of a body that was on its way", () => {
    const { server, visit } = scene({ method: "POST", body: "{}", takes: false });
    visit.sendBody("x".repeat(100));
    server.idle(serverLimits.exchangeIdleMs);
    expect(visit.status).toBe(408);
    visit.sendBody("more");
    visit.endBody();
    expect(server.state.heldBytes).toBe(visit.unflushedBytes);
    server.expectEmpty();
  });
});
