import { describe, expect, test } from "vitest";
import type { SocketId } from "../../../core/ids.ts";
import { oneDoor } from "../../../sim/checkers/one-door.ts";
import { ownWord } from "../../../sim/checkers/own-word.ts";
import {
  clientTokenOf,
  inviteOf,
  signatureTokenOf,
  spareSignatureOf,
  visitorTokenOf,
} from "../../../sim/scenario/request.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { callOf } from "./observations.ts";
import { asks, type Case, judge, opened, responds, type ServerStep, tick, tunnel, upgrade } from "./steps.ts";

const shown = (token: string) => ["authorization", `Bearer ${token}`];
const client = clientTokenOf("home0");
const signature = signatureTokenOf("home0");

/** A handshake, and its tunnel that serves the home. */
function enters(nowMs: number, query: string, headers: readonly string[], socket = tunnel): ServerStep[] {
  const report = { type: "tunnel_accepted", socket, clientId: "home0", protocol: "moosicbox" } as const;
  return [
    [nowMs, upgrade(socket, `&sender=true${query}`, headers)],
    [nowMs, tick, { type: "upgrade_accept", socket, protocol: null }],
    [nowMs, { type: "socket_opened", socket, nonce: new Uint8Array(16) }, { type: "report", report }],
  ];
}

const byToken = enters(1, "", shown(client));
const asksFor = (target: string, headers: readonly string[] = []): ServerStep[] => [
  [3, opened(target, headers)],
  [4, tick, asks()],
];
const registers = (token: string): ServerStep => [
  5,
  opened("/auth/register-client?clientId=home0", shown(token), "POST"),
  responds(200, "{}"),
];

describe("one_door", () => {
  test.each<Case>([
    ["an agent with its client token", 0, byToken],
    ["an agent with a visitor token", 1, enters(1, "", shown(visitorTokenOf("home0")))],
    ["an agent with another home's client token", 1, enters(1, "", shown(clientTokenOf("home1")))],
    ["an agent with a signature", 0, enters(1, `&signature=${signature}`, [])],
    ["an agent with a client token for a signature", 1, enters(1, `&signature=${client}`, [])],
    [
      "an agent with a signature where Culvert's own was",
      1,
      [...byToken, ...enters(2, `&signature=${signature}`, [], 7 as SocketId)],
    ],
    [
      "a visitor with the client token",
      0,
      [...byToken, ...asksFor("/library?clientId=home0", shown(client))],
    ],
    [
      "a visitor with a visitor token",
      0,
      [...byToken, ...asksFor("/library?clientId=home0", shown(visitorTokenOf("home0")))],
    ],
    [
      "a visitor with an invite",
      1,
      [...byToken, ...asksFor("/library?clientId=home0", shown(inviteOf("home0")))],
    ],
    [
      "a signature that was a tunnel's at the media",
      1,
      [
        ...enters(1, `&signature=${spareSignatureOf("home0", 0)}`, []),
        ...asksFor(`/files/track?clientId=home0&signature=${spareSignatureOf("home0", 0)}`),
      ],
    ],
    ["who registers with a visitor token", 1, [registers(visitorTokenOf("home0"))]],
    ["who registers with an invite", 0, [registers(inviteOf("home0"))]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(oneDoor, steps)).toBe(violations);
  });
});

describe("own_word", () => {
  test.each([
    [null, 0],
    ["nothing", 0],
    ["a token of its own", 1],
    ["a word of Culvert's", 1],
  ] as const)("a home that is told %s: %i violations", (told, violations) => {
    const found: string[] = [];
    const checker = ownWord.create(
      (_kind, message) => found.push(message),
      () => {},
    );
    checker.homeCalled?.({ ...callOf(visitOperation(1, 0)), told });
    expect(found).toHaveLength(violations);
  });
});
