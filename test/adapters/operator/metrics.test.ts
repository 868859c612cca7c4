import { afterEach, describe, expect, test } from "vitest";
import { createMetrics, type Metrics } from "../../../adapters/operator/metrics.ts";
import type { Registry } from "../../../adapters/registry/registry.ts";
import { openSqliteRegistry } from "../../../adapters/registry/sqlite.ts";
import type { RegistryOperation } from "../../../core/registry.ts";
import type { ServerSnapshot } from "../../../core/server.ts";
import { callRegistry } from "../../helpers/registry-contract.ts";
import { snapshotWith } from "../../helpers/snapshot.ts";

const CHECK: RegistryOperation = {
  type: "check_token",
  kind: "signature",
  tokenHash: "0".repeat(64),
  clientId: "canary-client-5d1f",
};

describe("the metrics", () => {
  let metrics: Metrics;
  afterEach(() => metrics.close());

  /** The value of each series, by its name with labels. */
  async function values(): Promise<Map<string, number>> {
    const text = await metrics.text();
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(
      samples.map((line) => [
        line.slice(0, line.lastIndexOf(" ")),
        Number(line.slice(line.lastIndexOf(" "))),
      ]),
    );
  }

  test("show the server as it is when they are read", async () => {
    let now: ServerSnapshot = snapshotWith({ tunnels: 2, heldBytes: 4096 });
    metrics = createMetrics(() => now);
    expect((await values()).get("culvert_tunnels")).toBe(2);
    expect((await values()).get("culvert_held_bytes")).toBe(4096);
    now = snapshotWith({ tunnels: 1, registryUp: false, draining: true });
    const later = await values();
    expect(later.get("culvert_tunnels")).toBe(1);
    expect(later.get("culvert_registry_up")).toBe(0);
    expect(later.get("culvert_draining")).toBe(1);
  });

  test("count outcomes as sums that do not grow by being read", async () => {
    const { counters } = snapshotWith();
    const outcomes = new Map([["agent_lost" as const, 3]]);
    metrics = createMetrics(() => snapshotWith({ counters: { ...counters, outcomes, bytesOut: 1000 } }));
    await values();
    const again = await values();
    expect(again.get('culvert_exchanges_ended_total{outcome="agent_lost"}')).toBe(3);
    expect(again.get('culvert_exchanges_ended_total{outcome="completed"}')).toBe(0);
    expect(again.get("culvert_bytes_out_total")).toBe(1000);
  });

  test("time the calls to the registry by operation and outcome", async () => {
    metrics = createMetrics(() => snapshotWith());
    const registry: Registry = metrics.meter(openSqliteRegistry(":memory:"));
    expect(await callRegistry(registry, CHECK)).toMatchObject({ type: "token_checked", valid: false });
    await registry.close();
    expect(await callRegistry(registry, CHECK)).toEqual({ type: "failed", fault: "unavailable" });
    const name = "culvert_registry_call_seconds_count";
    expect((await values()).get(`${name}{operation="check_token",outcome="answered"}`)).toBe(1);
    expect((await values()).get(`${name}{operation="check_token",outcome="unavailable"}`)).toBe(1);
  });

  test("hold no series that a peer could name (R07)", async () => {
    metrics = createMetrics(() => snapshotWith());
    const registry = metrics.meter(openSqliteRegistry(":memory:"));
    await callRegistry(registry, CHECK);
    const before = (await values()).size;
    for (let index = 0; index < 50; index++) {
      await callRegistry(registry, { ...CHECK, clientId: `canary-client-${index}` });
    }
    await registry.close();
    expect((await values()).size).toBe(before);
    expect(await metrics.text()).not.toContain("canary-client");
  });

  test("show the process: memory, CPU time and the event loop's delay", async () => {
    metrics = createMetrics(() => snapshotWith());
    const now = await values();
    expect(now.get("process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
    expect(now.get("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(now.get('nodejs_eventloop_lag_seconds{quantile="0.99"}')).toBeGreaterThanOrEqual(0);
  });
});
