/** Requests, handshakes and answers that are unusual come to what they should, each with nothing else going on. */
import { describe, expect, test } from "vitest";
import { isAsExpected } from "../../../sim/checkers/expectation.ts";
import type { Visit } from "../../../sim/record/visit.ts";
import { TraceRecorder } from "../../../sim/report/trace.ts";
import { run } from "../../../sim/run/run.ts";
import { HARMLESS_ANSWERS, MALFORMED_ANSWERS } from "../../../sim/scenario/answers.ts";
import { ODD_REQUESTS } from "../../../sim/scenario/odd-requests.ts";
import { SOCKET_QUIRKS, TUNNEL_QUIRKS } from "../../../sim/scenario/quirks.ts";
import type { Operation, Scenario, VisitOperation } from "../../../sim/scenario/scenario.ts";
import { busyScenario, visit } from "../scenarios.ts";

/** Runs the operations, and gives the visits of the scenario that were made. */
function visitsOf(operations: readonly Operation[], changes: Partial<Scenario> = {}): readonly Visit[] {
  let visits: readonly Visit[] = [];
  const watch = {
    name: "watch",
    create: () => ({
      finished: (finish: { readonly visits: readonly Visit[] }) => {
        visits = finish.visits;
      },
    }),
  };
  run(busyScenario([], { operations, calm: true, ...changes }), { properties: [watch] });
  return visits.filter(({ operation }) => operations.includes(operation));
}

/** One visit for each of the names, to both homes in turn. */
function oneEach<Name>(
  names: readonly Name[],
  changesFor: (name: Name) => Parameters<typeof visit>[2],
): VisitOperation[] {
  return names.flatMap((name, index) =>
    [0, 1].map((home) => visit(2 * index + home, 5_000 + 300 * index, { home, ...changesFor(name) })),
  );
}

describe("a visit that is unusual", () => {
  test("comes to what the server says by itself", () => {
    const visits = visitsOf(oneEach(ODD_REQUESTS, (odd) => ({ request: { endpoint: "odd", odd } })));
    const wrong = visits.filter((each) => !isAsExpected(each));
    expect(wrong.map(({ operation, status }) => [operation.request.odd, status])).toEqual([]);
    expect(visits).toHaveLength(2 * ODD_REQUESTS.length);
  });

  test("reaches its home in any spelling", () => {
    const quirks = [...TUNNEL_QUIRKS, "empty_body", "wide_body"] as const;
    const visits = visitsOf(
      oneEach(quirks, (quirk) => ({
        request: {
          quirks: [quirk],
          method: quirk.endsWith("body") ? "POST" : "GET",
          bodyBytes: quirk.endsWith("body") ? 50 : 0,
        },
      })),
    );
    const wrong = visits.filter((each) => !isAsExpected(each) || !each.fromHome);
    expect(wrong.map(({ operation, status }) => [operation.request.quirks, status])).toEqual([]);
  });

  test("gets a harmless answer whole", () => {
    const visits = visitsOf(
      oneEach(HARMLESS_ANSWERS, (quirk) => ({
        answer: { quirks: [quirk], declaresLength: quirk === "length_twice" },
      })),
    );
    const wrong = visits.filter((each) => each.end !== "complete" || each.bytesReceived !== 40_000);
    expect(wrong.map(({ operation, status }) => [operation.answer.quirks, status])).toEqual([]);
  });

  test.each(MALFORMED_ANSWERS)("never takes an answer with %s for a whole one of another kind", (quirk) => {
    const visits = visitsOf(oneEach([quirk], () => ({ answer: { quirks: [quirk], declaresLength: true } })));
    for (const { end, status, fromHome, bytesReceived } of visits) {
      if (end === "complete" && fromHome) expect(bytesReceived).toBe(40_000);
      else if (end === "complete") expect(status).toBe(502);
      else expect(end).toBe("cut");
    }
  });
});

test.each(SOCKET_QUIRKS)("a visitor socket with %s breaks nothing", (quirk) => {
  const lines: string[] = [];
  const socket: Operation = {
    kind: "socket",
    id: 900,
    atMs: 5_000,
    home: 1,
    credential: "signature",
    messages: [{ atMs: 6_000, json: true, wideCharacters: 0 }],
    closesAtMs: 9_000,
    quirk,
  };
  const scenario = busyScenario([], { operations: [socket], corsOrigins: ["https://player.example"] });
  const { outcome } = run(scenario, { trace: new TraceRecorder((line) => lines.push(line)) });
  const refused = ["bad_target", "other_path", "no_client_id", "other_origin"].includes(quirk);
  expect(outcome).toBe("passed");
  expect(lines.some((line) => line.includes("upgrade_refused"))).toBe(refused);
});
