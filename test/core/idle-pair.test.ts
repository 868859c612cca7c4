/** The one idle rule at its real defaults: the real server and the real agent, in virtual time. */
import { describe, expect, it } from "vitest";
import { webSocketAccept } from "../../core/http/websocket-accept.ts";
import { agentLimits, type ServerLimits, serverLimits } from "../../core/limits.ts";
import { bytesOf, expectBody, Pair } from "../helpers/pair.ts";
import { TestServer } from "../helpers/test-server.ts";
import type { Visit } from "../helpers/test-visit.ts";

const { exchangeIdleMs } = serverLimits;
const DAY_MS = 24 * 3600 * 1_000;
const PROTOCOLS = ["native", "moosicbox"] as const;

function pairOf(protocol: "native" | "moosicbox", limits: Partial<ServerLimits> = {}): Pair {
  const pair = new Pair(new TestServer(limits), { protocol });
  expect(pair.agent.isConnected).toBe(true);
  return pair;
}

function detailOf(visit: Visit): string {
  return JSON.parse(visit.text).detail;
}

describe("five minutes", () => {
  it("are the default of both ends", () => {
    expect([exchangeIdleMs, agentLimits.originIdleMs]).toEqual([300_000, 300_000]);
  });

  it.each(PROTOCOLS)("pass before an answer begins, and not a moment more: %s", (protocol) => {
    const pair = pairOf(protocol);
    pair.agent.origin.holds = true;
    const patient = pair.server.visit();
    pair.advance(exchangeIdleMs - 1);
    pair.agent.origin.holds = false;
    pair.run();
    expectBody(patient, new Uint8Array());
    pair.agent.origin.holds = true;
    const silent = pair.server.visit();
    pair.run();
    pair.advance(exchangeIdleMs + 100);
    expect(silent).toMatchObject({ status: 504, code: "origin_timeout" });
    const limit = protocol === "native" ? "exchangeIdleMs=300000" : "originIdleMs=300000";
    expect(detailOf(silent)).toContain(limit);
    pair.expectEmpty();
  });

  it.each(PROTOCOLS)("pass inside of an answer, and no more: %s", (protocol) => {
    const pair = pairOf(protocol);
    const body = bytesOf(400_000);
    pair.agent.origin.answer = () => ({ body, chunkBytes: 100_000 });
    const begin = () => {
      const visit = pair.server.visit();
      while (visit.body.length === 0) expect(pair.agent.move(), "nothing of the body comes").toBe(true);
      pair.agent.origin.holds = true;
      pair.run();
      return visit;
    };
    const slow = begin();
    // Some milliseconds are gone since the last bytes.
    pair.advance(exchangeIdleMs - 100);
    pair.agent.origin.holds = false;
    pair.run();
    expectBody(slow, body);
    const silent = begin();
    pair.advance(exchangeIdleMs + 100);
    expect(silent).toMatchObject({ status: 200, end: "cut" });
    pair.expectEmpty();
  });

  it.each(PROTOCOLS)("pass inside of an upload, and not a moment more: %s", (protocol) => {
    const pair = pairOf(protocol);
    pair.agent.origin.answer = () => ({ waits: true });
    const slow = pair.server.visit({ method: "POST", streams: true });
    for (const part of ["[1", ",2", ",3"]) {
      slow.sendBody(part);
      pair.advance(exchangeIdleMs - 1);
    }
    slow.sendBody("]");
    slow.endBody();
    pair.run();
    expectBody(slow, new Uint8Array());
    const [run] = pair.agent.origin.runs;
    const whole = protocol === "native" ? run?.received : [run?.request.body as Uint8Array];
    expect(Buffer.concat(whole ?? []).toString()).toBe("[1,2,3]");
    const silent = pair.server.visit({ method: "POST", streams: true });
    silent.sendBody("[1");
    pair.advance(exchangeIdleMs);
    expect(silent).toMatchObject({ status: 408, code: "request_timeout" });
    expect(detailOf(silent)).toContain("exchangeIdleMs=300000");
    pair.expectEmpty();
  });

  it("begin anew with each interim response", () => {
    const pair = pairOf("native");
    pair.agent.origin.holds = true;
    const visit = pair.server.visit();
    pair.run();
    const [exchange] = pair.agent.origin.running.keys();
    expect(exchange).toBeDefined();
    for (let count = 0; count < 3 && exchange !== undefined; count++) {
      pair.advance(exchangeIdleMs - 1);
      pair.agent.dispatch({ type: "origin_interim", exchange, status: 102, headers: [] });
    }
    pair.advance(exchangeIdleMs - 1);
    pair.agent.origin.holds = false;
    pair.run();
    expectBody(visit, new Uint8Array());
    expect(visit.interims).toHaveLength(3);
    pair.expectEmpty();
  });

  it("become more, or less, at both ends by the server's one setting", () => {
    for (const idleMs of [20_000, 3_600_000]) {
      const pair = pairOf("native", { exchangeIdleMs: idleMs });
      pair.agent.origin.holds = true;
      const patient = pair.server.visit();
      pair.advance(idleMs - 1);
      expect(patient.status).toBe(0);
      pair.advance(100);
      expect(patient).toMatchObject({ status: 504, code: "origin_timeout" });
      expect(detailOf(patient)).toContain(`exchangeIdleMs=${idleMs}`);
      pair.expectEmpty();
    }
  });

  it("are left to the server where the agent is stuck", () => {
    const server = new TestServer();
    server.tunnel();
    const visit = server.visit();
    server.idle(exchangeIdleMs + serverLimits.agentNoticeMs);
    expect(visit).toMatchObject({ status: 504, code: "response_timeout" });
    expect(detailOf(visit)).toContain("exchangeIdleMs=300000");
    server.expectEmpty();
  });
});

describe("a WebSocket", () => {
  it("may be silent for a day, and goes on", () => {
    const pair = pairOf("native");
    const handshake = ["Connection", "Upgrade", "Upgrade", "websocket"];
    const headers = [...handshake, "Sec-WebSocket-Accept", webSocketAccept("x")];
    pair.agent.origin.answer = () => ({ status: 101, headers, echoes: true });
    const visit = pair.server.visit({ upgrade: true, headers: [...handshake, "Sec-WebSocket-Key", "x"] });
    pair.run();
    expect(visit.status).toBe(101);
    const frame = new Uint8Array([0x81, 1, 0x61]);
    visit.sendBody(frame);
    pair.advance(DAY_MS);
    visit.sendBody(frame);
    pair.run();
    expect(visit.body).toEqual(new Uint8Array([...frame, ...frame]));
    visit.endBody();
    pair.run();
    expect(visit.end).toBe("clean");
    pair.expectEmpty();
  });
});
