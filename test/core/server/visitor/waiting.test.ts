/** Requests for a home that was there a moment ago. */
import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { NativeAgent } from "../../../helpers/native-agent.ts";
import { TestServer } from "../../../helpers/test-server.ts";

describe.each(["moosicbox", "native"])("a request for a home whose %s tunnel was lost", (protocol) => {
  function lost(limits = {}) {
    const server = new TestServer(limits);
    if (protocol === "native") new NativeAgent(server).connect().lose();
    else server.tunnel().lose();
    return server;
  }

  it("T04 waits, unread, and goes out when the agent is back, in order", () => {
    const server = lost();
    const first = server.visit({ target: "/1?clientId=home" });
    const second = server.visit({ method: "POST", body: "{}", target: "/2?clientId=home" });
    server.advance(2_000);
    expect([first.status, second.status, second.isRead]).toEqual([0, 0, false]);
    const tunnel = server.tunnel();
    expect(tunnel.requests.map((request) => request.path)).toEqual(["1", "2"]);
    expect(server.state.waiting).toBe(0);
    server.expectEmpty();
  });

  it("T04 goes out over a native tunnel after its hello", () => {
    const server = lost();
    const visit = server.visit();
    const agent = new NativeAgent(server);
    agent.open();
    expect(agent.requests).toHaveLength(0);
    agent.hello();
    agent.answer(200, [], "ok");
    expect(visit.text).toBe("ok");
    server.expectEmpty();
  });

  it("T04 fails with a time to come back when the agent stays away", () => {
    const server = lost({ graceMs: serverLimits.waitMs });
    const visit = server.visit();
    server.advance(serverLimits.waitMs - 1);
    expect(visit.status).toBe(0);
    server.advance(1);
    expect(visit).toMatchObject({ status: 424, code: "agent_not_connected" });
    expect(visit.header("retry-after")).toBe("5");
    // By now the home counts as gone.
    expect(server.visit()).toMatchObject({ status: 424, code: "agent_not_connected" });
    server.expectEmpty();
  });

  it("is refused where too many wait already", () => {
    const server = lost({ waitingMax: 2 });
    server.visit();
    const leaver = server.visit();
    expect(server.visit()).toMatchObject({ status: 429, code: "limit_tunnel_exchanges" });
    leaver.leave();
    expect(server.visit().status).toBe(0);
    server.expectEmpty();
  });

  it("is not kept waiting for a home that never was there", () => {
    const server = lost();
    expect(server.visit({ clientId: "other" })).toMatchObject({ status: 424, code: "agent_not_connected" });
    server.expectEmpty();
  });
});

describe("a request for a home by its own name", () => {
  const DOMAIN = { domain: "tunnel.test" };
  const open = (server: TestServer) => server.open({ target: "/", headers: ["host", "home.tunnel.test"] });

  it("waits for one that is public, under the same mode as before", () => {
    const server = new TestServer({}, DOMAIN);
    const agent = new NativeAgent(server, { access: "public" }).connect();
    agent.lose();
    const visit = open(server);
    expect(visit.status).toBe(0);
    agent.connect();
    agent.answer(200, [], "ok");
    expect(visit.text).toBe("ok");
    server.expectEmpty();
  });

  it("is turned away by one that comes back with a door", () => {
    const server = new TestServer({}, DOMAIN);
    new NativeAgent(server, { access: "public" }).connect().lose();
    const visit = open(server);
    const agent = new NativeAgent(server).connect();
    expect(visit).toMatchObject({ status: 401, code: "unauthorized" });
    expect(agent.requests).toHaveLength(0);
    server.expectEmpty();
  });

  it("is turned away where one with a door has taken over while its body came", () => {
    const server = new TestServer({}, DOMAIN);
    server.tunnel("home", true, ["Culvert-Access", "public"]).open();
    const headers = ["host", "home.tunnel.test"];
    const visit = server.open({ method: "POST", target: "/", headers, streams: true });
    visit.sendBody("{}");
    const agent = new NativeAgent(server).connect();
    visit.endBody();
    expect(visit).toMatchObject({ status: 503, code: "agent_not_connected" });
    expect(agent.requests).toHaveLength(0);
    server.expectEmpty();
  });

  it("is told 503 with a time to come back when the home stays away", () => {
    const server = new TestServer({}, DOMAIN);
    new NativeAgent(server, { access: "public" }).connect().lose();
    const visit = open(server);
    server.advance(serverLimits.waitMs);
    expect(visit).toMatchObject({ status: 503, code: "agent_not_connected" });
    expect(visit.header("retry-after")).toBe("5");
    server.expectEmpty();
  });
});
