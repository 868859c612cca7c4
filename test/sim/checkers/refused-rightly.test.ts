import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { SocketId } from "../../../core/ids.ts";
import { serverLimits } from "../../../core/limits.ts";
import { refusedRightly } from "../../../sim/checkers/refused-rightly.ts";
import { type Case, calls, ID_BASE, judge, type ServerStep, tick, tunnel, upgrade } from "./steps.ts";
import { check, used } from "./tokens.ts";

const next = 2 as SocketId;
const LATE_MS = 1 + 2 * serverLimits.handshakeLineMs;

describe("refused_rightly", () => {
  const refused = (
    cause: "superseded" | "unauthorized" | "draining" | "limit_tunnels" | "limit_handshakes",
  ): ServerEffect => ({
    type: "report",
    report: { type: "upgrade_refused", socket: tunnel, cause },
  });
  const claim = (socket: number, fence: number, of: { node?: string; instance?: string } = {}) =>
    calls(socket, {
      type: "upsert_connection",
      clientId: "home0",
      tunnel: String(ID_BASE + socket),
      node: "node-0",
      fence,
      leaseMs: 1,
      access: "token",
      ...of,
    });
  const asking: ServerStep[] = [[1, upgrade(tunnel, "&sender=true&signature=s"), check(1, "tunnel")]];
  test.each<Case>([
    [
      "superseded by a newer one",
      0,
      [...asking, [2, tick, claim(1, 5), claim(7, 6)], [3, tick, refused("superseded")]],
    ],
    [
      "superseded by an older one",
      1,
      [...asking, [2, tick, claim(1, 5), claim(7, 4)], [3, tick, refused("superseded")]],
    ],
    ...[
      { of: "its own process at another node", wrong: 1, newer: { node: "node-1", instance: "one" } },
      { of: "its own process at its own node", wrong: 0, newer: { instance: "one" } },
      { of: "another process", wrong: 0, newer: { node: "node-1", instance: "two" } },
      { of: "an agent that says nothing of its process", wrong: 0, newer: { node: "node-1" } },
    ].map(({ of, wrong, newer }): Case => {
      const claims = [claim(1, 5, { instance: "one" }), claim(7, 6, newer)];
      const steps: ServerStep[] = [...asking, [2, tick, ...claims], [3, tick, refused("superseded")]];
      return [`superseded by a newer one of ${of}`, wrong, steps];
    }),
    ["refused for its token", 0, [...asking, [2, used(1, false), refused("unauthorized")]]],
    ["refused for a token that is good", 1, [...asking, [2, used(1, true), refused("unauthorized")]]],
    [
      "refused for a signature where the agent is Culvert's own",
      0,
      [...asking, [2, used(1, true, true), refused("unauthorized")]],
    ],
    ["refused for want of a token", 0, [[1, upgrade(tunnel), refused("unauthorized")]]],
    [
      "told of a drain",
      0,
      [
        [0, { type: "drain_requested" }],
        [1, upgrade(tunnel), refused("draining")],
      ],
    ],
    ["told of a drain that nobody asked for", 1, [[1, upgrade(tunnel), refused("draining")]]],
    [
      "superseded by its agent's next handshake",
      0,
      [...asking, [2, upgrade(next, "&sender=true&signature=s"), refused("superseded")]],
    ],
    [
      "superseded by somebody else's handshake",
      1,
      [...asking, [2, upgrade(next, "&sender=true&signature=t"), refused("superseded")]],
    ],
    ["told to come later, after a long wait", 0, [...asking, [LATE_MS, tick, refused("limit_handshakes")]]],
    ["told to come later, after a moment", 1, [...asking, [LATE_MS - 1, tick, refused("limit_handshakes")]]],
    ["told of a limit that is far away", 1, [[1, upgrade(tunnel), refused("limit_tunnels")]]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(refusedRightly, steps)).toBe(violations);
  });
});
