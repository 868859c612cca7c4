/** What ends when a token is deleted or expires, and by when; and what stays while the registry cannot be asked. */
import { describe, expect, it } from "vitest";
import { webSocketAccept } from "../../../../core/http/websocket-accept.ts";
import { closeFrame } from "../../../../core/http/websocket-frames.ts";
import { serverLimits } from "../../../../core/limits.ts";
import { NativeAgent } from "../../../helpers/native-agent.ts";
import { bytesOf } from "../../../helpers/pair.ts";
import {
  CLIENT_TOKEN,
  MEDIA_SIGNATURE,
  type RequestOptions,
  SIGNATURE,
  sha256,
  TestServer,
} from "../../../helpers/test-server.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

/** From one renewal of leases to the next, when all that is in use is asked about. */
const ROUND_MS = serverLimits.leaseRenewMs;

const GUEST_TOKEN = "secret-guest";
const BY_GUEST = ["authorization", `Bearer ${GUEST_TOKEN}`];

function connected(limits = {}) {
  const server = new TestServer(limits);
  return { server, agent: new NativeAgent(server).connect() };
}

/** A visitor with a token of his own. */
function guest(server: TestServer, options: RequestOptions = {}): Visit {
  server.grant("visitor", GUEST_TOKEN, "home");
  const headers = [...BY_GUEST, ...(options.headers ?? [])];
  return server.open({ target: "/music?clientId=home", ...options, headers });
}

function revokeAgent(server: TestServer): void {
  server.revoke("client_access", CLIENT_TOKEN);
}

function revokeGuest(server: TestServer): void {
  server.revoke("visitor", GUEST_TOKEN);
}

function checks(server: TestServer) {
  return server.registry.asked.filter((operation) => operation.type === "check_tokens");
}

describe("a renewal of leases", () => {
  it("asks about every token in use, each once, in one call", () => {
    const { server, agent } = connected();
    guest(server);
    guest(server);
    server.visitorSocket();
    agent.answer(200, [], "whole");
    server.idle(ROUND_MS);
    expect(checks(server)).toEqual([
      {
        type: "check_tokens",
        tokens: [
          { kind: "client_access", tokenHash: sha256(CLIENT_TOKEN), clientId: "home" },
          { kind: "signature", tokenHash: sha256(MEDIA_SIGNATURE), clientId: "home" },
          { kind: "visitor", tokenHash: sha256(GUEST_TOKEN), clientId: "home" },
        ],
      },
    ]);
  });

  it("asks nothing where nobody is there", () => {
    const server = new TestServer();
    server.advance(4 * ROUND_MS);
    expect(checks(server)).toEqual([]);
  });

  it("asks about the token of an agent that is away, and about one that was good a moment ago", () => {
    const { server, agent } = connected();
    guest(server).leave();
    server.idle(ROUND_MS - 1_000);
    agent.lose();
    server.advance(1_000);
    expect(checks(server)).toMatchObject([{ tokens: [{ kind: "client_access" }, { kind: "visitor" }] }]);
  });

  it("asks no more about what nobody uses and nobody trusts", () => {
    const { server, agent } = connected();
    agent.lose(1000);
    server.advance(serverLimits.tokenTrustMs + ROUND_MS);
    const asked = checks(server).length;
    server.advance(4 * ROUND_MS);
    expect(checks(server)).toHaveLength(asked);
  });

  it("asks even where no other call may be made", () => {
    const server = new TestServer({ registryCallsMax: 1 });
    new NativeAgent(server).connect();
    server.registry.mode = "holds";
    guest(server);
    server.idle(ROUND_MS);
    expect(checks(server)).toHaveLength(1);
  });
});

describe("the bound", () => {
  it("is 20 seconds after the deletion, although the database takes as long as it may for each answer", () => {
    const { server, agent } = connected();
    const visit = guest(server);
    server.registry.modes.set("check_tokens", "holds");
    server.idle(ROUND_MS);
    // It looked a moment too early.
    server.registry.held[0]?.answer();
    const deletedMs = server.nowMs;
    revokeAgent(server);
    revokeGuest(server);
    server.idle(ROUND_MS);
    server.idle(serverLimits.registryCallMs - 1);
    expect(agent.socket?.isOpen).toBe(true);
    server.registry.held[0]?.answer();
    expect(agent.socket?.closed?.code).toBe(1008);
    expect(visit.isClosed).toBe(true);
    expect(server.nowMs - deletedMs).toBeLessThan(20_000);
    server.expectEmpty();
  });
});

