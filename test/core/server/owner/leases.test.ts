import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import type { RegistryOperation } from "../../../../core/registry.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const { leaseRenewMs, leaseMs, registryRetryMs } = serverLimits;

type Renewal = Extract<RegistryOperation, { readonly type: "renew_leases" }>;

/** A server with homes `a`, `b`, ... in slices of two rows, and what it has asked for since they were there. */
function serverOf(homes: number) {
  const server = new TestServer({ leaseRowsMax: 2 });
  for (let index = 0; index < homes; index++) server.tunnel(String.fromCharCode(97 + index));
  server.registry.asked.length = 0;
  return server;
}

function renewals({ registry }: TestServer): readonly Renewal[] {
  return registry.asked.filter((operation) => operation.type === "renew_leases");
}

const slicesOf = (server: TestServer) => renewals(server).map(({ after }) => after);

describe("a renewal of leases", () => {
  it("keeps the node's row from the start, and says where the node is reached", () => {
    const server = new TestServer({}, { peerUrl: "http://10.0.0.1:8889", publicUrl: "https://one.example" });
    expect(renewals(server)).toEqual([
      {
        type: "renew_leases",
        node: "node-1",
        peerUrl: "http://10.0.0.1:8889",
        publicUrl: "https://one.example",
        leaseMs,
        after: null,
        rowsMax: serverLimits.leaseRowsMax,
      },
    ]);
  });

  it("goes through the rows slice by slice, one call at a time", () => {
    const server = serverOf(5);
    server.registry.modes.set("renew_leases", "holds");
    server.idle(leaseRenewMs);
    for (const after of [null, "b", "d"]) {
      expect(server.registry.held.map(({ operation }) => operation)).toMatchObject([{ after }]);
      server.registry.held[0]?.answer();
    }
    expect(server.registry.held).toEqual([]);
    expect(server.registry.count("upsert_connection")).toBe(0);
  });

  it("asks again for a slice that was lost, and for none that was not", () => {
    const server = serverOf(5);
    server.registry.modes.set("renew_leases", "holds");
    server.idle(leaseRenewMs);
    server.registry.held[0]?.answer();
    server.registry.held[0]?.answer("unavailable");
    server.registry.modes.clear();
    server.idle(registryRetryMs);
    expect(slicesOf(server)).toEqual([null, "b", "b", "d"]);
  });

  it("goes on where it was after an outage, and begins anew when it is through", () => {
    const server = serverOf(5);
    server.registry.modes.set("renew_leases", "holds");
    server.idle(leaseRenewMs);
    server.registry.held[0]?.answer();
    server.registry.modes.set("renew_leases", "unavailable");
    server.registry.held[0]?.answer("unavailable");
    server.idle(leaseRenewMs * 2);
    expect(new Set(slicesOf(server))).toEqual(new Set([null, "b"]));
    server.registry.asked.length = 0;
    server.registry.modes.clear();
    server.idle(1_000);
    expect(slicesOf(server)).toEqual(["b", "d", null, "b", "d"]);
  });

  it("claims the rows of live tunnels that are in no slice when it is through, and not before", () => {
    const server = serverOf(5);
    server.registry.rows.delete("b");
    server.registry.rows.delete("e");
    server.idle(leaseRenewMs);
    expect(slicesOf(server)).toEqual([null, "c"]);
    expect(server.registry.rows.size).toBe(5);
    expect(server.registry.count("upsert_connection")).toBe(2);
  });

  it("takes a row for seen that was claimed behind its back", () => {
    const server = serverOf(4);
    server.registry.modes.set("renew_leases", "holds");
    server.idle(leaseRenewMs);
    server.registry.held[0]?.answer();
    // Before the slice that is under way.
    server.tunnel("aa");
    server.registry.modes.clear();
    while (server.registry.held.length > 0) server.registry.held[0]?.answer();
    expect(server.registry.count("upsert_connection")).toBe(1);
  });

  it("repairs a mass loss bit by bit, faster than leases are renewed", () => {
    const server = new TestServer({ handshakesPerTick: 500 });
    for (let index = 0; index < 500; index++) server.tunnel(`home-${index}`);
    expect(server.registry.rows.size).toBe(500);
    server.registry.rows.clear();
    server.idle(leaseRenewMs);
    const first = server.registry.rows.size;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(500);
    server.idle(4_000);
    expect(server.registry.rows.size).toBe(500);
  });

  it("ends with the node, whose row goes when nothing is left", () => {
    const server = serverOf(1);
    expect(server.registry.peerUrls.has("node-1")).toBe(true);
    server.registry.modes.set("renew_leases", "holds");
    server.idle(leaseRenewMs);
    server.dispatch({ type: "drain_requested" });
    server.dispatch({ type: "visitors_gone" });
    server.registry.modes.set("renew_leases", "unavailable");
    server.registry.held[0]?.answer("unavailable");
    server.advance(serverLimits.drainMs + 1_000);
    expect(server.registry.count("delete_node")).toBe(1);
    server.registry.modes.clear();
    server.registry.asked.length = 0;
    server.advance(leaseRenewMs * 2);
    expect(renewals(server)).toEqual([]);
    expect(server.registry.peerUrls.has("node-1")).toBe(false);
  });
});
