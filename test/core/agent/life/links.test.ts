/** An agent whose server is several nodes: it has links to as many of them as it was told to, each with a session of its own. */
import { describe, expect, it } from "vitest";
import { headerValue } from "../../../../core/http/headers.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { sendDrain } from "../../../../core/session/send.ts";
import { encodeNodes } from "../../../../core/wire/native.ts";
import { all, Harness, only } from "../harness.ts";
import { NativeServer } from "../native/harness.ts";

/** The node that an agent with so many links comes to first. */
function firstNode(links = 2): NativeServer {
  const node = new NativeServer({}, new Harness({ protocol: "auto", links }));
  node.node = "one";
  node.connect();
  return node;
}

function anotherNode(name: string, { agent }: NativeServer): NativeServer {
  const node = new NativeServer({}, agent);
  node.node = name;
  return node;
}

function tell(node: NativeServer, names: readonly string[]): void {
  node.send(encodeNodes(names));
}

/** An agent with a link to each of two nodes. */
function linked(): { readonly one: NativeServer; readonly two: NativeServer; readonly agent: Harness } {
  const one = firstNode();
  tell(one, ["two"]);
  const two = anotherNode("two", one);
  two.connect();
  return { one, two, agent: one.agent };
}

/** The dial that is under way leads to a node that the agent has a link to. */
function meet(agent: Harness): void {
  const socket = agent.dialled ?? expect.fail("nothing is dialled");
  agent.step({ type: "socket_refused", socket, status: 409, body: '{"title":"?","code":"already_linked"}' });
}

/** Lets time pass while every server answers pings, up to the next dial; null where none comes. */
function timeToDial(agent: Harness, withinMs: number): number | null {
  const begunMs = agent.nowMs;
  while (agent.dialled === null && agent.nowMs - begunMs < withinMs) {
    agent.advance(100);
    for (const socket of agent.sockets) agent.step({ type: "socket_heard", socket });
  }
  return agent.dialled === null ? null : agent.nowMs - begunMs;
}

/** Over which of the two an answer comes. */
function expectServed(node: NativeServer): void {
  const { stream, exchange } = node.begin();
  node.agent.head(exchange);
  node.agent.body(exchange, new Uint8Array(Buffer.from("ok")));
  node.agent.end(exchange);
  node.advance(10);
  expect(node.textOf(stream)).toBe("ok");
}

function nodesOf(agent: Harness): readonly (string | null)[] {
  return agent.state.links.filter(({ life }) => life.phase === "connected").map(({ node }) => node);
}