describe("the tunnel of a token that is deleted", () => {
  it("is closed with 1008 at the next renewal, and carries nothing more", () => {
    const { server, agent } = connected();
    const waiting = guest(server);
    const answering = guest(server);
    agent.head(200, ["x-a", "1"]);
    revokeAgent(server);
    server.idle(ROUND_MS);
    expect(agent.socket?.closed).toEqual({ code: 1008, reason: "revoked" });
    expect(waiting).toMatchObject({ status: 502, code: "agent_lost" });
    expect(answering.end).toBe("cut");
    const behind = guest(server);
    server.advance(serverLimits.waitMs);
    expect(behind).toMatchObject({ status: 424, code: "agent_not_connected" });
    expect(server.reports).toContainEqual(
      expect.objectContaining({ type: "tunnel_ended", cause: "revoked", code: 1008 }),
    );
    server.expectEmpty();
  });

  it("of MoosicBox's protocol is closed as well, and its row goes", () => {
    const server = new TestServer();
    const tunnel = server.signedTunnel();
    const visit = guest(server);
    server.revoke("signature", SIGNATURE);
    server.idle(ROUND_MS);
    expect(tunnel.closed).toEqual({ code: 1008, reason: "revoked" });
    expect(visit).toMatchObject({ status: 502, code: "agent_lost" });
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });

  it.each(["that is there", "that is away"])(
    "leaves no ticket to an agent %s, whoever lets it in again",
    (how) => {
      const { server, agent } = connected({ graceMs: 2 * ROUND_MS });
      const visit = guest(server);
      if (how === "that is away") {
        server.idle(ROUND_MS - 1_000);
        agent.lose();
      }
      revokeAgent(server);
      server.idle(ROUND_MS);
      expect(visit).toMatchObject({ status: 502, code: "agent_lost" });
      expect(server.state.sessions.size).toBe(0);
      agent.connect();
      expect(agent.welcome).toMatchObject({ resumed: false });
      expect(server.state.counters.resumptions).toBe(0);
      server.expectEmpty();
    },
  );

  it("does not become the home's by standing by for another one that goes", () => {
    const server = new TestServer();
    const first = server.tunnel();
    const second = server.tunnel();
    const third = server.tunnel();
    expect([first.closed?.code, second.isOpen, third.isOpen]).toEqual([4001, true, true]);
    revokeAgent(server);
    server.idle(ROUND_MS);
    expect([second.closed?.code, third.closed?.code]).toEqual([1008, 1008]);
    expect(server.reports.filter(({ type }) => type === "tunnel_accepted")).toHaveLength(3);
    server.expectEmpty();
  });

  it("gives way to one that stands by whose own token is good", () => {
    const server = new TestServer();
    server.tunnel();
    server.grant("client_access", "secret-other", "home");
    const shown = ["authorization", "Bearer secret-other"];
    const other = server.upgrade("/ws?clientId=home&sender=true", shown);
    server.tunnel();
    revokeAgent(server);
    server.idle(ROUND_MS);
    expect(other.isOpen).toBe(true);
    guest(server);
    expect(other.requests).toHaveLength(1);
    server.expectEmpty();
  });

  it("is refused where its row is being written, and closed as soon as its handshake is complete", () => {
    const server = new TestServer();
    server.registry.modes.set("upsert_connection", "holds");
    server.advance(ROUND_MS - 1);
    const claiming = server.tunnel();
    const accepting = server.visitorSocket("home", false);
    revokeAgent(server);
    server.revoke("signature", MEDIA_SIGNATURE);
    server.advance(1);
    expect(claiming.refusal).toMatchObject({ status: 401, code: "revoked" });
    expect(server.registry.count("delete_connection")).toBe(1);
    expect(accepting.stage).toBe("accepted");
    accepting.open();
    expect(accepting.closed).toEqual({ code: 1008, reason: "revoked" });
    server.registry.modes.delete("upsert_connection");
    // Written too late: the next renewal finds whose it is.
    for (const { answer } of [...server.registry.held]) answer();
    server.advance(ROUND_MS);
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });

  it("leaves the tunnels of others alone", () => {
    const { server, agent } = connected();
    const other = new NativeAgent(server, { clientId: "other" }).connect();
    revokeAgent(server);
    server.idle(ROUND_MS);
    expect(agent.socket?.isOpen).toBe(false);
    expect(other.socket?.isOpen).toBe(true);
    server.expectEmpty();
  });
});

