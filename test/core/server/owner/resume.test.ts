/** What becomes of exchanges whose native tunnel is lost: they go on, or end once. */
import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { NativeAgent, type NativeRequest, requestBody } from "../../../helpers/native-agent.ts";
import { bytesOf } from "../../../helpers/pair.ts";
import { TestServer } from "../../../helpers/test-server.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

function connected(limits = {}) {
  const server = new TestServer(limits);
  return { server, agent: new NativeAgent(server).connect() };
}

const HALF = bytesOf(100_000);

/** How far an exchange is when its tunnel is lost. */
const PHASES: Readonly<Record<string, (visit: Visit, agent: NativeAgent) => void>> = {
  "whose head is on its way": () => undefined,
  "in the middle of its upload": (visit) => visit.sendBody(HALF),
  "whose upload is through": (visit) => {
    visit.sendBody(HALF);
    visit.endBody();
  },
  "whose answer has begun": (visit, agent) => {
    visit.sendBody(HALF);
    visit.endBody();
    agent.head(200, ["x-a", "1"]);
  },
  "in the middle of its answer": (visit, agent) => {
    visit.sendBody(HALF);
    visit.endBody();
    agent.head(200, ["x-a", "1"]);
    agent.body(HALF);
  },
  "that answers before its upload is through": (visit, agent) => {
    visit.sendBody(HALF);
    agent.head(200, ["x-a", "1"]);
    agent.body(HALF);
  },
};

/** Does of the exchange what is left to do, and looks at both ends. */
function finish(server: TestServer, agent: NativeAgent, visit: Visit, request: NativeRequest): void {
  if (!server.state.exchanges.get(visit.id)?.requestRead) {
    const rest = HALF.length - (server.state.exchanges.get(visit.id)?.requestBytes ?? 0);
    if (rest > 0) visit.sendBody(HALF.slice(-rest));
    visit.endBody();
  }
  if (!request.stream.send.headed) agent.head(200, ["x-a", "1"], request);
  if (request.stream.send.sentBytes + request.stream.send.queuedBytes === 0) agent.body(HALF, request);
  agent.body("end", request);
  agent.end(["x-sum", "1"], request);
  expect(Buffer.compare(requestBody(request), HALF)).toBe(0);
  expect(request.isWhole).toBe(true);
  expect(visit).toMatchObject({ status: 200, end: "clean", trailers: ["x-sum", "1"] });
  expect(Buffer.compare(visit.body, Buffer.concat([HALF, Buffer.from("end")]))).toBe(0);
}

