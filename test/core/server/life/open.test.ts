import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { CLIENT_TOKEN, SIGNATURE, sha256, TestServer } from "../../../helpers/test-server.ts";

const { registryCallMs, registryRetryMs, registryTunnelMs, handshakeMs, leaseRenewMs } = serverLimits;

describe("the way in of a tunnel", () => {
  it("checks the token, writes the row, and only then completes the handshake", () => {
    const server = new TestServer();
    server.registry.mode = "holds";
    const tunnel = server.tunnel();
    expect(server.registry.held[0]?.operation).toEqual({
      type: "check_agent",
      tokenHash: sha256(CLIENT_TOKEN),
      clientId: "home",
    });
    server.registry.held[0]?.answer();
    expect(server.registry.held[0]?.operation).toEqual({
      type: "upsert_connection",
      clientId: "home",
      tunnel: String(tunnel.wireId),
      node: "node-1",
      fence: 1_000,
      leaseMs: serverLimits.leaseMs,
      access: "token",
    });
    expect(tunnel.stage).toBe("handshake");
    server.registry.held[0]?.answer();
    expect(tunnel.isOpen).toBe(true);
    expect(server.reports).toContainEqual({
      type: "tunnel_accepted",
      socket: tunnel.id,
      clientId: "home",
      protocol: "moosicbox",
    });
    server.expectEmpty();
  });

  it("never tells the registry a token, only its hash", () => {
    const server = new TestServer();
    server.tunnel();
    server.visit();
    expect(JSON.stringify(server.registry.asked)).not.toContain("secret");
  });

  it("A02 refuses a token that the registry does not know with 401", () => {
    const server = new TestServer();
    const tunnel = server.upgrade("/ws?clientId=home&sender=true&signature=secret-wrong");
    expect(tunnel.refusal).toMatchObject({ status: 401, code: "unauthorized" });
    expect(tunnel.refusal?.headers).toContain("www-authenticate");
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });

  it("A04 refuses a token of another client id, of another case, and of another kind", () => {
    const server = new TestServer();
    server.grant("signature", SIGNATURE, "home");
    server.grant("client_access", "secret-client", "home");
    for (const query of [
      `clientId=other&sender=true&signature=${SIGNATURE}`,
      `clientId=HOME&sender=true&signature=${SIGNATURE}`,
      `clientId=home%20&sender=true&signature=${SIGNATURE}`,
      "clientId=home&sender=true&signature=secret-client",
    ]) {
      expect(server.upgrade(`/ws?${query}`).refusal?.status, query).toBe(401);
    }
    server.expectEmpty();
  });

  it("refuses without a signature, without a client id, and on another path, asking nobody", () => {
    const server = new TestServer();
    const asked = server.registry.asked.length;
    expect(server.upgrade("/ws?clientId=home&sender=true").refusal?.status).toBe(401);
    expect(server.upgrade(`/ws?sender=true&signature=${SIGNATURE}`).refusal?.status).toBe(400);
    expect(server.upgrade(`/ws?clientId=&signature=${SIGNATURE}`).refusal?.status).toBe(400);
    expect(server.upgrade(`/ws?clientId=${"x".repeat(65)}&signature=s`).refusal?.status).toBe(400);
    expect(server.upgrade(`/health?clientId=home&signature=${SIGNATURE}`).refusal?.status).toBe(400);
    expect(server.upgrade("/ws?clientId=%00&signature=s").refusal?.status).toBe(400);
    expect(server.registry.asked).toHaveLength(asked);
    server.expectEmpty();
  });

  it("reads its query keys in any case", () => {
    const server = new TestServer();
    server.grant("signature", SIGNATURE, "home");
    const tunnel = server.upgrade(`/ws?CLIENTID=home&Sender=true&sIgNaTuRe=${SIGNATURE}`);
    expect(tunnel.isOpen).toBe(true);
    expect(server.state.tunnels).toBe(1);
  });

  it("takes a visitor socket for what it is when sender is anything but true", () => {
    const server = new TestServer();
    server.grant("signature", SIGNATURE, "home");
    server.upgrade(`/ws?clientId=home&sender=false&signature=${SIGNATURE}`);
    server.upgrade(`/ws?clientId=home&signature=${SIGNATURE}`);
    expect(server.state).toMatchObject({ tunnels: 0, visitorSockets: 2 });
    expect(server.registry.count("upsert_connection")).toBe(0);
    server.expectEmpty();
  });

  it("refuses a page of an origin that may not read responses", () => {
    const server = new TestServer({}, { corsOrigins: ["https://player.example"] });
    server.grant("signature", SIGNATURE, "home");
    const target = `/ws?clientId=home&signature=${SIGNATURE}`;
    expect(server.upgrade(target, ["Origin", "https://evil.example"]).refusal?.status).toBe(401);
    expect(server.upgrade(target, ["Origin", "https://player.example"]).isOpen).toBe(true);
    expect(server.upgrade(target).isOpen).toBe(true);
  });

  it("takes client ids as plain data, whatever they are called", () => {
    const server = new TestServer();
    for (const clientId of ["__proto__", "constructor", "'; --", "x".repeat(64), "hé 家"]) {
      const tunnel = server.tunnel(clientId);
      const visit = server.visit({ clientId });
      expect(tunnel.requests, clientId).toHaveLength(1);
      tunnel.send({ requestId: visit.requestId, packetId: 1, last: true, body: clientId });
      expect(visit.text).toBe(clientId);
    }
    server.expectEmpty();
  });
});

