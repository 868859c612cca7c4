import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { NATIVE_PROTOCOL } from "../../../../core/wire/native.ts";
import { NativeAgent } from "../../../helpers/native-agent.ts";
import { TestServer } from "../../../helpers/test-server.ts";
import type { TestSocket } from "../../../helpers/test-socket.ts";

const { helloMs, leaseRenewMs, registryCallMs, registryRetryMs } = serverLimits;

const SUPERSEDED = { code: 4001, reason: "superseded" };

/** The one tunnel that serves the home, checked against the registry after the next renewal. */
function expectOwner(server: TestServer, owner: TestSocket): void {
  server.idle(leaseRenewMs);
  expect(owner.isOpen).toBe(true);
  expect(server.registry.rows.get("home")?.tunnel).toBe(String(owner.wireId));
  const before = owner.requests.length;
  server.visit();
  expect(owner.requests).toHaveLength(before + 1);
}

/** Every order of the numbers below `count`. */
function orders(count: number): number[][] {
  if (count === 0) return [[]];
  return orders(count - 1).flatMap((order) =>
    Array.from({ length: count }, (_, place) => [...order.slice(0, place), count - 1, ...order.slice(place)]),
  );
}

describe("the newest tunnel of a client id", () => {
  it("T16 takes over from the older one, which is told so", () => {
    const server = new TestServer();
    const older = server.tunnel();
    const newer = server.tunnel();
    expect(older.closed).toEqual(SUPERSEDED);
    expectOwner(server, newer);
  });

  it("T16 leaves a MoosicBox agent open that comes back at once, so that two of them come to rest", () => {
    const server = new TestServer();
    const first = server.tunnel();
    const second = server.tunnel();
    expect(first.closed).toEqual(SUPERSEDED);
    const again = server.tunnel();
    expect(second.isOpen).toBe(true);
    expectOwner(server, again);
    expect(second.isOpen).toBe(true);
    again.lose();
    expectOwner(server, second);
  });

  it("puts one that stands by in the place of one that is lost while the server leaves", () => {
    const server = new TestServer();
    server.tunnel();
    const second = server.tunnel();
    const again = server.tunnel();
    server.visit();
    server.drain();
    again.lose();
    server.visit();
    expect(second.requests).toHaveLength(1);
  });

  it("leaves the older one in service until its handshake is complete", () => {
    const server = new TestServer();
    const older = server.tunnel();
    const newer = server.tunnel("home", false);
    server.visit();
    expect(older.requests).toHaveLength(1);
    expect(older.closed).toBeNull();
    newer.open();
    expect(older.closed).toEqual(SUPERSEDED);
    server.visit();
    expect(newer.requests).toHaveLength(1);
  });

  it("PB02 keeps its row when the older one's clean-up comes late", () => {
    const server = new TestServer();
    const older = server.tunnel();
    server.registry.modes.set("delete_connection", "holds");
    older.lose();
    const newer = server.tunnel();
    for (const call of [...server.registry.held]) call.answer();
    expectOwner(server, newer);
  });

  it("fails the older one's exchanges, which it cannot finish", () => {
    const server = new TestServer();
    server.tunnel();
    const visit = server.visit();
    server.tunnel();
    expect(visit).toMatchObject({ status: 502, code: "agent_lost" });
  });

  it("lets the agent keep its row when a newer handshake breaks off", () => {
    const server = new TestServer();
    const older = server.tunnel();
    server.tunnel("home", false).lose();
    expect(server.registry.rows.size).toBe(0);
    expectOwner(server, older);
  });

  for (const answers of orders(3)) {
    for (const opens of orders(3)) {
      it(`wins when rows are answered in the order ${answers} and handshakes end in the order ${opens}`, () => {
        const server = new TestServer({ takeoverMs: 0 });
        server.registry.modes.set("upsert_connection", "holds");
        const tunnels = ["a", "b", "c"].map((each) => server.tunnel("home", false, [], each));
        const upserts = [...server.registry.held];
        for (const index of answers) upserts[index]?.answer();
        server.registry.modes.clear();
        for (const index of opens) {
          const tunnel = tunnels[index];
          if (tunnel === undefined) continue;
          tunnel.reacts = true;
          tunnel.open();
        }
        const [first, second, newest] = tunnels;
        if (newest === undefined) return expect.fail("there are three");
        expectOwner(server, newest);
        for (const other of [first, second]) {
          const told = other?.closed?.reason ?? other?.refusal?.code;
          expect(told).toBe("superseded");
        }
      });
    }
  }

  it("is told by the fence, not by who asked first, where they are two agents", () => {
    const server = new TestServer();
    server.registry.modes.set("check_agent", "holds");
    const first = server.tunnel("home", true, [], "a");
    const second = server.tunnel("home", true, [], "b");
    const [ofFirst, ofSecond] = [...server.registry.held];
    // The registry looks at the second one's token before the first one's: the first is the newer.
    ofSecond?.answer();
    ofFirst?.answer();
    server.registry.modes.clear();
    expect(second.closed).toEqual(SUPERSEDED);
    expectOwner(server, first);
  });

  it("is the one that came last, of the same agent: an older handshake was given up, and is not asked about again", () => {
    for (const operation of ["check_agent", "upsert_connection"] as const) {
      const server = new TestServer();
      server.registry.modes.set(operation, "holds");
      const first = server.tunnel();
      const [ofFirst] = [...server.registry.held];
      const second = server.tunnel();
      expect(first.refusal).toMatchObject({ status: 409, code: "superseded" });
      const [, ofSecond] = [...server.registry.held];
      // It is answered late, as where it was asked again.
      ofSecond?.answer();
      ofFirst?.answer();
      server.registry.modes.clear();
      expect(second.closed).toBeNull();
      expectOwner(server, second);
    }
  });

  it("keeps its agent while another one has the row that has not said hello", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server);
    agent.connect();
    // A handshake that is completed, and whose agent is not there any more.
    server.idle(leaseRenewMs - helloMs / 2);
    server.tunnel("home", true, ["sec-websocket-protocol", NATIVE_PROTOCOL]);
    server.idle(helloMs / 2);
    expect(agent.socket?.isOpen).toBe(true);
  });

  it("lets nobody send an agent's handshake away who does not show its token", () => {
    const server = new TestServer();
    server.registry.mode = "holds";
    const first = server.tunnel("home", false);
    server.upgrade("/ws?clientId=home&sender=true", ["authorization", "Bearer somebody-elses"], false);
    expect(first.refusal).toBeNull();
  });

  it("gives way to a newer one on another node, at once and at the next renewal", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    const elsewhere = { tunnel: "77", node: "node-2", fence: 9_000 };
    server.registry.rows.set("home", elsewhere);
    expect(server.tunnel().refusal).toMatchObject({ status: 409, code: "superseded" });
    server.idle(leaseRenewMs);
    expect(tunnel.closed).toEqual(SUPERSEDED);
    expect(server.registry.rows.get("home")).toEqual(elsewhere);
  });
});

