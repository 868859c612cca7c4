import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { SocketId } from "../../../core/ids.ts";
import { serverLimits } from "../../../core/limits.ts";
import type { HeldToken, RegistryOutcome } from "../../../core/registry.ts";
import { revoked } from "../../../sim/checkers/revoked.ts";
import { fakeSha256 } from "../../../sim/tools/hash.ts";
import { greeting, KIND } from "../../../sim/wire/native.ts";
import {
  answered,
  asks,
  type Case,
  calls,
  open,
  opened,
  responds,
  type ServerStep,
  Shows,
  tick,
  tunnel,
  visitor,
} from "./steps.ts";
import { bearer, TOKEN } from "./tokens.ts";

const SIGNATURE: HeldToken = { kind: "signature", tokenHash: fakeSha256(TOKEN), clientId: "home0" };
const CLIENT: HeldToken = { ...SIGNATURE, kind: "client_access" };
const { leaseRenewMs: ROUND_MS, registryCallMs: CALL_MS } = serverLimits;
const signed = `&sender=true&signature=${TOKEN}`;
const second = 3 as SocketId;

const check = (...tokens: HeldToken[]) => calls(1, { type: "check_tokens", tokens });
const told = (gone: readonly number[], expired: readonly number[] = []) =>
  answered(1, { type: "tokens_checked", gone, expired } satisfies RegistryOutcome);
const closes = (socket = tunnel): ServerEffect => {
  return { type: "socket_close", socket, code: 1008, reason: "revoked" };
};
const welcomes = (resumed: boolean, socket: SocketId): ServerEffect => {
  const header = greeting(KIND.welcome, { ticket: "t", resumed, graceMs: 1 });
  return { type: "socket_send_packet", socket, header, body: [] };
};
const home = open(tunnel, signed);
const asked: ServerStep[] = [
  ...open(tunnel, "&sender=true&signature=other"),
  [3, opened(undefined, bearer), asks()],
];

describe("revoked", () => {
  test.each<Case>([
    ["a tunnel that is closed", 0, [...home, [4, tick, check(SIGNATURE)], [5, told([0]), closes()]]],
    ["a tunnel that goes on", 1, [...home, [4, tick, check(SIGNATURE)], [5, told([0])]]],
    ["a tunnel whose signature is good", 0, [...home, [4, tick, check(CLIENT, SIGNATURE)], [5, told([0])]]],
    ["a tunnel whose signature has expired", 0, [...home, [4, tick, check(SIGNATURE)], [5, told([], [0])]]],
    [
      "a tunnel, told when the call was given up",
      0,
      [...home, [4, tick, check(SIGNATURE)], [4 + CALL_MS, told([0])]],
    ],
    [
      "a visitor socket that goes on",
      1,
      [...open(visitor, `&signature=${TOKEN}`), [4, tick, check(SIGNATURE)], [5, told([0])]],
    ],
    ["a request that goes on", 1, [...asked, [4, tick, check(CLIENT)], [5, told([0])]]],
    ["a request that ends", 0, [...asked, [4, tick, check(CLIENT)], [5, told([0]), responds(401)]]],
  ])("%s, of a token that is gone: %i violations", (_name, violations, steps) => {
    expect(new Shows(revoked).server(steps).found).toHaveLength(violations);
  });

  test.each<Case>([
    [
      "resumed after the server knew",
      1,
      [
        [3, tick, welcomes(false, tunnel)],
        [4, tick, check(SIGNATURE)],
        [5, told([0]), closes()],
        [8, tick, welcomes(true, second)],
      ],
    ],
    [
      "begun anew",
      0,
      [
        [3, tick, welcomes(false, tunnel)],
        [4, tick, check(SIGNATURE)],
        [5, told([0]), closes()],
        [8, tick, welcomes(false, second)],
      ],
    ],
    [
      "resumed before the server knew",
      0,
      [
        [3, tick, welcomes(false, tunnel)],
        [4, tick, check(SIGNATURE)],
        [8, tick, welcomes(true, second)],
      ],
    ],
  ])("a session that is %s: %i violations", (_name, violations, steps) => {
    const sockets = [...home, ...open(second, "&sender=true&signature=other", 5)];
    const inOrder = [...sockets, ...steps].toSorted((a, b) => a[0] - b[0]);
    expect(new Shows(revoked).server(inOrder).found).toHaveLength(violations);
  });

  test.each<Case>([
    ["never asked about", 1, [[ROUND_MS + 10, tick]]],
    [
      "asked about in time",
      0,
      [
        [9, tick, check(SIGNATURE)],
        [ROUND_MS + 8, tick],
      ],
    ],
    [
      "asked about once, and then never",
      1,
      [
        [9, tick, check(SIGNATURE)],
        [10, told([])],
        [ROUND_MS + 10, tick],
      ],
    ],
    [
      "asked about while the registry fails",
      0,
      [
        [9, tick, check(SIGNATURE)],
        [10, answered(1, { type: "failed", fault: "unavailable" })],
        [ROUND_MS + 8, tick],
      ],
    ],
    [
      "asked about beside another one only",
      1,
      [
        [9, tick, check(CLIENT)],
        [ROUND_MS + 10, tick],
      ],
    ],
    [
      "not in use any more",
      0,
      [
        [9, tick, closes()],
        [ROUND_MS + 10, tick],
      ],
    ],
  ])("a token that was deleted and is %s: %i violations", (_name, violations, steps) => {
    const shows = new Shows(revoked).server(home);
    shows.checker.tokenRevoked?.(SIGNATURE);
    expect(shows.server([[4, tick], ...steps]).found).toHaveLength(violations);
  });

  test("lets a token go on that is there again", () => {
    const shows = new Shows(revoked).server(home);
    shows.checker.tokenRevoked?.(SIGNATURE);
    shows.server([[4, tick]]);
    shows.checker.tokenRestored?.(SIGNATURE);
    expect(shows.server([[ROUND_MS + 10, tick]]).found).toEqual([]);
  });
});