describe("the way in while the registry fails", () => {
  it("D02 asks again until the registry is back, and accepts", () => {
    const server = new TestServer();
    server.registry.mode = "unavailable";
    const tunnel = server.tunnel();
    server.advance(registryRetryMs * 4);
    expect(tunnel.stage).toBe("handshake");
    server.registry.mode = "answers";
    server.advance(registryRetryMs);
    expect(tunnel.isOpen).toBe(true);
    expect(server.reports).toContainEqual({ type: "registry_recovered" });
  });

  it.each(["check_agent", "upsert_connection"] as const)(
    "accepts and closes with 1013 when %s fails for too long",
    (operation) => {
      const server = new TestServer();
      server.registry.modes.set(operation, "unavailable");
      const tunnel = server.tunnel();
      server.advance(registryTunnelMs - 1_000);
      expect(tunnel.stage).toBe("handshake");
      server.advance(1_000);
      expect(tunnel.closed).toEqual({ code: 1013, reason: "registry_down" });
      expect(server.state.homes.size).toBe(0);
      server.expectEmpty();
    },
  );

  it("D03 gives an attempt up that is never answered, and asks again", () => {
    const server = new TestServer();
    server.registry.mode = "holds";
    const tunnel = server.tunnel();
    server.advance(registryCallMs);
    // The answer to the attempt that was given up comes after all, and ends nothing.
    server.registry.held[0]?.answer("refused");
    expect(tunnel.stage).toBe("handshake");
    server.registry.mode = "answers";
    server.advance(registryRetryMs);
    expect(tunnel.isOpen).toBe(true);
    server.expectEmpty();
  });

  it("does not ask again what the registry refuses for good", () => {
    const server = new TestServer();
    server.registry.modes.set("upsert_connection", "refused");
    const tunnel = server.tunnel();
    expect(server.registry.count("upsert_connection")).toBe(1);
    expect(tunnel.closed).toEqual({ code: 1013, reason: "registry_down" });
  });

  it("PB10 accepts a tunnel whose row was written although the answer was lost", () => {
    const server = new TestServer();
    server.registry.modes.set("upsert_connection", "commits_and_fails");
    const tunnel = server.tunnel();
    expect(tunnel.stage).toBe("handshake");
    server.registry.modes.clear();
    server.advance(registryRetryMs);
    expect(tunnel.isOpen).toBe(true);
    expect(server.registry.rows.get("home")?.tunnel).toBe(String(tunnel.wireId));
    tunnel.lose();
    expect(server.tunnel().isOpen).toBe(true);
  });

  it("deletes the row of a tunnel that was never told of it", () => {
    const server = new TestServer();
    server.registry.modes.set("upsert_connection", "commits_and_fails");
    const tunnel = server.tunnel();
    server.advance(registryTunnelMs);
    expect(tunnel.closed?.code).toBe(1013);
    expect(server.registry.rows.size).toBe(0);
  });

  it("deletes a row again and again until the registry takes it", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.registry.mode = "unavailable";
    tunnel.lose();
    server.advance(registryRetryMs * 3);
    server.registry.mode = "answers";
    server.advance(registryRetryMs);
    expect(server.registry.rows.size).toBe(0);
  });

  it("forgets a peer that left during the handshake, whatever the registry says later", () => {
    const server = new TestServer();
    server.registry.mode = "holds";
    for (const steps of [0, 1]) {
      const tunnel = server.tunnel();
      if (steps === 1) server.registry.held[0]?.answer();
      tunnel.lose();
      for (const call of [...server.registry.held]) call.answer();
      expect(server.state.homes.size).toBe(0);
    }
    server.registry.mode = "answers";
    server.advance(leaseRenewMs);
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });

  it("stops asking for a peer that has left", () => {
    const server = new TestServer();
    server.registry.mode = "unavailable";
    const tunnel = server.tunnel();
    tunnel.lose();
    const asked = server.registry.count("check_agent");
    server.advance(registryTunnelMs);
    expect(server.registry.count("check_agent")).toBe(asked);
  });
});

describe("the handshake", () => {
  it("is cut when the peer does not finish it in time", () => {
    const server = new TestServer();
    const tunnel = server.tunnel("home", false);
    expect(tunnel.stage).toBe("accepted");
    server.advance(handshakeMs - 1);
    expect(tunnel.closed).toBeNull();
    server.advance(1);
    expect(tunnel.closed?.code).toBe(1006);
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });

  it("gives no request to a tunnel that is not open yet", () => {
    const server = new TestServer();
    const tunnel = server.tunnel("home", false);
    const early = server.visit({ target: "/early?clientId=home" });
    expect(tunnel.requests).toEqual([]);
    tunnel.open();
    expect([early.status, server.visit().status]).toEqual([0, 0]);
    expect(tunnel.requests.map(({ path }) => path)).toEqual(["early", "music"]);
  });
});
