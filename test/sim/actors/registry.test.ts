import { describe, expect, test } from "vitest";
import type { RegistryOperation, RegistryOutcome } from "../../../core/registry.ts";
import { FakeRegistry, type Interference } from "../../../sim/actors/registry.ts";
import { World } from "../../../sim/world/world.ts";
import { credentialContract } from "../../helpers/credential-contract.ts";
import { renewalOf } from "../../helpers/node-contract.ts";
import { registryContract } from "../../helpers/registry-contract.ts";

const SECOND = 1_000_000;

function start() {
  const world = new World({ seed: { high: 0, low: 1 } });
  const registry = new FakeRegistry(world, 1_000);
  const ask = (operation: RegistryOperation, waitUs = SECOND): RegistryOutcome | undefined => {
    let outcome: RegistryOutcome | undefined;
    registry.call("node", operation, (answer) => {
      outcome = answer;
    });
    world.runUntil(world.nowUs + waitUs);
    return outcome;
  };
  const disturb = (interference: Omit<Interference, "kind">) => {
    const interferer = () => ({ kind: "test", ...interference });
    registry.interferers.add(interferer);
    return () => registry.interferers.delete(interferer);
  };
  return { world, registry, ask, disturb };
}

const insert = (lifetimeMs: number | null = null): RegistryOperation => ({
  type: "insert_token",
  kind: "signature",
  tokenHash: "h",
  clientId: "c",
  lifetimeMs,
});
const check: RegistryOperation = { type: "check_token", kind: "signature", tokenHash: "h", clientId: "c" };
const upsert = (tunnel: string, fence: number): RegistryOperation => ({
  type: "upsert_connection",
  clientId: "c",
  tunnel,
  node: "node",
  fence,
  leaseMs: 60_000,
  access: "token",
});
const renew: RegistryOperation = renewalOf("node");

function fakeOfItsOwn() {
  const world = new World({ seed: { high: 0, low: 1 } });
  const fake = new FakeRegistry(world, 1_000);
  return {
    call: (operation: RegistryOperation, answer: (outcome: RegistryOutcome) => void) => {
      fake.call("node", operation, answer);
      world.runUntil(world.nowUs + 2_000);
    },
    close: () => {},
  };
}
registryContract("the simulator's fake", fakeOfItsOwn);
credentialContract("the simulator's fake", fakeOfItsOwn);

describe("faults of the registry", () => {
  test("an error before the commit leaves no change", () => {
    const { ask, disturb } = start();
    const end = disturb({ failBefore: "unknown" });
    expect(ask(insert())).toEqual({ type: "failed", fault: "unknown" });
    end();
    expect(ask(check)).toMatchObject({ valid: false });
  });

  test("an error after the commit leaves the change", () => {
    const { ask, disturb } = start();
    const end = disturb({ failAfter: "unknown" });
    expect(ask(insert())).toEqual({ type: "failed", fault: "unknown" });
    end();
    expect(ask(check)).toMatchObject({ valid: true });
  });

  test("a lost write is confirmed and gone", () => {
    const { ask, disturb } = start();
    const end = disturb({ losesWrite: true });
    expect(ask(insert())).toEqual({ type: "token_inserted", allowed: true });
    expect(ask(upsert("t", 1))).toEqual({ type: "connection_upserted", current: true });
    end();
    expect(ask(check)).toMatchObject({ valid: false });
    expect(ask(renew)).toMatchObject({ rows: [] });
  });

  test("a call that hangs gets no answer, ever, and may have been carried out", () => {
    const { ask, disturb } = start();
    const end = disturb({ hangs: true });
    expect(ask(insert(), 3_600 * SECOND)).toBeUndefined();
    end();
    expect(ask(check)).toMatchObject({ valid: true });
  });

  test("an answer that is late comes late", () => {
    const { ask, disturb, world } = start();
    disturb({ answerDelayUs: 5 * SECOND });
    expect(ask(check, 4 * SECOND)).toBeUndefined();
    expect(world.nowUs).toBe(4 * SECOND);
    expect(ask(check, 6 * SECOND)).toMatchObject({ type: "token_checked" });
  });

  test("a stale read shows the rows before their last change, and no new token", () => {
    const { ask, disturb } = start();
    ask(upsert("old", 1));
    ask(upsert("new", 2));
    ask(insert());
    const end = disturb({ readsStale: true });
    expect(ask(renew)).toMatchObject({ rows: [{ clientId: "c", tunnel: "old" }] });
    expect(ask(check)).toMatchObject({ valid: false });
    end();
    expect(ask(renew)).toMatchObject({ rows: [{ clientId: "c", tunnel: "new" }] });
  });

  test("answers that change places still reach their own calls", () => {
    const { registry, world, disturb } = start();
    const answers: string[] = [];
    const end = disturb({ swaps: true });
    registry.call("node", insert(), (outcome) => answers.push(outcome.type));
    end();
    registry.call("node", check, (outcome) => answers.push(outcome.type));
    world.runUntil(SECOND);
    expect(answers).toEqual(["token_checked", "token_inserted"]);
  });

  test("every change of a row is in the history", () => {
    const { ask, registry } = start();
    ask(upsert("a", 1));
    ask(upsert("b", 2));
    ask({ type: "delete_connection", clientId: "c", tunnel: "a" });
    ask({ type: "delete_connection", clientId: "c", tunnel: "b" });
    const tunnels = registry.history.map((change) => [change.before?.tunnel, change.after?.tunnel]);
    expect(tunnels).toEqual([
      [undefined, "a"],
      ["a", "b"],
      ["b", undefined],
    ]);
  });

  test("leases lapse by the registry's own clock, which may jump", () => {
    const { ask, registry } = start();
    ask(upsert("t", 1), 1_000);
    expect(registry.ownerOf("c")?.tunnel).toBe("t");
    registry.clock.jump(61 * SECOND);
    expect(registry.ownerOf("c")).toBeNull();
  });

  test("a fence grows even where the clock goes back", () => {
    const { ask, registry } = start();
    const fence = () => {
      const outcome = ask(check);
      return outcome?.type === "token_checked" ? outcome.fence : 0;
    };
    const before = fence();
    registry.clock.jump(-3_600 * SECOND);
    expect(fence()).toBeGreaterThan(before);
  });
});