describe.each(Object.entries(PHASES))("an exchange %s", (_, begin) => {
  it.each(["nothing", "what goes to the agent", "what comes from the agent", "both ways"])(
    "T01 T02 goes on byte by byte after its tunnel was lost twice, and %s with it",
    (lost) => {
      const { server, agent } = connected();
      agent.deaf = lost === "what goes to the agent" || lost === "both ways";
      agent.mute = lost === "what comes from the agent" || lost === "both ways";
      const visit = server.visit({ method: "POST", streams: true });
      // A deaf agent has no request to answer.
      const steps = agent.deaf ? PHASES["in the middle of its upload"] : begin;
      steps?.(visit, agent);
      for (let time = 0; time < 2; time++) {
        agent.lose();
        server.advance(1_000);
        expect(visit.end).toBe("none");
        agent.connect();
        expect(agent.welcome).toMatchObject({ resumed: true });
      }
      expect(agent.requests).toHaveLength(1);
      finish(server, agent, visit, agent.request);
      expect(server.state.counters.resumptions).toBe(2);
      expect(server.outcomes("completed")).toBe(1);
      server.advance(1_000);
      expect(agent.heldBytes).toBe(0);
      server.expectEmpty();
    },
  );

  it("T03 ends once with its code when the agent is not back in time", () => {
    // Sooner than the visitor would be given up who sends nothing.
    const { server, agent } = connected({ graceMs: 20_000 });
    const visit = server.visit({ method: "POST", streams: true });
    begin(visit, agent);
    const hadHead = visit.status === 200;
    agent.lose();
    server.advance(server.state.config.limits.graceMs - 1);
    expect(visit.end).toBe("none");
    server.advance(1);
    if (hadHead) expect(visit.end).toBe("cut");
    else expect(visit).toMatchObject({ status: 502, code: "agent_lost" });
    expect(server.outcomes("agent_lost")).toBe(1);
    expect(server.reports).toContainEqual({ type: "session_lost", clientId: "home", exchanges: 1 });
    expect(server.state.heldBytes).toBe(0);
    agent.connect();
    expect(agent.welcome?.resumed).toBe(false);
    server.expectEmpty();
  });

  it.each([1000, 1001, 1002])("ends at once when the agent leaves with %i", (code) => {
    const { server, agent } = connected();
    const visit = server.visit({ method: "POST", streams: true });
    begin(visit, agent);
    agent.lose(code);
    expect(server.outcomes("agent_lost")).toBe(1);
    expect(visit.isClosed).toBe(true);
    server.expectEmpty();
  });

  it("ends at once when its agent breaks the protocol, and no other's does", () => {
    const { server, agent } = connected();
    const other = new NativeAgent(server, { clientId: "other" }).connect();
    const neighbour = server.visit({ clientId: "other" });
    const visit = server.visit({ method: "POST", streams: true });
    begin(visit, agent);
    agent.socket?.sendBytes(new Uint8Array([99, ...new Uint8Array(11)]));
    expect(agent.socket?.closed).toEqual({ code: 1002, reason: "agent_protocol" });
    expect(server.outcomes("agent_lost")).toBe(1);
    other.answer(200, [], "ok");
    expect(neighbour.text).toBe("ok");
    server.expectEmpty();
  });

  it("T16 ends at once when another agent comes that has no ticket", () => {
    const { server, agent } = connected();
    const visit = server.visit({ method: "POST", streams: true });
    begin(visit, agent);
    const other = new NativeAgent(server).connect();
    expect(agent.socket?.closed).toEqual({ code: 4001, reason: "superseded" });
    expect(server.outcomes("agent_lost")).toBe(1);
    expect(visit.isClosed).toBe(true);
    const next = server.visit();
    other.answer(200, [], "ok");
    expect(next.text).toBe("ok");
    server.expectEmpty();
  });

  it("ends at once when an agent of MoosicBox's protocol takes over", () => {
    const { server, agent } = connected();
    const visit = server.visit({ method: "POST", streams: true });
    begin(visit, agent);
    agent.lose();
    server.tunnel();
    expect(server.outcomes("agent_lost")).toBe(1);
    expect(visit.isClosed).toBe(true);
    server.expectEmpty();
  });

  it("T24 is forgotten on both sides when the visitor leaves while the agent is away", () => {
    const { server, agent } = connected();
    const visit = server.visit({ method: "POST", streams: true });
    begin(visit, agent);
    agent.lose();
    visit.leave();
    agent.connect();
    expect(agent.welcome?.resumed).toBe(true);
    expect(agent.request.resetCode).toBe("visitor_left");
    // The last word is an acknowledgement, and may wait for company.
    server.advance(1_000);
    agent.run();
    expect(agent.session?.streams.size).toBe(0);
    expect(server.state.sessions.get("home")?.link.streams.size).toBe(0);
    server.expectEmpty();
  });
});

describe("a ticket", () => {
  it("is good for one resumption, and again only until the agent shows that it has the next", () => {
    const { server, agent } = connected();
    const visit = server.visit();
    const [first, session] = [agent.ticket, agent.session];
    agent.lose();
    // The welcome is lost on the way.
    agent.open();
    agent.deaf = true;
    agent.hello(first);
    agent.lose();
    agent.session = session;
    agent.connect(first);
    expect(agent.welcome?.resumed).toBe(true);
    agent.head(200);
    agent.body("a");
    agent.lose();
    agent.connect(first);
    expect(agent.welcome?.resumed).toBe(false);
    expect(visit.end).toBe("cut");
    server.expectEmpty();
  });

  it("opens no session but its client id's", () => {
    const { server, agent } = connected();
    const visit = server.visit();
    const stranger = new NativeAgent(server, { clientId: "stranger" }).connect(agent.ticket);
    expect(stranger.welcome?.resumed).toBe(false);
    agent.answer(200, [], "ok");
    expect(visit.text).toBe("ok");
    server.expectEmpty();
  });

  it("moves a session whose tunnel still looks alive, and the old tunnel is told", () => {
    const { server, agent } = connected();
    const visit = server.visit();
    agent.head(200);
    agent.body("one ");
    const old = agent.socket ?? expect.fail();
    old.reacts = false;
    agent.connect();
    expect(agent.welcome?.resumed).toBe(true);
    expect(old.closed).toEqual({ code: 4001, reason: "superseded" });
    old.sendBytes(new Uint8Array([99, ...new Uint8Array(11)]));
    agent.body("two");
    agent.end();
    expect(visit).toMatchObject({ text: "one two", end: "clean" });
    server.expectEmpty();
  });

  it("is kept as a hash alone", () => {
    const { server, agent } = connected();
    const { ticketHash } = server.state.sessions.get("home") ?? expect.fail();
    expect(ticketHash).toBe(server.state.config.sha256(agent.ticket ?? ""));
    expect(
      JSON.stringify([...server.state.sockets.values()].map((each) => ({ ...each, native: null }))),
    ).not.toContain(agent.ticket);
    for (const socket of server.state.sockets.values()) {
      if (socket.kind === "tunnel") expect(socket.native?.ticket).toBe(null);
    }
    server.expectEmpty();
  });
});

