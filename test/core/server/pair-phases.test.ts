import { describe, expect, it } from "vitest";
import { agentLimits, serverLimits } from "../../../core/limits.ts";
import { bytesOf, expectBody, Pair } from "../../helpers/pair.ts";
import type { Visit } from "../../helpers/test-visit.ts";

const MIB = 1024 * 1024;

/** How far an exchange has come when something happens to it. */
const PHASES: Readonly<Record<string, (pair: Pair, visit: Visit) => void>> = {
  "on its way to the agent": () => {},
  "at the origin": (pair) => {
    pair.agent.wire.release();
    pair.run();
  },
  "on its way back": (pair) => {
    pair.agent.wire.release();
    pair.run();
    pair.agent.wire.hold();
    pair.agent.origin.holds = false;
    pair.run();
  },
  "half delivered": (pair, visit) => {
    visit.takes = false;
    PHASES["on its way back"]?.(pair, visit);
    pair.agent.wire.release();
    while (visit.parts.length < 2) pair.agent.move();
  },
};

describe.each(Object.entries(PHASES))("an exchange that is %s", (_, reach) => {
  function scene() {
    const pair = new Pair();
    const body = bytesOf(MIB);
    pair.agent.origin.answer = () => ({ body });
    pair.agent.origin.holds = true;
    pair.agent.wire.hold();
    const visit = pair.server.visit();
    reach(pair, visit);
    return { pair, visit, body };
  }

  it("H21 PB05 is stopped at the origin when its visitor leaves", () => {
    const { pair, visit } = scene();
    visit.leave();
    pair.agent.wire.release();
    pair.run();
    expect(pair.agent.origin.running.size).toBe(0);
    expect(pair.server.state.exchanges.size).toBe(0);
    pair.agent.origin.holds = false;
    const next = pair.server.visit();
    pair.run();
    expect(next.end).toBe("clean");
    pair.expectEmpty();
  });

  it("PB14 fails once and never cleanly when the tunnel is lost, and the next one succeeds", () => {
    const { pair, visit, body } = scene();
    pair.agent.cut();
    pair.run();
    if (visit.status === 200) expect(visit.end).toBe("cut");
    else expect(visit).toMatchObject({ status: 502, code: "agent_lost" });
    expect(pair.agent.origin.running.size).toBe(0);
    pair.advance(agentLimits.retryDownMs);
    expect(pair.agent.isConnected).toBe(true);
    pair.agent.origin.holds = false;
    const next = pair.server.visit();
    pair.run();
    expectBody(next, body);
    pair.expectEmpty();
  });

  it("is finished by a server that drains, and by an agent that does", () => {
    for (const side of ["server", "agent"]) {
      const { pair, visit, body } = scene();
      if (side === "server") pair.server.drain();
      else pair.agent.dispatch({ type: "drain_requested" });
      pair.agent.wire.release();
      pair.agent.origin.holds = false;
      pair.run();
      visit.take();
      visit.takes = true;
      pair.run();
      // A request that crosses the agent's goodbye is lost with the tunnel; the visitor is told so.
      if (visit.status === 502) expect([side, visit.code]).toEqual(["agent", "agent_lost"]);
      else expectBody(visit, body);
      if (side === "server") {
        pair.advance(serverLimits.drainMs);
        expect(pair.server.isDrained).toBe(true);
      } else expect(pair.agent.stopped).toBeNull();
    }
  });
});
