import { describe, expect, test } from "vitest";
import { foundElsewhere } from "../../../sim/checkers/found-elsewhere.ts";
import { Visit } from "../../../sim/record/visit.ts";
import { answerOf } from "../../../sim/scenario/model.ts";
import type { Fault } from "../../../sim/scenario/scenario.ts";
import { latin1Bytes } from "../../../sim/tools/text.ts";
import { homeNamed, visit as visitOf } from "../scenarios.ts";
import { ID_BASE, open, Shows, tunnel } from "./steps.ts";

const PEER_PATH = { latencyUs: 500, jitterUs: 0, bytesPerMs: 20_000, windowBytes: 65_536 };
const AWAY = '{"code":"agent_not_connected"}';
const NODE_FAULT: Fault = { id: 0, kind: "node_stalls", fromMs: 0, toMs: 1, target: 0, parameters: {} };

/** What is found where a visitor is told that text, so long after the row of his home was written. */
function found(
  text: string,
  afterMs: number,
  { isCluster = true, isOpen = true, faults = [] as readonly Fault[] } = {},
): number {
  const scenario = { faults, ...(isCluster ? { peerPath: PEER_PATH } : {}) };
  const shows = new Shows(foundElsewhere, { scenario });
  if (isOpen) shows.server(open(tunnel), "node-1");
  const row = { tunnel: String(ID_BASE + tunnel), node: "node-1", fence: 1, leaseEndsUs: 10 ** 9 };
  const change = { clientId: "home0", operation: "upsert_connection", before: null, after: row } as const;
  shows.checker.registryChanged?.({ ...change, atUs: 1_000_000 });
  const operation = visitOf(1, 0);
  const visit = new Visit(
    operation,
    homeNamed("home0"),
    answerOf("home0", operation),
    1_000_000 + afterMs * 1_000,
  );
  visit.status = 424;
  shows.checker.visitBody?.(visit, latin1Bytes(text));
  return shows.found.length;
}

describe("found_elsewhere", () => {
  test("finds whoever is told that a home is away which a node has had for a while", () => {
    expect(found(AWAY, 5_000)).toBe(1);
  });

  test.each([
    ["another problem", found('{"code":"limit_address"}', 5_000)],
    ["a home that has just come", found(AWAY, 1_000)],
    ["a home whose tunnel is not open", found(AWAY, 5_000, { isOpen: false })],
    ["nodes that do not know each other", found(AWAY, 5_000, { isCluster: false })],
    ["a node that may have stood still", found(AWAY, 5_000, { faults: [NODE_FAULT] })],
  ])("lets pass %s", (_name, violations) => {
    expect(violations).toBe(0);
  });
});