describe("the requests of a token that is deleted", () => {
  it("end at the next renewal, with a problem or a cut, and their home is told", () => {
    const { server, agent } = connected();
    const unanswered = guest(server);
    const upload = guest(server, { method: "POST", streams: true });
    upload.sendBody(bytesOf(1_000));
    const download = guest(server);
    agent.head(200, ["x-a", "1"]);
    agent.body(bytesOf(1_000));
    revokeGuest(server);
    server.idle(ROUND_MS);
    expect(unanswered).toMatchObject({ status: 401, code: "revoked" });
    expect(unanswered.header("www-authenticate")).toBe("Bearer");
    expect(upload).toMatchObject({ status: 401, code: "revoked" });
    expect(download.end).toBe("cut");
    expect(agent.requests.map(({ resetCode }) => resetCode)).toEqual(["revoked", "revoked", "revoked"]);
    expect(agent.socket?.isOpen).toBe(true);
    expect(server.outcomes("revoked")).toBe(3);
    server.expectEmpty();
  });

  it("get nothing more of what waits for a slow visitor, although their answer is complete", () => {
    const { server, agent } = connected();
    const visit = guest(server, { takes: false });
    agent.answer(200, [], bytesOf(50_000));
    expect(visit.unflushedBytes).toBe(50_000);
    revokeGuest(server);
    server.idle(ROUND_MS);
    expect(visit.end).toBe("cut");
    expect(server.outcomes("revoked")).toBe(1);
    server.expectEmpty();
  });

  it("do not end an answer that refused a token before, and waits for its visitor", () => {
    const server = new TestServer({ untakenMs: 2 * ROUND_MS });
    const headers = ["authorization", "Bearer wrong"];
    const visit = server.open({ target: "/music?clientId=home", headers, takes: false });
    expect(visit.status).toBe(401);
    server.idle(ROUND_MS);
    expect(checks(server)).toEqual([]);
    expect(visit.end).toBe("clean");
  });

  it("end with 1008 where they are WebSockets between two frames, and with a cut inside of one", () => {
    const { server, agent } = connected();
    const asked = ["Upgrade", "websocket", "Connection", "Upgrade"];
    const open = () => {
      const visit = guest(server, { upgrade: true, headers: [...asked, "Sec-WebSocket-Key", "x"] });
      agent.head(101, [...asked, "Sec-WebSocket-Accept", webSocketAccept("x")]);
      return visit;
    };
    const between = open();
    const inside = open();
    agent.body(new Uint8Array([0x81, 5, 1]));
    revokeGuest(server);
    server.idle(ROUND_MS);
    expect(between.body).toEqual(closeFrame(1008, "revoked"));
    expect(between.end).toBe("clean");
    expect(inside.end).toBe("cut");
    expect(agent.requests.map(({ resetCode }) => resetCode)).toEqual(["revoked", "revoked"]);
    server.expectEmpty();
  });

  it("that wait for their home do so no longer", () => {
    const { server, agent } = connected({ waitMs: 2 * ROUND_MS });
    server.idle(ROUND_MS - 1_000);
    agent.lose();
    const visit = guest(server);
    revokeGuest(server);
    server.advance(1_000);
    expect(visit).toMatchObject({ status: 401, code: "revoked" });
    server.expectEmpty();
  });

  it("of a magic token end as well", () => {
    const { server } = connected();
    server.grant("magic", "secret-magic", "home");
    const visit = server.open({ target: "/auth/magic-token?magicToken=secret-magic" });
    server.revoke("magic", "secret-magic");
    server.idle(ROUND_MS);
    expect(visit).toMatchObject({ status: 401, code: "revoked" });
    server.expectEmpty();
  });

  it("are let in no more by trust, although the registry is away from then on", () => {
    const { server, agent } = connected();
    server.idle(ROUND_MS - 1_000);
    guest(server);
    agent.answer(200, [], "whole");
    revokeGuest(server);
    server.idle(1_000);
    server.registry.mode = "unavailable";
    const visit = server.open({ target: "/music?clientId=home", headers: BY_GUEST });
    server.idle(serverLimits.registryVisitorMs);
    expect(visit).toMatchObject({ status: 503, code: "registry_down" });
    server.registry.mode = "answers";
    expect(server.open({ target: "/music?clientId=home", headers: BY_GUEST })).toMatchObject({ status: 401 });
    server.expectEmpty();
  });
});

describe("a visitor socket", () => {
  it("is closed with 1008 at the next renewal, and its message reaches nobody", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.grant("signature", "secret-visitor", "home");
    const visitor = server.upgrade("/ws?clientId=home&signature=secret-visitor");
    server.revoke("signature", "secret-visitor");
    server.idle(ROUND_MS);
    expect(visitor.closed).toEqual({ code: 1008, reason: "revoked" });
    expect(tunnel.isOpen).toBe(true);
    server.expectEmpty();
  });
});

