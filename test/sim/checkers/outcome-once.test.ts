import { describe, expect, test } from "vitest";
import type { ExchangeId } from "../../../core/ids.ts";
import { outcomeOnce } from "../../../sim/checkers/outcome-once.ts";
import { Ledger } from "../../../sim/ledger/ledger.ts";
import { watch } from "./observations.ts";

describe("outcome_once", () => {
  const snapshot = () => {
    throw new Error("this checker looks at what is ordered alone");
  };
  const process = { name: "node", nowMs: 0, ledger: new Ledger(0), snapshot, heldBytes: 0 };
  const exchange = 1 as ExchangeId;
  const opened = {
    type: "exchange_opened",
    exchange,
    method: "GET",
    target: "/",
    headers: [],
    hasBody: false,
    upgrade: false,
    expectsContinue: false,
    peer: "192.0.2.1",
    nonce: new Uint8Array(0),
  } as const;
  const whole = { type: "respond", exchange, status: 200, headers: [], body: [], close: false } as const;
  const piece = { type: "respond_body", exchange, bytes: new Uint8Array(1) } as const;
  const ended = {
    type: "report",
    report: {
      type: "exchange_ended",
      exchange,
      requestId: exchange,
      clientId: null,
      method: "GET",
      status: 200,
      outcome: "completed",
      bytesOut: 0,
      durationMs: 0,
    },
  } as const;
  const closed = { type: "exchange_closed", exchange, complete: true } as const;

  test("takes one answer and one outcome", () => {
    const { checker, found } = watch(outcomeOnce);
    checker.serverStep?.(process, opened, [piece, whole], 2);
    checker.serverStep?.(process, closed, [ended], 1);
    expect(found).toEqual([]);
  });

  test.each([
    ["a second outcome", [ended, ended]],
    ["bytes after the answer", [whole, piece]],
    ["a second answer", [whole, whole]],
  ] as const)("finds %s", (_name, effects) => {
    const { checker, found } = watch(outcomeOnce);
    checker.serverStep?.(process, opened, effects, effects.length);
    expect(found).toHaveLength(1);
  });

  test("finds an answer to an exchange that is closed, and to one that never was", () => {
    const { checker, found } = watch(outcomeOnce);
    checker.serverStep?.(process, { type: "tick" }, [whole], 1);
    checker.serverStep?.(process, opened, [], 0);
    checker.serverStep?.(process, closed, [], 0);
    checker.serverStep?.(process, { type: "tick" }, [piece], 1);
    expect(found).toHaveLength(2);
  });
});
