import { PerformanceObserver } from "node:perf_hooks";
import { expect, test } from "vitest";
import { countReceived } from "../../../adapters/socket/received-bytes.ts";

const MIB = 1024 * 1024;

test("buffers that nobody needs any more are given back after some MiB, at the price of few collections", async () => {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  observer.observe({ entryTypes: ["gc"] });
  const atStart = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let index = 0; index < 4 * 1024; index++) {
    countReceived(Buffer.from(new Uint8Array(64 * 1024).buffer));
    most = Math.max(most, process.memoryUsage().arrayBuffers - atStart);
  }
  expect(most).toBeLessThan(40 * MIB);
  await expect.poll(() => collections).toBeGreaterThan(0);
  expect(collections).toBeLessThan(64);
  observer.disconnect();
});