describe("a token that makes another one", () => {
  it.each([
    "/auth/signature-token?clientId=home",
    "/auth/magic-token?clientId=home&magicToken=secret-magic",
    "/auth/visitor-tokens?clientId=home&name=phone",
    "/auth/register-client?clientId=home",
  ])("makes nothing any more where it was deleted, although it is trusted still: %s", (target) => {
    const { server, agent } = connected();
    const headers = ["authorization", `Bearer ${CLIENT_TOKEN}`];
    server.open({ target: "/music?clientId=home", headers });
    agent.answer(200, [], "whole");
    expect(server.open({ method: "GET", target: "/auth/visitor-tokens?clientId=home", headers }).status).toBe(
      200,
    );
    revokeAgent(server);
    expect(server.open({ method: "POST", target, headers })).toMatchObject({ status: 401 });
    expect(server.registry.tokens).toEqual([]);
    server.idle(ROUND_MS);
    server.expectEmpty();
  });

  it("is known for what it is as soon as it makes nothing", () => {
    const { server, agent } = connected();
    const headers = ["authorization", `Bearer ${CLIENT_TOKEN}`];
    server.open({ target: "/music?clientId=home", headers });
    agent.answer(200, [], "whole");
    server.open({ method: "GET", target: "/auth/visitor-tokens?clientId=home", headers });
    revokeAgent(server);
    const target = "/auth/signature-token?clientId=home";
    expect(server.open({ method: "POST", target, headers })).toMatchObject({ status: 401 });
    expect(server.open({ target: "/music?clientId=home", headers })).toMatchObject({ status: 401 });
    server.expectEmpty();
  });
});

describe("an expired token", () => {
  it("ends requests and visitor sockets, and leaves a tunnel that its signature opened", () => {
    const server = new TestServer();
    const tunnel = server.signedTunnel();
    const visitor = server.visitorSocket();
    const visit = guest(server);
    for (const [kind, token] of [
      ["visitor", GUEST_TOKEN],
      ["signature", SIGNATURE],
      ["signature", MEDIA_SIGNATURE],
    ] as const) {
      server.registry.expire(kind, sha256(token), "home");
    }
    server.idle(ROUND_MS);
    expect(visit).toMatchObject({ status: 401, code: "revoked" });
    expect(visitor.closed?.code).toBe(1008);
    expect(tunnel.isOpen).toBe(true);
    server.revoke("signature", SIGNATURE);
    server.idle(ROUND_MS);
    expect(tunnel.closed?.code).toBe(1008);
    server.expectEmpty();
  });

  it("ends a tunnel that it opened as a client token", () => {
    const { server, agent } = connected();
    server.registry.expire("client_access", sha256(CLIENT_TOKEN), "home");
    server.idle(ROUND_MS);
    expect(agent.socket?.closed).toEqual({ code: 1008, reason: "revoked" });
    server.expectEmpty();
  });
});

describe("a registry that cannot be asked", () => {
  it.each(["unavailable", "unknown", "holds"] as const)(
    "leaves what was let in where it is (%s), and what is revoked ends as soon as it answers",
    (mode) => {
      const { server, agent } = connected();
      const visit = guest(server);
      server.registry.mode = mode;
      revokeAgent(server);
      revokeGuest(server);
      server.idle(3 * ROUND_MS);
      expect(agent.socket?.isOpen).toBe(true);
      expect(visit.end).toBe("none");
      server.registry.mode = "answers";
      server.registry.held.length = 0;
      // One that hangs is given up first.
      server.idle(serverLimits.registryCallMs + serverLimits.registryRetryMs);
      expect(agent.socket?.closed?.code).toBe(1008);
      expect(visit.isClosed).toBe(true);
      server.expectEmpty();
    },
  );

  it("changes nothing by an answer that comes when it was given up", () => {
    const { server, agent } = connected();
    server.registry.modes.set("check_tokens", "holds");
    revokeAgent(server);
    server.idle(ROUND_MS);
    const late = server.registry.held[0];
    server.idle(serverLimits.registryCallMs);
    server.grant("client_access", CLIENT_TOKEN, "home");
    server.registry.modes.delete("check_tokens");
    late?.answer();
    server.idle(ROUND_MS);
    expect(agent.socket?.isOpen).toBe(true);
    server.expectEmpty();
  });

  it("refuses the check as such: nothing ends, and it is asked again at the next renewal", () => {
    const { server, agent } = connected();
    server.registry.modes.set("check_tokens", "refused");
    revokeAgent(server);
    server.idle(2 * ROUND_MS);
    expect(checks(server)).toHaveLength(2);
    expect(agent.socket?.isOpen).toBe(true);
    server.registry.modes.delete("check_tokens");
    server.idle(ROUND_MS);
    expect(agent.socket?.closed?.code).toBe(1008);
    server.expectEmpty();
  });
});
