import { describe, expect, it } from "vitest";
import type { AgentSettings } from "../../../../core/agent/config.ts";
import type { AgentEffect } from "../../../../core/effects.ts";
import { headerValue } from "../../../../core/http/headers.ts";
import { detachSession } from "../../../../core/session/life.ts";
import { all, Harness, only } from "../harness.ts";
import { NativeServer } from "../native/harness.ts";

function change(agent: Harness, settings: Partial<AgentSettings>): AgentEffect[] {
  const { protocol, access, origins, hostHeader, headers, exitOnError, docsUrl, limits } = agent.state.config;
  const before = { protocol, access, origins, hostHeader, headers, exitOnError, docsUrl, limits };
  return agent.step({ type: "settings_changed", settings: { ...before, ...settings } });
}

function reported(effects: readonly AgentEffect[]) {
  return effects.flatMap((effect) =>
    effect.type === "report" && effect.report.type === "settings_changed" ? [effect.report] : [],
  );
}

/** What the next handshake says of who may visit. */
function saidNext(agent: Harness): string | undefined {
  return headerValue(only(agent.advanceToDeadline(), "socket_connect").headers, "culvert-access");
}

describe("settings that were read again", () => {
  it("send the next request to another service", () => {
    const agent = new Harness();
    agent.connect();
    const origins = [
      { prefix: "/a", authority: "a.test" },
      { prefix: "/", authority: "other.test" },
    ];
    expect(reported(change(agent, { origins }))).toEqual([
      { type: "settings_changed", changed: ["origins"], waiting: [] },
    ]);
    const request = only(agent.frame(1, { path: "x" }), "origin_request");
    expect(request.origin).toBe(1);
    expect(headerValue(request.headers, "host")).toBe("other.test");
  });

  it("are in the next handshake, for which a native tunnel is left, and what runs goes on", () => {
    const server = new NativeServer({ access: "public" });
    const { agent } = server;
    server.connect();
    const { stream, exchange } = server.begin();
    const effects = change(agent, { access: "token" });
    expect(reported(effects)).toEqual([{ type: "settings_changed", changed: ["access"], waiting: [] }]);
    expect(all(effects, "socket_terminate")).toHaveLength(1);
    expect(all(effects, "origin_abort")).toEqual([]);
    detachSession(server.session);
    expect(saidNext(agent)).toBeUndefined();
    server.connect(true);
    agent.head(exchange, ["content-length", "0"], 204);
    agent.end(exchange);
    server.settle();
    expect(server.answerOf(stream).head?.status).toBe(204);
  });

  it("leave a native tunnel alone where who may visit is as before", () => {
    const server = new NativeServer({ access: "public" });
    server.connect();
    expect(all(change(server.agent, { headers: ["X-A", "b"] }), "socket_terminate")).toEqual([]);
  });

  it("do not break off what runs over MoosicBox's protocol, and are in its next handshake", () => {
    const agent = new Harness();
    agent.connect();
    agent.request(1);
    const effects = change(agent, { access: "public" });
    expect(reported(effects)).toEqual([{ type: "settings_changed", changed: [], waiting: ["access"] }]);
    expect(all(effects, "socket_terminate")).toEqual([]);
    agent.lose();
    expect(saidNext(agent)).toBe("public");
  });

  it("begin a handshake anew that says who might visit before", () => {
    const agent = new Harness();
    agent.step({ type: "tick" });
    const { socket } = agent;
    const effects = change(agent, { access: "public" });
    expect(only(effects, "socket_terminate").socket).toBe(socket);
    expect(saidNext(agent)).toBe("public");
  });

  it("show no signature any more, which cannot say who may visit", () => {
    const agent = new Harness();
    agent.step({ type: "tick" });
    agent.step({ type: "socket_refused", socket: agent.socket, status: 401, body: "" });
    agent.advanceToDeadline();
    expect(agent.phase).toBe("signing");
    change(agent, { access: "public" });
    expect(saidNext(agent)).toBe("public");
  });

  it("wait for a restart where a session is built upon them", () => {
    const agent = new Harness();
    agent.connect();
    const { limits } = agent.state.config;
    const next = { ...limits, windowBytes: limits.windowBytes + 1, retryMs: 7 };
    expect(reported(change(agent, { protocol: "native", limits: next }))).toEqual([
      { type: "settings_changed", changed: ["limits.retryMs"], waiting: ["protocol", "limits.windowBytes"] },
    ]);
    expect(agent.state.config.limits).toEqual({ ...limits, retryMs: 7 });
  });
});
