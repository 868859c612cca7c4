/** An agent whose server leaves: it has another link at once, and the older one until its end. */
import { describe, expect, it } from "vitest";
import { agentLimits } from "../../../../core/limits.ts";
import { sendDrain } from "../../../../core/session/send.ts";
import { all, only } from "../harness.ts";
import { NativeServer } from "../native/harness.ts";

function connected(): NativeServer {
  const server = new NativeServer();
  server.connect();
  return server;
}

function leave(server: NativeServer): void {
  sendDrain(server.session);
  server.settle();
}

/** The server leaves, and another one takes the agent. */
function moved(): { readonly older: NativeServer; readonly newer: NativeServer } {
  const older = connected();
  leave(older);
  const newer = new NativeServer({}, older.agent);
  newer.connect();
  older.settle();
  return { older, newer };
}

describe("an agent whose server leaves", () => {
  it("dials at once, but not together with all the others of that server", () => {
    const older = connected();
    leave(older);
    expect(older.agent.phase).toBe("waiting");
    const begunMs = older.agent.nowMs;
    older.agent.advanceToDeadline();
    expect(older.agent.phase).toBe("connecting");
    expect(older.agent.nowMs - begunMs).toBeLessThanOrEqual(100);
    expect(older.agent.sockets.size).toBe(2);
  });

  it("PB48 asks the next server for a session of its own, and keeps what it is given apart", () => {
    const { older, newer } = moved();
    expect(newer.hello?.ticket).toBeNull();
    newer.cut();
    newer.greet();
    expect(newer.hello?.ticket).toBe(newer.ticket(newer.tickets));
    newer.welcome(true);
    expect(older.agent.state.olderLinks).toHaveLength(1);
  });

  it("takes new requests over either link, and answers each where it was asked", () => {
    const older = connected();
    const early = older.begin();
    leave(older);
    const between = older.begin();
    const newer = new NativeServer({}, older.agent);
    newer.connect();
    const late = newer.begin();
    const last = older.begin();
    for (const [server, { stream, exchange }] of [
      [newer, late],
      [older, last],
      [older, between],
      [older, early],
    ] as const) {
      server.agent.head(exchange);
      server.agent.body(exchange, new Uint8Array(Buffer.from("ok")));
      server.agent.end(exchange);
      server.advance(10);
      expect(server.textOf(stream)).toBe("ok");
    }
    for (let rounds = 0; rounds < 4; rounds++) {
      older.advance(2 * agentLimits.ackDelayMs);
      newer.settle();
    }
    newer.expectIdle();
    const [link] = older.agent.state.olderLinks;
    expect([link?.session.wire.streams.size, older.session.streams.size]).toEqual([0, 0]);
  });

  it("tells it as soon as there is another link, and once", () => {
    const older = connected();
    leave(older);
    expect(older.moves).toBe(0);
    const newer = new NativeServer({}, older.agent);
    newer.connect();
    older.settle();
    expect(older.moves).toBe(1);
    newer.cut(1006);
    newer.connect(true);
    older.settle();
    expect(older.moves).toBe(1);
  });

  it("loses with an older link what ran there, and nothing else", () => {
    const older = connected();
    const early = older.begin();
    leave(older);
    const newer = new NativeServer({}, older.agent);
    newer.connect();
    newer.begin();
    expect(only(older.cut(1001), "origin_abort").exchange).toBe(early.exchange);
    expect(older.agent.state.olderLinks).toEqual([]);
    expect(older.agent.state.exchanges.size).toBe(1);
  });

  it("tries again and again in short, growing waits while no other server takes it", () => {
    const older = connected();
    leave(older);
    const waits: number[] = [];
    for (let tries = 0; tries < 10; tries++) {
      const sinceMs = older.agent.nowMs;
      older.agent.advanceToDeadline();
      waits.push(older.agent.nowMs - sinceMs);
      const body = '{"title":"?","code":"draining"}';
      older.agent.step({ type: "socket_refused", socket: older.agent.socket, status: 503, body });
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(500);
    expect(waits.slice(0, 4).every((ms) => ms <= 350)).toBe(true);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(250);
  });

  it("looks for the successor of a server that has ended, however long it has looked in vain", () => {
    const older = connected();
    leave(older);
    const { agent } = older;
    const socket = agent.state.olderLinks[0]?.socket ?? expect.fail("there is no older link");
    const untilMs = agent.nowMs + 20_000;
    while (agent.nowMs < untilMs) {
      while (agent.phase === "waiting") {
        agent.advanceToDeadline();
        agent.step({ type: "socket_heard", socket });
      }
      agent.step({ type: "socket_failed", socket: agent.socket, fault: { kind: "refused", detail: "" } });
    }
    const endedMs = agent.nowMs;
    expect(agent.state.links[0].lifeTimer.atMs - endedMs).toBeGreaterThan(1_000);
    older.cut(1001);
    agent.advanceToDeadline();
    expect(agent.phase).toBe("connecting");
    expect(agent.nowMs - endedMs).toBeLessThanOrEqual(1_000);
  });

  it("finds out that an older link is dead although the socket says nothing", () => {
    const { older, newer } = moved();
    for (let ms = 0; ms < agentLimits.silenceMs + 1_000; ms += 1_000) {
      newer.agent.step({ type: "socket_heard", socket: newer.agent.socket });
      newer.agent.advance(1_000);
    }
    expect(all(older.agent.effects, "socket_terminate")).toHaveLength(1);
    expect(newer.agent.state.olderLinks).toEqual([]);
    expect(newer.agent.phase).toBe("connected");
  });

  it("finishes what runs on all links when it is asked to stop itself, and closes them", () => {
    const { older, newer } = moved();
    const early = older.begin();
    const late = newer.begin();
    const { agent } = older;
    agent.step({ type: "drain_requested" });
    older.settle();
    newer.settle();
    expect([older.drains, newer.drains]).toEqual([1, 1]);
    for (const { exchange } of [late, early]) {
      expect(agent.phase).toBe("draining");
      agent.head(exchange);
      agent.end(exchange);
      older.advance(2 * agentLimits.ackDelayMs);
      newer.settle();
    }
    older.advance(2 * agentLimits.ackDelayMs);
    newer.settle();
    expect(agent.phase).toBe("closing");
    expect(agent.state.olderLinks).toEqual([]);
  });

  it("goes back to the older link when it is asked to stop on its way to another one", () => {
    const older = connected();
    const { exchange, stream } = older.begin();
    leave(older);
    older.agent.step({ type: "drain_requested" });
    expect(older.agent.phase).toBe("draining");
    older.agent.head(exchange);
    older.agent.end(exchange);
    older.expectIdle();
    expect(older.answerOf(stream).ended).toBe(true);
    expect(older.agent.phase).toBe("closing");
  });

  it("keeps no more older links than it may", () => {
    const servers = [connected()];
    for (let count = 0; count < 4; count++) {
      const last = servers.at(-1) ?? expect.fail("there is no server");
      leave(last);
      const next = new NativeServer({}, last.agent);
      next.connect();
      servers.push(next);
    }
    const [first] = servers;
    expect(first?.agent.state.olderLinks).toHaveLength(3);
    expect(only(first?.agent.effects ?? [], "socket_close").reason).toContain("newer");
  });
});
