import { describe, expect, test } from "vitest";
import { goodStaysGood } from "../../../sim/checkers/good-stays-good.ts";
import { Visit } from "../../../sim/record/visit.ts";
import { answerOf } from "../../../sim/scenario/model.ts";
import { homeNamed, visit as visitOperation } from "../scenarios.ts";
import { Shows } from "./steps.ts";

const ROW = { tunnel: "1", node: "node-0", fence: 1, leaseEndsUs: 1 };

type Case = {
  readonly access?: "public" | "basic";
  readonly way?: "host" | "path";
  readonly credential?: "client" | "none" | "wrong";
  readonly status?: number;
  /** When the registry heard of the home; never where left out. */
  readonly knownUs?: number;
  readonly fault?: string;
};

function judged({ access, way, credential = "client", status = 401, knownUs, fault }: Case): number {
  const kept = access === undefined ? {} : { access };
  const scenario = {
    homes: [{ ...HOME, ...kept }],
    faults:
      fault === undefined ? [] : [{ id: 1, kind: fault, target: 0, fromMs: 0, toMs: 1, parameters: {} }],
  };
  const { checker, found } = new Shows(goodStaysGood, { scenario });
  if (knownUs !== undefined)
    checker.registryChanged?.({
      ...{ atUs: knownUs, clientId: HOME.clientId, operation: "upsert_connection" },
      before: null,
      after: ROW,
    });
  const request = { endpoint: "tunnel", credential, ...(way === undefined ? {} : { way }) } as const;
  const operation = visitOperation(1, 0, { request });
  const visit = new Visit(operation, { ...HOME, ...kept }, answerOf(HOME.clientId, operation), 10);
  checker.visitHead?.(visit, status, []);
  return found.length;
}

const HOME = homeNamed("home0");

describe("good_stays_good", () => {
  test.each<readonly [string, number, Case]>([
    ["a good token by client id", 1, {}],
    ["one that is let in", 0, { status: 424 }],
    ["a wrong token", 0, { credential: "wrong" }],
    ["a good token by host", 1, { way: "host" }],
    [
      "nothing at a home that is everybody's",
      1,
      { way: "host", access: "public", credential: "none", knownUs: 1 },
    ],
    ["the same before anybody knew of it", 0, { way: "host", access: "public", credential: "none" }],
    ["the same just afterwards", 0, { way: "host", access: "public", credential: "none", knownUs: 11 }],
    ["the password", 1, { way: "path", access: "basic", knownUs: 1 }],
    ["no password", 0, { way: "path", access: "basic", credential: "none", knownUs: 1 }],
    ["a token that may have been revoked", 0, { fault: "client_token_revoked" }],
    ["any other fault", 1, { fault: "node_crashes" }],
  ])("%s: %i violations", (_name, violations, given) => {
    expect(judged(given)).toBe(violations);
  });
});
