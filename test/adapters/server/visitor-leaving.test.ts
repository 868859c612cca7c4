/** Visitors who leave while nobody reads what they send, over real sockets: the system says less of their end than one hopes. */
import { describe, expect, test } from "vitest";
import { MIB, start } from "./http-harness.ts";

/** Soon, so that the tests are; the one that no look is to help never looks. */
const limits = { lookMs: 20, lookStepMs: 20 };
const never = { lookMs: 3_600_000 };

async function startUpload(given: Partial<typeof limits>, bytes: number) {
  const run = await start({ limits: given });
  const client = run.client();
  client.send("POST / HTTP/1.1", "Host: x", `Content-Length: ${64 * MIB}`, "", "");
  const { exchange } = await run.opened(1);
  // Written: as much as fits is in the kernels, and the server has read ahead what it may.
  client.socket.write(Buffer.alloc(bytes));
  await run.pulse();
  return { run, client, exchange };
}

describe("a visitor of whose upload nothing is read", () => {
  test.each([
    ["little", MIB / 2],
    ["more than is ever read ahead", 32 * MIB],
  ])("is seen to have reset his connection after he had sent %s", async (_, bytes) => {
    const { run, client, exchange } = await startUpload(limits, bytes);
    client.socket.resetAndDestroy();
    await run.log.until(() => run.log.of(exchange).length === 2);
    expect(run.log.of(exchange)[1]).toEqual({ type: "exchange_closed", exchange, complete: false });
  });

  test.each([
    ["little", MIB / 2],
    ["as much as his kernel takes", 32 * MIB],
  ])("is seen to have closed his connection after he had sent %s", async (_, bytes) => {
    const { run, client, exchange } = await startUpload(limits, bytes);
    client.leave();
    await run.log.until(() => run.log.of(exchange).length === 2);
    expect(run.log.of(exchange)[1]).toEqual({ type: "exchange_closed", exchange, complete: false });
  });

  test("is not seen to have left where nobody looks", async () => {
    const { run, client } = await startUpload(never, 32 * MIB);
    client.socket.resetAndDestroy();
    for (let count = 0; count < 10; count++) await run.pulse();
    expect(run.log.all("exchange_closed").filter(({ complete }) => !complete)).toEqual([]);
  });

  test("who stays loses nothing by being looked at", async () => {
    const { run, client, exchange } = await startUpload(limits, 0);
    const body = Buffer.alloc(64 * MIB);
    for (let at = 0; at < body.length; at += 4) body.writeUInt32LE(at, at);
    client.socket.write(body);
    // By now much of it was read ahead.
    for (let count = 0; count < 20; count++) await run.pulse();
    run.server.perform({ type: "exchange_read", exchange });
    await run.log.until(() => run.received(exchange) === body.length);
    const parts = run.log.all("exchange_body").map(({ bytes }) => bytes);
    expect(Buffer.concat(parts).equals(body)).toBe(true);
  });
});

test("many who close at once are all seen to have left", async () => {
  const run = await start({ limits });
  const clients = Array.from({ length: 40 }, () => run.client());
  for (const client of clients) {
    client.send("POST / HTTP/1.1", "Host: x", `Content-Length: ${64 * MIB}`, "", "");
    client.socket.write(Buffer.alloc(2 * MIB));
  }
  await run.opened(clients.length);
  for (const client of clients) client.leave();
  await run.log.until(() => run.log.all("exchange_closed").length === clients.length);
  expect(run.log.all("exchange_body")).toEqual([]);
});
