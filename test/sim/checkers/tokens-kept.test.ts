import { describe, expect, test } from "vitest";
import { tokensKept } from "../../../sim/checkers/tokens-kept.ts";
import { fakeSha256 } from "../../../sim/tools/hash.ts";
import {
  answered,
  type Case,
  calls,
  judge,
  opened,
  responds,
  type ServerStep,
  Shows,
  tick,
} from "./steps.ts";
import { bearer, TOKEN } from "./tokens.ts";

test("tokens_kept lets a token be stored for a request that is given up in the same step", () => {
  const stores = calls(1, {
    type: "insert_token",
    kind: "signature",
    tokenHash: fakeSha256(TOKEN),
    clientId: "home0",
    lifetimeMs: 1,
    by: fakeSha256(TOKEN),
  });
  const asksFor = opened("/auth/signature-token?clientId=home0", bearer, "POST");
  const found = (...steps: ServerStep[]) => new Shows(tokensKept).server([[1, asksFor], ...steps]).found;
  expect(found([2, tick, stores, responds(503)])).toEqual([]);
  expect(found([2, tick, responds(503)], [3, tick, stores])).toHaveLength(1);
});

describe("tokens_kept", () => {
  const issues = [opened("/auth/signature-token?clientId=home0", bearer, "POST")] as const;
  const insertion = {
    type: "insert_token",
    kind: "signature",
    tokenHash: fakeSha256(TOKEN),
    clientId: "home0",
    lifetimeMs: 1,
  } as const;
  const insert = calls(1, { ...insertion, by: fakeSha256(TOKEN) });
  const stored = answered(1, { type: "token_inserted", allowed: true });
  const hands = responds(200, `{"token":"${TOKEN}"}`);
  test.each<Case>([
    [
      "stored first",
      0,
      [
        [1, ...issues, insert],
        [2, stored, hands],
      ],
    ],
    [
      "shown before",
      1,
      [
        [1, ...issues, insert],
        [2, tick, hands],
      ],
    ],
    [
      "shown although it could not be stored",
      1,
      [
        [1, ...issues, insert],
        [2, answered(1, { type: "failed", fault: "unknown" }), hands],
      ],
    ],
    [
      "stored whoever made it",
      1,
      [
        [1, ...issues, calls(1, { ...insertion, kind: "magic" })],
        [2, stored, hands],
      ],
    ],
    ["stored for a HEAD", 1, [[1, opened("/auth/signature-token?clientId=home0", bearer, "HEAD"), insert]]],
  ])("a token that is %s: %i violations", (_name, violations, steps) => {
    expect(judge(tokensKept, steps)).toBe(violations);
  });
});
