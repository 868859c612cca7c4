import { describe, expect, test } from "vitest";
import { createMetrics } from "../../../adapters/operator/metrics.ts";
import { nodeHealth, type Status } from "../../../adapters/operator/node-health.ts";
import {
  countedOf,
  countedStatusOf,
  mergedSeries,
  mergedStatus,
  textOf,
} from "../../../adapters/workers/merge.ts";
import type { ServerSnapshot } from "../../../core/server.ts";
import { snapshotWith } from "../../helpers/snapshot.ts";

type Sizes = Parameters<typeof snapshotWith>[0];

async function seriesWith(sizes: Sizes) {
  const metrics = createMetrics(() => snapshotWith(sizes));
  metrics.countConnectionFault("too_many");
  const series = await metrics.series();
  metrics.close();
  return series;
}

async function statusWith(sizes: Sizes): Promise<Status> {
  const now: ServerSnapshot = snapshotWith(sizes);
  const metrics = createMetrics(() => now);
  const { status } = nodeHealth({
    metrics,
    snapshot: () => now,
    certificateFor: async () => "refused",
    registryProblem: async () => null,
  });
  metrics.close();
  return status();
}

describe("the metrics of several workers", () => {
  test("are sums, but for the registry, which is up where all find it so, and for draining", async () => {
    const text = await textOf([
      await seriesWith({ tunnels: 3, registryUp: true }),
      await seriesWith({ tunnels: 4, registryUp: false, draining: true }),
    ]);
    expect(text).toMatch(/^culvert_tunnels 7$/m);
    expect(text).toMatch(/^culvert_registry_up 0$/m);
    expect(text).toMatch(/^culvert_draining 1$/m);
    expect(text).toMatch(/^culvert_connection_faults_total\{cause="too_many"\} 2$/m);
    expect(text.match(/^# TYPE culvert_tunnels gauge$/gm)).toHaveLength(1);
  });

  test("keep what a worker that is gone has counted, and not what it had", async () => {
    const gone = await mergedSeries([[], countedOf(await seriesWith({ tunnels: 3 }))]);
    const both = await mergedSeries([gone, countedOf(await seriesWith({ tunnels: 5 }))]);
    const text = await textOf([await seriesWith({ tunnels: 1, registryUp: true }), both]);
    expect(text).toMatch(/^culvert_tunnels 1$/m);
    expect(text).toMatch(/^culvert_registry_up 1$/m);
    expect(text).toMatch(/^culvert_connection_faults_total\{cause="too_many"\} 3$/m);
  });
});

describe("the status of several workers", () => {
  test("is the sum, and the registry is down where one finds it so", async () => {
    const all = [
      await statusWith({ tunnels: 3, registryUp: true }),
      await statusWith({ tunnels: 4, registryUp: false }),
    ];
    expect(mergedStatus(all)).toMatchObject({ tunnels: 7, registryUp: false, draining: false });
    expect(mergedStatus(all.slice(0, 1))).toMatchObject({ tunnels: 3, registryUp: true });
  });

  test("keeps what a worker that is gone has counted, and not what it had", async () => {
    const before = await statusWith({ tunnels: 3, registryUp: false });
    const gone = countedStatusOf({ ...before, exchangesOpened: 10, outcomes: { completed: 9 } });
    const now = await statusWith({ tunnels: 1, registryUp: true });
    const merged = mergedStatus([{ ...now, exchangesOpened: 2, outcomes: { completed: 1 } }, gone]);
    expect(merged).toMatchObject({ tunnels: 1, registryUp: true, exchangesOpened: 12 });
    expect(merged.outcomes).toEqual({ completed: 10 });
  });
});
