/** What a node tells agents that have links to several nodes, and how it takes one that comes to it again. */
import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { NativeAgent } from "../../../helpers/native-agent.ts";
import { TestRegistry } from "../../../helpers/test-registry.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const ONE = "0123456789abcdef";
const CLUSTER = { peerUrl: "http://10.0.0.1:8002", peerHmacs: [(text: string) => `signed ${text}`] };

function cluster(others: readonly string[] = [], config = {}) {
  const registry = new TestRegistry();
  for (const node of others) registry.peerUrls.set(node, "http://10.0.0.2:8002");
  return { registry, server: new TestServer({}, { ...CLUSTER, ...config }, registry) };
}

describe("a node of several", () => {
  it("says which one it is, and which others there are", () => {
    const { server } = cluster(["node-2", "node-3"]);
    const agent = new NativeAgent(server, { instance: ONE }).connect();
    expect(agent.welcome?.node).toBe("node-1");
    expect(agent.nodesTold).toEqual([["node-2", "node-3"]]);
  });

  it("tells agents of a node that comes and of one that goes, and of nothing twice", () => {
    const { server, registry } = cluster();
    const agent = new NativeAgent(server, { instance: ONE }).connect();
    registry.peerUrls.set("node-2", "http://10.0.0.2:8002");
    server.idle(serverLimits.leaseRenewMs);
    server.idle(serverLimits.leaseRenewMs);
    registry.peerUrls.delete("node-2");
    server.idle(serverLimits.leaseRenewMs);
    expect(agent.nodesTold).toEqual([[], ["node-2"], []]);
  });

  it("sends no such frame to an agent that does not ask for it", () => {
    const { server, registry } = cluster(["node-2"]);
    const agent = new NativeAgent(server).connect();
    registry.peerUrls.set("node-3", "http://10.0.0.3:8002");
    server.idle(serverLimits.leaseRenewMs);
    expect(agent.nodesTold).toEqual([]);
  });

  it("tells of no others, and not which one it is, where it passes no request on to others", () => {
    const { server } = cluster(["node-2"], { peerHmacs: [] });
    const agent = new NativeAgent(server, { instance: ONE }).connect();
    expect(agent.welcome?.node).toBeUndefined();
    expect(agent.nodesTold).toEqual([]);
  });

  it("does not say its name where that could not stand in a list in a header field", () => {
    const { server } = cluster([], { node: "one, two" });
    expect(new NativeAgent(server, { instance: ONE }).connect().welcome?.node).toBeUndefined();
  });
});

describe("an agent that comes to a node again", () => {
  it("PB68 is refused, and the link that it has goes on, its row too", () => {
    const { server, registry } = cluster(["node-2"]);
    const agent = new NativeAgent(server, { instance: ONE }).connect();
    const row = registry.rows.get("home")?.tunnel;
    const visit = server.visit();
    const again = new NativeAgent(server, { instance: ONE });
    again.linked = ["node-2", "node-1"];
    expect(again.open().refusal).toMatchObject({ status: 409, code: "already_linked" });
    agent.answer(200, [], "ok");
    expect(visit.status).toBe(200);
    expect(registry.rows.get("home")?.tunnel).toBe(row);
    server.expectEmpty();
  });

  it("is taken where the node has lost the link that the agent believes in", () => {
    const { server } = cluster();
    const agent = new NativeAgent(server, { instance: ONE }).connect();
    agent.lose();
    agent.linked = ["node-1"];
    agent.connect();
    expect(agent.welcome?.resumed).toBe(true);
  });

  it("is taken where the node has a tunnel of another process, which it takes over from", () => {
    const { server } = cluster();
    const older = new NativeAgent(server, { instance: "fedcba9876543210" }).connect();
    const newer = new NativeAgent(server, { instance: ONE });
    newer.linked = ["node-1"];
    newer.connect();
    expect(newer.welcome?.resumed).toBe(false);
    expect(older.socket?.closed).toMatchObject({ code: 4001 });
  });

  it("is taken, and the older tunnel closed, where it does not say that it has a link there", () => {
    const { server } = cluster();
    const older = new NativeAgent(server, { instance: ONE }).connect();
    new NativeAgent(server, { instance: ONE }).connect();
    expect(older.socket?.closed).toMatchObject({ code: 4001 });
  });
});
