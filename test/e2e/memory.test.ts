/** How much memory a big download takes in server and agent, whoever reads it: processes as people start them. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { serverLimits } from "../../core/limits.ts";
import { clientTokenIn, startAgent, startServer } from "../demo/culvert.ts";
import { startOrigin } from "../helpers/origin.ts";
import { type Protocol, type Status, startTunnel, temporaryFolder, visitorsOf } from "../helpers/tunnel.ts";
import { open } from "../helpers/visitor.ts";

const MIB = 1024 * 1024;
const SONG_BYTES = 256 * MIB;
const PIECE_BYTES = 64 * 1024;

/** Of the issue: for each of the two processes, at its peak. */
const RESIDENT_BYTES_MAX = 200 * MIB;

/** No two pieces are the same, so that a piece that is lost, doubled or moved shows. */
function piece(index: number): Buffer {
  const bytes = Buffer.alloc(PIECE_BYTES, index % 251);
  bytes.writeUInt32BE(index);
  return bytes;
}

const PIECES = SONG_BYTES / PIECE_BYTES;

function* song(from = 0): Generator<Buffer> {
  for (let index = from; index < PIECES; index++) yield piece(index);
}

function sha256OfSong(): string {
  const hash = createHash("sha256");
  for (const part of song()) hash.update(part);
  return hash.digest("hex");
}

async function startHome(protocol: Protocol) {
  const origin = await startOrigin((request, response) => {
    if (!request.url?.startsWith("/song")) {
      response.end("small");
      return;
    }
    Readable.from(song()).pipe(response);
  });
  const server = await startServer();
  onTestFinished(() => server.child.stop());
  const stateFile = join(temporaryFolder(), "agent.json");
  const agent = await startAgent({ server, to: origin.url, clientId: "home", stateFile, protocol });
  onTestFinished(() => agent.stop());
  const clientToken = clientTokenIn(stateFile);
  const visitors = visitorsOf(server, "home", clientToken);
  return {
    peaks: () => ({ server: peakBytes(server.child.pid), agent: peakBytes(agent.pid) }),
    askSmall: async () => (await visitors.ask("/small")).body.toString(),
    openSong: () =>
      open(server.url + visitors.target("/song"), { headers: { authorization: `Bearer ${clientToken}` } }),
  };
}

/** The most that a process was ever resident with. */
function peakBytes(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
}

const PROTOCOLS = ["moosicbox", "native"] as const;

test.each(PROTOCOLS)(
  "a download of 256 MiB by a fast visitor of a %s home is byte-exact and leaves both processes below 200 MiB",
  async (protocol) => {
    const home = await startHome(protocol);
    const response = await home.openSong();
    const hash = createHash("sha256");
    for await (const part of response) hash.update(part);
    expect(response.complete).toBe(true);
    expect(hash.digest("hex")).toBe(sha256OfSong());
    const { server, agent } = home.peaks();
    expect(server).toBeLessThan(RESIDENT_BYTES_MAX);
    expect(agent).toBeLessThan(RESIDENT_BYTES_MAX);
  },
);

test.each(PROTOCOLS)(
  "H22: a visitor of a %s home who reads in fits and starts keeps nobody else waiting, and both processes below 200 MiB",
  async (protocol) => {
    const home = await startHome(protocol);
    const response = await home.openSong();
    const parts: AsyncIterator<Buffer> = response[Symbol.asyncIterator]();
    let bytes = 0;
    const readTo = async (goal: number): Promise<void> => {
      while (bytes < goal) {
        const next = await parts.next();
        if (next.done === true) return;
        bytes += next.value.length;
      }
    };
    for (let stall = 1; stall <= 20; stall++) {
      // He may be given up for lagging behind by more than the limit. Then he has a part, and knows that it is one.
      await readTo(stall * MIB).catch(() => {});
      // He reads nothing while these are answered.
      const answers = await Promise.all(Array.from({ length: 10 }, () => home.askSmall()));
      expect(answers).toEqual(answers.map(() => "small"));
    }
    await readTo(Number.POSITIVE_INFINITY).catch(() => {});
    expect(response.complete).toBe(bytes === SONG_BYTES);
    const { server, agent } = home.peaks();
    expect(server).toBeLessThan(RESIDENT_BYTES_MAX);
    expect(agent).toBeLessThan(RESIDENT_BYTES_MAX);
    expect(await home.askSmall()).toBe("small");
  },
);

/**
 * A tunnel that waits for a visitor who reads nothing. It is read for a moment once in a ping period.
 *
 * What a visitor lags behind is what the server was given for him and the kernel has not taken, and how much that takes,
 * and when, is the kernel's affair: megabytes more where `tcp_rmem` and `tcp_wmem` allow it, some of them after the pause
 * has begun. So the home is made to say no more than fits below the limit, until the kernel leaves that much with the
 * server: none of this may pause the tunnel. Then it says the rest.
 */
async function startStalled() {
  const { heldBytesSoft } = serverLimits;
  const songAtHome = Promise.withResolvers<ServerResponse>();
  const tunnel = await startTunnel(
    (request, response) => {
      if (!request.url?.startsWith("/song")) return void response.end("small");
      response.flushHeaders();
      songAtHome.resolve(response);
    },
    { server: { limits: { pingMs: 100 } } },
  );
  const response = await open(tunnel.server.url + tunnel.target("/song"), {
    headers: { authorization: `Bearer ${tunnel.clientToken}` },
  });
  const atHome = await songAtHome.promise;

  let pieces = 0;
  let { bytesOut, heldBytes } = await tunnel.server.status();
  for (;;) {
    const fitting = Math.floor((heldBytesSoft - heldBytes) / PIECE_BYTES);
    if (fitting === 0) break;
    for (let count = 0; count < fitting; count++) atHome.write(piece(pieces++));
    bytesOut += fitting * PIECE_BYTES;
    await expect.poll(tunnel.server.status, { interval: 10 }).toMatchObject({ bytesOut, tunnelPauses: 0 });
    ({ heldBytes } = await tunnel.server.status());
  }

  Readable.from(song(pieces)).pipe(atHome);
  await expect
    .poll(tunnel.server.status)
    .toSatisfy((now: Status) => now.tunnelPauses > 3 && now.heldBytes > heldBytesSoft);
  expect((await tunnel.server.status()).heldBytes).toBeLessThan(2 * heldBytesSoft);
  return { tunnel, response };
}

test("H22: a visitor who stalls while nobody else wants anything has his tunnel wait at the soft limit, and loses no byte", async () => {
  const { tunnel, response } = await startStalled();
  const hash = createHash("sha256");
  for await (const part of response) hash.update(part);
  expect(response.complete).toBe(true);
  expect(hash.digest("hex")).toBe(sha256OfSong());
  expect(await tunnel.server.status()).toMatchObject({ exchanges: 0, heldBytes: 0 });
});

test("H21: a visitor who leaves while his tunnel waits for him gives everything back, and the next one is served", async () => {
  const { tunnel, response } = await startStalled();
  response.destroy();
  await tunnel.server.log.line("exchange ended", { outcome: "visitor_left" });
  expect(await tunnel.server.status()).toMatchObject({ exchanges: 0, heldBytes: 0, abortsSent: 1 });
  expect((await tunnel.ask("/small")).body.toString()).toBe("small");
});
