import { describe, expect, it } from "vitest";
import { TestServer } from "../../../helpers/test-server.ts";
import type { TestSocket } from "../../../helpers/test-socket.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

function scene() {
  const server = new TestServer();
  const tunnel = server.tunnel();
  const visit = server.visit();
  const say = (packetId: number, body: string, last = false) =>
    tunnel.send({ requestId: visit.requestId, packetId, last, body });
  return { server, tunnel, visit, say };
}

function expectDelivered(visit: Visit, text: string): void {
  expect(visit).toMatchObject({ status: 200, text, end: "clean", isClosed: true });
}

describe("a packet that is nobody's", () => {
  const stray = (tunnel: TestSocket, requestId: number | bigint) =>
    tunnel.send({ requestId, packetId: 2, body: "x" });

  it("PB07 T08 changes nothing, is counted, and its agent is told to stop", () => {
    const { server, tunnel, visit, say } = scene();
    say(1, "a", true);
    const exchanges = server.state.exchanges.size;
    stray(tunnel, visit.requestId);
    stray(tunnel, 7);
    stray(tunnel, 2n ** 64n - 1n);
    stray(tunnel, 2n ** 53n + 1n);
    expect(tunnel.texts.slice(-4)).toEqual([
      `{"type":"ABORT","request_id":${visit.requestId}}`,
      '{"type":"ABORT","request_id":7}',
      '{"type":"ABORT","request_id":18446744073709551615}',
      '{"type":"ABORT","request_id":9007199254740993}',
    ]);
    expect(server.state.exchanges.size).toBe(exchanges);
    expect(server.state.counters.strayPackets).toBe(4);
    server.expectEmpty();
  });

  it("is answered at most once a second per id", () => {
    const { server, tunnel } = scene();
    for (let ms = 0; ms < 3_000; ms += 100) {
      stray(tunnel, 7);
      server.advance(100);
    }
    expect(tunnel.aborts).toEqual([7, 7, 7]);
  });

  it("is not answered at once when the exchange was aborted a moment ago", () => {
    const { tunnel, visit } = scene();
    visit.leave();
    stray(tunnel, visit.requestId);
    expect(tunnel.aborts).toEqual([visit.requestId]);
  });

  it("T10 is not answered for more than so many ids a second", () => {
    const server = new TestServer({ abortedIdsMax: 5 });
    const tunnel = server.tunnel();
    for (let id = 1; id <= 100; id++) stray(tunnel, id);
    expect(tunnel.aborts).toEqual([1, 2, 3, 4, 5]);
    server.advance(1_000);
    stray(tunnel, 100);
    expect(tunnel.aborts.at(-1)).toBe(100);
  });

  it("T08 never reaches the exchange of another tunnel, not even of the same client id", () => {
    const { server, tunnel, visit } = scene();
    const other = server.tunnel("other");
    other.send({ requestId: visit.requestId, packetId: 1, last: true, body: "stolen" });
    other.say(`{"type":"ABORT","request_id":${visit.requestId}}`);
    expect(visit.status).toBe(0);
    expect(other.aborts).toEqual([visit.requestId]);
    tunnel.send({ requestId: visit.requestId, packetId: 1, last: true, body: "own" });
    expectDelivered(visit, "own");
    const lost = server.visit();
    const successor = server.tunnel();
    successor.send({ requestId: lost.requestId, packetId: 2, last: true, body: "late" });
    expect(lost.code).toBe("agent_lost");
    expect(successor.aborts).toEqual([lost.requestId]);
    server.expectEmpty();
  });

  it.each<[string, Uint8Array | string]>([
    ["is empty", new Uint8Array(0)],
    ["is cut", new Uint8Array(12)],
    ["has the number 0", new Uint8Array(13)],
    ["is no JSON", "hello"],
    ["is no object", "[1]"],
    ["has no id", '{"body":1}'],
    ["has an id that is no number", '{"request_id":"1","body":1}'],
    ["is a text packet without an id", "TUNNEL_RESPONSE:x|1|1200{}"],
  ])("T06 T19 harms nobody when it %s", (_, message) => {
    const { server, tunnel, visit, say } = scene();
    if (typeof message === "string") tunnel.say(message);
    else tunnel.sendBytes(message);
    expect(server.state.counters.agentProtocolErrors).toBe(1);
    expect(server.reports.at(-1)?.type).toBe("agent_protocol_error");
    say(1, "fine", true);
    expectDelivered(visit, "fine");
    server.expectEmpty();
  });
});
