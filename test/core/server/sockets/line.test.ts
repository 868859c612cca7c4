/** Many handshakes at once: who is let in, who waits, and who is told to come later. */
import { describe, expect, it } from "vitest";
import { headerValue } from "../../../../core/http/headers.ts";
import { serverLimits } from "../../../../core/limits.ts";
import { TestServer } from "../../../helpers/test-server.ts";
import type { TestSocket } from "../../../helpers/test-socket.ts";

const { handshakeLineMs, handshakesPerTick, registryCallMs } = serverLimits;

/** A home each, from an address each. */
function crowd(server: TestServer, count: number, from = 0): TestSocket[] {
  return Array.from({ length: count }, (_, index) => {
    const name = from + index;
    const address = `198.51.${name >> 8}.${name & 0xff}`;
    return server.tunnel(`home-${name}`, true, ["x-forwarded-for", address]);
  });
}

function serverOf(limits: Partial<typeof serverLimits>): TestServer {
  return new TestServer(limits, { trustedProxies: ["192.0.2.1"] });
}

describe("a crowd of agents", () => {
  it("is asked about a few at a time, and everybody is served in between", () => {
    const server = serverOf({});
    server.registry.mode = "holds";
    crowd(server, 3 * handshakesPerTick);
    expect(server.registry.held.length).toBe(handshakesPerTick);
    // The loop comes round.
    server.dispatch({ type: "tick" });
    expect(server.registry.held.length).toBe(2 * handshakesPerTick);
    server.advance(0);
    expect(server.registry.held.length).toBe(3 * handshakesPerTick);
  });

  it("has no more of the registry's calls than leave room for visitors, and goes on as they are answered", () => {
    const server = serverOf({ handshakesRunningMax: 4 });
    server.registry.mode = "holds";
    const sockets = crowd(server, 10);
    server.advance(0);
    expect(server.registry.held.length).toBe(4);
    server.registry.mode = "answers";
    for (const call of [...server.registry.held]) call.answer();
    server.advance(0);
    expect(sockets.map(({ isOpen }) => isOpen)).toEqual(sockets.map(() => true));
    server.expectEmpty();
  });

  it("is told at once to come later, where the line is full", () => {
    const server = serverOf({ handshakesMax: 5, handshakesStrangersMax: 5, handshakesRunningMax: 4 });
    server.registry.mode = "holds";
    const refused = crowd(server, 12).map(({ refusal }) => refusal?.code ?? null);
    expect(refused).toEqual([...Array(9).fill(null), ...Array(3).fill("limit_handshakes")]);
    server.expectEmpty();
  });

  it("says how long agents are to stay away", () => {
    const server = serverOf({ handshakesMax: 0 });
    const [socket] = crowd(server, 1);
    expect(socket?.refusal).toMatchObject({ status: 503, code: "limit_handshakes" });
    expect(headerValue(socket?.refusal?.headers ?? [], "retry-after")).toBe("2");
  });

  it("that strangers fill leaves room for an agent that was here a moment ago", () => {
    const server = serverOf({ handshakesMax: 5, handshakesStrangersMax: 3, handshakesRunningMax: 1 });
    server.tunnel("home").lose();
    server.registry.mode = "holds";
    const strangers = crowd(server, 6);
    expect(strangers.at(-1)?.refusal).toMatchObject({ code: "limit_handshakes" });
    expect(server.tunnel("home").refusal).toBeNull();
  });

  it("that would be answered too late is told so, while those before it wait on", () => {
    const server = serverOf({ handshakesRunningMax: 1 });
    server.registry.mode = "holds";
    const [, waits] = crowd(server, 2);
    server.advance(handshakeLineMs - 1);
    const [inTime] = crowd(server, 1, 2);
    server.advance(1);
    const [late] = crowd(server, 1, 3);
    expect(inTime?.refusal).toBeNull();
    expect(late?.refusal).toMatchObject({ status: 503, code: "limit_handshakes" });
    expect(waits?.refusal).toBeNull();
    expect(registryCallMs).toBeLessThan(handshakeLineMs);
    server.advance(handshakeLineMs);
    expect(waits?.refusal).toMatchObject({ status: 503, code: "limit_handshakes" });
    server.expectEmpty();
  });

  it("of which one has left costs the registry nothing for it", () => {
    const server = serverOf({ handshakesRunningMax: 1 });
    server.registry.mode = "holds";
    const [, left] = crowd(server, 3);
    left?.lose();
    server.registry.mode = "answers";
    server.registry.modes.set("check_agent", "holds");
    for (const call of [...server.registry.held]) call.answer();
    server.advance(0);
    const asked = server.registry.held.map(({ operation }) => "clientId" in operation && operation.clientId);
    expect(asked).toEqual(["home-2"]);
  });
});