describe("T05 T08 T09 a frame that breaks the rules", () => {
  const header = (kind: number, exchange: number, number: number, flags = 0) => {
    const bytes = new Uint8Array(12);
    bytes.set([kind, flags]);
    new DataView(bytes.buffer).setUint32(4, exchange);
    new DataView(bytes.buffer).setUint32(8, number);
    return bytes;
  };

  it("ends the session: a gap in the numbers", () => {
    const { server, agent } = connected();
    const visit = server.visit();
    agent.socket?.sendBytes(new Uint8Array([...header(1, visit.id, 5), 1]));
    expect(agent.socket?.closed?.code).toBe(1002);
    expect(visit).toMatchObject({ status: 502, code: "agent_lost" });
    server.expectEmpty();
  });

  it("ends the session: more body than there is credit for", () => {
    const { server, agent } = connected();
    const visit = server.visit({ takes: false });
    agent.head(200);
    agent.deaf = true;
    for (let number = 1; agent.socket?.isOpen && number < 100; number++) {
      const bytes = new Uint8Array(12 + 65_536);
      bytes.set(header(1, visit.id, number));
      agent.socket.sendBytes(bytes);
    }
    expect(agent.socket?.closed?.code).toBe(1002);
    expect(visit.end).toBe("cut");
    expect(visit.parts.reduce((sum, part) => sum + part.length, 0)).toBeLessThanOrEqual(
      serverLimits.windowBytes,
    );
    server.expectEmpty();
  });

  it("reaches nobody: a piece or reset of another client id's exchange", () => {
    const { server, agent } = connected();
    const visit = server.visit();
    const other = new NativeAgent(server, { clientId: "other" }).connect();
    other.socket?.sendBytes(new Uint8Array([...header(2, visit.id, 0), 0x61]));
    other.socket?.sendBytes(new Uint8Array([...header(1, visit.id, 0, 4), 1]));
    expect(visit.status).toBe(0);
    agent.answer(200, [], "ok");
    expect(visit.text).toBe("ok");
    server.expectEmpty();
  });
});

describe("a drain", () => {
  it("of the agent sends new requests to its successor, and lets the others run", () => {
    const { server, agent } = connected();
    const running = server.visit();
    agent.drain();
    const next = server.visit();
    expect(agent.requests).toHaveLength(1);
    agent.answer(200, [], "old");
    expect(running.text).toBe("old");
    const successor = new NativeAgent(server).connect();
    successor.answer(200, [], "new");
    expect(next.text).toBe("new");
    server.expectEmpty();
  });

  it("T25 of the server tells the agent, lets exchanges run, and ends sessions whose agent is away", () => {
    const { server, agent } = connected();
    const away = new NativeAgent(server, { clientId: "away" }).connect();
    const stranded = server.visit({ clientId: "away" });
    away.lose();
    const waiting = server.visit({ clientId: "away" });
    const running = server.visit();
    server.drain();
    expect(agent.isDrained).toBe(true);
    expect(stranded).toMatchObject({ status: 502, code: "agent_lost" });
    expect(waiting).toMatchObject({ status: 424, code: "agent_not_connected" });
    agent.answer(200, [], "ok");
    expect(running).toMatchObject({ text: "ok", end: "clean" });
    expect(agent.socket?.closed).toBeNull();
    agent.move();
    server.advance(100);
    expect(agent.socket?.closed).toEqual({ code: 1001, reason: "draining" });
    expect(server.state.sessions.size).toBe(0);
    server.expectEmpty();
  });
});
