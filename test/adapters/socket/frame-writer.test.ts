import { once } from "node:events";
import net from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FrameWriter } from "../../../adapters/socket/frame-writer.ts";
import { countWrites } from "../count-writes.ts";

const KIB = 1024;
const HEADER = Buffer.from("a header of 19 byte");

const cleanups: (() => void)[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const clean of cleanups.splice(0).reverse()) clean();
});

describe.each([
  ["a client", true],
  ["a server", false],
])("the writer of %s", (_, masked) => {
  let run: Awaited<ReturnType<typeof start>>;
  beforeEach(async () => {
    run = await start(masked);
  });

  test.each([0, 1, 125, 126, 127, 16 * KIB - 1, 16 * KIB, 65_535, 65_536, 300 * KIB])(
    "makes one final frame of %i bytes, however they are cut, and leaves them as they are",
    async (size) => {
      const whole = Buffer.from(Array.from({ length: size }, (_each, index) => index % 251));
      const text = "é".repeat(size >> 1);
      for (const cuts of [[0], [Math.floor(size / 3)], [Math.floor(size / 3), Math.floor(size / 2)]]) {
        const given = Buffer.from(whole);
        run.writer.binary(given.subarray(0, cuts[0]), partsOf(given.subarray(cuts[0]), cuts));
        run.writer.text(text);
        const frames = await run.frames(2);
        expect(frames.map(({ kind }) => kind)).toEqual([0x82, 0x81]);
        expect(frames[0]?.payload.equals(whole)).toBe(true);
        expect(frames[1]?.payload.toString()).toBe(text);
        expect(given.equals(whole)).toBe(true);
      }
      await vi.waitUntil(() => run.goneBytes() === 3 * (size + Buffer.byteLength(text)));
    },
  );

  test("has up to eight small messages of a turn share a write, and tells of them together", async () => {
    const writes = countWrites();
    for (let index = 0; index < 10; index++) run.writer.text("ten bytes!");
    expect(writes.count()).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes.count()).toBe(2);
    await vi.waitUntil(() => run.goneBytes() === 100);
    expect(run.gone).toEqual([80, 20]);
    expect(await run.frames(10)).toHaveLength(10);
  });

  test("has messages of some KiB share a write all the same", async () => {
    const writes = countWrites();
    for (let index = 0; index < 8; index++) run.writer.binary(HEADER, [Buffer.alloc(5 * KIB, index)]);
    expect(writes.count()).toBe(1);
    const frames = await run.frames(8);
    expect(frames.map(({ payload }) => payload[HEADER.length])).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("sends a large message at once, and with it the small ones that were before it", async () => {
    const writes = countWrites();
    run.writer.text("small");
    expect(writes.count()).toBe(0);
    run.writer.binary(
      HEADER,
      Array.from({ length: 8 }, () => Buffer.alloc(8 * KIB)),
    );
    expect(writes.count()).toBe(1);
    const frames = await run.frames(2);
    expect(frames.map(({ payload }) => payload.length)).toEqual([5, 64 * KIB + HEADER.length]);
  });

  test("sends what waits when it is told to, and nothing where nothing waits", () => {
    const writes = countWrites();
    run.writer.flush();
    expect(writes.count()).toBe(0);
    run.writer.text("small");
    run.writer.flush();
    expect(writes.count()).toBe(1);
  });

  test("gives each large message its own bytes, though those before it lend their memory", async () => {
    const sizes = [60_000, 60_000, 20_000, 40_000];
    for (let round = 0; round < 10; round++) {
      for (const [index, size] of sizes.entries()) {
        run.writer.binary(HEADER, [Buffer.alloc(size, 4 * round + index)]);
      }
      // Some at a time, so that the memory of those before is free.
      for (const [index, { payload }] of (await run.frames(4)).entries()) {
        const body = payload.subarray(HEADER.length);
        expect(body.equals(Buffer.alloc(sizes[index] ?? 0, 4 * round + index))).toBe(true);
      }
      await vi.waitUntil(() => run.gone.length === 4 * (round + 1));
    }
  });

  test("lends no memory to two messages that wait together", async () => {
    const size = 300 * KIB;
    for (let index = 0; index < 8; index++) run.writer.binary(HEADER, [Buffer.alloc(size)]);
    await run.frames(8);
    await vi.waitUntil(() => run.gone.length === 8);
    run.peer.pause();
    for (let index = 0; index < 40; index++) run.writer.binary(HEADER, [Buffer.alloc(size, index)]);
    run.peer.resume();
    for (const [index, { payload }] of (await run.frames(40)).entries()) {
      expect(payload.subarray(HEADER.length).equals(Buffer.alloc(size, index))).toBe(true);
    }
  });

  test("never tells of what could not leave", async () => {
    const size = 1_000_000 - HEADER.length;
    run.peer.pause();
    for (let index = 0; index < 64; index++) run.writer.binary(HEADER, [Buffer.alloc(size)]);
    run.writer.text("small");
    run.writer.flush();
    run.stream.destroy();
    await once(run.stream, "close");
    expect(run.gone.length).toBeLessThan(64);
    expect(run.goneBytes() % 1_000_000).toBe(0);
  });
});

type Frame = { readonly kind: number; readonly payload: Buffer };

/** A writer to one end of a connection, and the frames that arrive at the other. */
async function start(masked: boolean) {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  cleanups.push(() => server.close());
  await once(server, "listening");
  const peer = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  const [stream] = (await once(server, "connection")) as [net.Socket];
  for (const socket of [peer, stream]) {
    socket.on("error", () => {});
    cleanups.push(() => socket.destroy());
  }
  const gone: number[] = [];
  const writer = new FrameWriter({ stream, masked, onGone: (bytes) => gone.push(bytes) });
  const arrived: Frame[] = [];
  let rest: Buffer = Buffer.alloc(0);
  peer.on("data", (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    for (let frame = takeFrame(rest, masked); frame !== null; frame = takeFrame(rest, masked)) {
      arrived.push(frame);
      rest = rest.subarray(frame.end);
    }
  });
  return {
    writer,
    stream,
    peer,
    gone,
    goneBytes: () => gone.reduce((sum, bytes) => sum + bytes, 0),
    async frames(count: number): Promise<Frame[]> {
      while (arrived.length < count) await once(peer, "data");
      return arrived.splice(0);
    },
  };
}

/** RFC 6455 section 5.2; null where it is not there as a whole. */
function takeFrame(bytes: Buffer, masked: boolean): (Frame & { readonly end: number }) | null {
  if (bytes.length < 2) return null;
  const [kind = 0, second = 0] = bytes;
  expect(second >> 7).toBe(masked ? 1 : 0);
  const short = second & 0x7f;
  const lengthEnd = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < lengthEnd) return null;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const start = lengthEnd + (masked ? 4 : 0);
  const end = start + length;
  if (bytes.length < end) return null;
  const key = bytes.subarray(lengthEnd, start);
  const payload = bytes.subarray(start, end);
  return {
    kind,
    payload: masked ? Buffer.from(payload.map((byte, at) => byte ^ (key[at % 4] ?? 0))) : payload,
    end,
  };
}

function partsOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const middle = Math.min(bytes.length, cuts[1] ?? bytes.length);
  return cuts.length === 1 && bytes.length === 0
    ? []
    : [bytes.subarray(0, middle), Buffer.alloc(0), bytes.subarray(middle)];
}