describe("an agent whose server is several nodes", () => {
  it("has one link, and dials no further, where the server tells of no other node", () => {
    const one = firstNode();
    expect(timeToDial(one.agent, 120_000)).toBeNull();
    tell(one, []);
    expect(timeToDial(one.agent, 120_000)).toBeNull();
    expect(one.agent.state.links).toHaveLength(1);
  });

  it("has one link where it was told to, and asks to be told of no others", () => {
    const one = firstNode(1);
    expect(one.hello?.links).toBeUndefined();
    tell(one, ["two"]);
    expect(timeToDial(one.agent, 120_000)).toBeNull();
  });

  it("PB67 dials another one soon, says where it has been, and begins a session of its own there", () => {
    const one = firstNode();
    tell(one, ["two"]);
    expect(timeToDial(one.agent, 10_000)).toBeLessThanOrEqual(2_100);
    const dials = all(one.agent.effects, "socket_connect");
    expect(dials.map(({ headers }) => headerValue(headers, "culvert-linked"))).toEqual([undefined, "one"]);
    const two = anotherNode("two", one);
    two.connect();
    expect(two.hello).toMatchObject({ ticket: null, links: true });
    expect(nodesOf(one.agent)).toEqual(["one", "two"]);
  });

  it("has no more links than there are nodes, and no more than it was told to", () => {
    const one = firstNode(3);
    tell(one, ["two"]);
    anotherNode("two", one).connect();
    expect(timeToDial(one.agent, 120_000)).toBeNull();
    tell(one, ["four", "three", "two"]);
    anotherNode("three", one).connect();
    expect(timeToDial(one.agent, 120_000)).toBeNull();
    expect(nodesOf(one.agent)).toEqual(["one", "two", "three"]);
  });

  it("serves whoever comes over either link", () => {
    const { one, two } = linked();
    expectServed(one);
    expectServed(two);
    expectServed(one);
  });

  it("PB68 keeps the link that it has when a dial leads to the same node, and looks elsewhere a few times", () => {
    const one = firstNode();
    tell(one, ["two"]);
    const running = one.begin();
    const waits: (number | null)[] = [];
    for (let meetings = 0; meetings < 5; meetings++) {
      waits.push(timeToDial(one.agent, 10_000));
      meet(one.agent);
    }
    expect(Math.max(...waits.slice(1).map((ms) => ms ?? Infinity))).toBeLessThanOrEqual(500);
    expect(timeToDial(one.agent, 29_000)).toBeNull();
    expect(timeToDial(one.agent, 32_000)).not.toBeNull();
    expect(one.agent.phase).toBe("connected");
    expect(one.agent.state.exchanges.has(running.exchange)).toBe(true);
    expectServed(one);
  });

  it("is woken by a node that it has not heard of before", () => {
    const one = firstNode();
    tell(one, ["two"]);
    for (let meetings = 0; meetings < 5; meetings++) {
      timeToDial(one.agent, 10_000);
      meet(one.agent);
    }
    tell(one, ["two"]);
    expect(timeToDial(one.agent, 10_000)).toBeNull();
    tell(one, ["three", "two"]);
    expect(timeToDial(one.agent, 10_000)).toBeLessThanOrEqual(2_100);
  });

  it("goes on with what runs on the other link when one is lost, whichever it is, and replaces it", () => {
    for (const isFirst of [true, false]) {
      const { one, two, agent } = linked();
      const [lost, kept] = isFirst ? [one, two] : [two, one];
      const running = kept.begin();
      lost.cut();
      expect(agent.phase).toBe("connected");
      expect(agent.state.exchanges.has(running.exchange)).toBe(true);
      expectServed(kept);
      lost.greet();
      expect(lost.hello?.ticket).toBe(lost.ticket(lost.tickets));
      lost.welcome(true);
      expect(nodesOf(agent).toSorted()).toEqual(["one", "two"]);
      expectServed(lost);
    }
  });

  it("PB67 shows each node the ticket of its own link when both were lost", () => {
    const { one, two, agent } = linked();
    const uploads = [one.begin(), two.begin()];
    one.cut();
    two.cut();
    const first = agent.state.links[0].node === "one" ? one : two;
    const second = first === one ? two : one;
    first.tickets = 70;
    second.tickets = 80;
    const [firstLink, secondLink] = agent.state.links;
    const tickets = [firstLink.session?.ticket, secondLink?.session?.ticket];
    first.greet();
    expect(first.hello?.ticket).toBe(tickets[0]);
    first.welcome(true);
    second.greet();
    expect(second.hello?.ticket).toBe(tickets[1]);
    second.welcome(true);
    for (const { exchange } of uploads) expect(agent.state.exchanges.has(exchange)).toBe(true);
  });

  it("dials for one link at a time, and first for one that leads", () => {
    const { one, two, agent } = linked();
    one.cut();
    two.cut();
    for (let ms = 0; ms < 5_000; ms += 50) {
      agent.advance(50);
      const dials = agent.state.links.filter(({ life }) => life.phase === "connecting");
      expect(dials.length).toBeLessThanOrEqual(1);
      expect(dials.every((link) => link === agent.state.links[0])).toBe(true);
    }
  });

  it("moves the link whose server leaves and no other, and tells that server at once that it is served elsewhere", () => {
    const { one, two, agent } = linked();
    const early = one.begin();
    sendDrain(one.session);
    one.settle();
    one.settle();
    expect(one.moves).toBe(1);
    expect(nodesOf(agent)).toEqual(["two"]);
    expectServed(two);
    const three = anotherNode("three", one);
    three.connect();
    expect(three.hello?.ticket).toBeNull();
    expect(nodesOf(agent)).toEqual(["two", "three"]);
    expect(agent.state.exchanges.has(early.exchange)).toBe(true);
  });

  it("leaves all nodes when a newer agent has the home at one of them", () => {
    const { one, two, agent } = linked();
    two.begin();
    one.cut(4001);
    expect(only(agent.effects, "socket_close")).toMatchObject({ code: 1000 });
    expect(agent.state.exchanges.size).toBe(0);
    expect(agent.state.links).toHaveLength(1);
    expect(timeToDial(agent, agentLimits.retrySupersededMs / 2 - 200)).toBeNull();
  });

  it("does not take a tunnel of its own for another agent's, where two of its dials led to one node", () => {
    const { one, two, agent } = linked();
    one.cut();
    one.greet();
    // The node closes the older tunnel before it welcomes the newer one.
    two.cut(4001);
    one.node = "two";
    one.welcome(false);
    expect(nodesOf(agent)).toEqual(["two"]);
    expectServed(one);
    expect(timeToDial(agent, 10_000)).not.toBeNull();
  });

  it("keeps the newer of two tunnels to one node, for that is what the node does", () => {
    const { one, two, agent } = linked();
    const lost = two.begin();
    one.cut();
    one.greet();
    one.node = "two";
    one.welcome(false);
    expect(only(agent.effects, "socket_close").socket).not.toBe(agent.socket);
    expect(agent.state.exchanges.has(lost.exchange)).toBe(false);
    expect(nodesOf(agent)).toEqual(["two"]);
    expectServed(one);
  });

  it("finishes what runs on all links when it is asked to stop, and closes them", () => {
    const { one, two, agent } = linked();
    const running = [one.begin(), two.begin()];
    agent.step({ type: "drain_requested" });
    one.settle();
    two.settle();
    expect([one.drains, two.drains]).toEqual([1, 1]);
    for (const { exchange } of running) {
      expect(agent.phase).toBe("draining");
      agent.head(exchange);
      agent.end(exchange);
      for (let rounds = 0; rounds < 2; rounds++) {
        one.advance(2 * agentLimits.ackDelayMs);
        two.settle();
      }
    }
    expect(agent.phase).toBe("closing");
    expect(all(agent.effects, "socket_close")).toHaveLength(2);
  });

  it("stops at once while it looks for another node, when nothing runs", () => {
    const one = firstNode();
    tell(one, ["two"]);
    timeToDial(one.agent, 10_000);
    one.agent.step({ type: "drain_requested" });
    one.settle();
    expect(one.agent.phase).toBe("closing");
    expect(all(one.agent.effects, "socket_terminate")).toHaveLength(1);
  });

  it("goes on with the one link when another node refuses its token, or speaks another protocol", () => {
    const one = firstNode();
    tell(one, ["two"]);
    timeToDial(one.agent, 10_000);
    const refused = one.agent.dialled ?? expect.fail("nothing is dialled");
    one.agent.step({ type: "socket_refused", socket: refused, status: 401, body: '{"code":"unauthorized"}' });
    expect(timeToDial(one.agent, 29_000)).toBeNull();
    expect(timeToDial(one.agent, 32_000)).not.toBeNull();
    const other = one.agent.dialled ?? expect.fail("nothing is dialled");
    one.agent.step({ type: "socket_opened", socket: other, protocol: null });
    expect(only(one.agent.effects, "socket_close")).toMatchObject({ socket: other, code: 1002 });
    expect(one.agent.state.clientToken).toBe("client-token");
    expectServed(one);
  });

  it("makes each link anew, one after the other, when who may visit has changed", () => {
    const { agent } = linked();
    const { protocol, origins, hostHeader, headers, exitOnError, docsUrl, limits } = agent.state.config;
    const settings = {
      protocol,
      origins,
      hostHeader,
      headers,
      exitOnError,
      docsUrl,
      limits,
      access: "public",
    };
    agent.step({ type: "settings_changed", settings });
    expect(all(agent.effects, "socket_terminate")).toHaveLength(2);
    expect(timeToDial(agent, 1_000)).not.toBeNull();
    const dial = all(agent.effects, "socket_connect").at(-1);
    expect(headerValue(dial?.headers ?? [], "culvert-access")).toBe("public");
  });

  it("ends the session of a node that sends it no list of nodes", () => {
    const one = firstNode();
    const bytes = encodeNodes([]);
    one.send(new Uint8Array([...bytes.subarray(0, 12), ...Buffer.from('{"nodes":7}')]));
    expect(only(one.agent.effects, "socket_close")).toMatchObject({ code: 1002 });
  });
});