describe("the rows of a node", () => {
  it("D13 T26 are cleaned of an earlier life's at the start", () => {
    const registry = new TestServer().registry;
    registry.rows.set("ghost", { tunnel: "5", node: "node-1", fence: 1 });
    registry.rows.set("other", { tunnel: "6", node: "node-2", fence: 1 });
    new TestServer({}, {}, registry);
    expect([...registry.rows.keys()]).toEqual(["other"]);
  });

  it("are cleaned of one whose upsert was carried out after the tunnel had gone", () => {
    const server = new TestServer();
    server.registry.modes.set("upsert_connection", "holds");
    const tunnel = server.tunnel();
    tunnel.lose();
    server.registry.held[0]?.answer();
    server.registry.modes.clear();
    expect(server.registry.rows.size).toBe(1);
    server.advance(leaseRenewMs);
    expect(server.registry.rows.size).toBe(0);
  });

  it("come back for a live tunnel that lost its own", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.registry.rows.clear();
    expectOwner(server, tunnel);
  });

  it("are never deleted from under a tunnel that is being claimed", () => {
    const server = new TestServer();
    server.registry.modes.set("upsert_connection", "commits_and_fails");
    const tunnel = server.tunnel();
    server.dispatch({ type: "tick" });
    server.advance(leaseRenewMs - registryRetryMs * 4);
    server.registry.modes.clear();
    server.advance(registryRetryMs * 4);
    expectOwner(server, tunnel);
    expect(server.registry.count("delete_connection")).toBe(0);
  });

  it("survive a renewal that fails, and stay as they are", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.registry.modes.set("renew_leases", "unavailable");
    server.idle(leaseRenewMs * 2);
    server.registry.modes.set("renew_leases", "holds");
    server.idle(leaseRenewMs + registryCallMs);
    server.registry.modes.clear();
    expectOwner(server, tunnel);
  });

  it("do not get back the row of a tunnel that left while its repair waited", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.registry.rows.clear();
    server.registry.modes.set("upsert_connection", "unavailable");
    server.idle(leaseRenewMs);
    tunnel.lose();
    server.registry.modes.clear();
    server.advance(leaseRenewMs);
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });
});
