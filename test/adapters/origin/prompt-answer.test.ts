import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { createCertificate } from "./certificate.ts";
import { cleanups, start } from "./harness.ts";

const ROUNDS = 20;

/** Beyond this the answer was not waited for, and the test shows nothing. */
const PATIENCE_MS = 60_000;

test.each([
  ["GET", null],
  ["POST", Buffer.from("once")],
  ["POST", Buffer.alloc(64 * 1024)],
])(
  "an answer that is there before Node says that its request has left is taken for one: %s",
  async (method, body) => {
    const counts = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(new URL("./prompt-origin.ts", import.meta.url), {
      workerData: { certificate: createCertificate(), counts },
    });
    cleanups.push(() => void worker.terminate());
    const [port] = await once(worker, "message");
    const run = start(new URL(`https://127.0.0.1:${port}/`), { tlsSkipVerify: true });
    await run.over(run.request({ method, body }));
    for (let round = 1; round < ROUNDS; round++) {
      // In an immediate the loop's next turn has still to come: in that, Node reads before it says what has left.
      await new Promise((resolve) => setImmediate(resolve));
      const exchange = run.request({ method, body });
      // A large body leaves only when the loop goes on.
      const isOut = body === null || body.length < 16 * 1024;
      if (isOut) expect(Atomics.wait(counts, 0, round, PATIENCE_MS)).not.toBe("timed-out");
      await run.over(exchange);
    }
    expect(run.log.types()).not.toContain("origin_failed");
    expect(run.log.all("origin_ended")).toHaveLength(ROUNDS);
    expect(Atomics.load(counts, 1)).toBe(1);
  },
);
