import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { listen } from "../adapters/listen.ts";
import { startTcpRelay, type TcpRelay, type TcpRelayOptions } from "./tcp-relay.ts";

/** Of a MiB: much more than the relay and the kernel hold together. */
const PIECES = 64;

describe("the TCP relay", () => {
  const cleanups: (() => void | Promise<void>)[] = [];
  /** Connections as the server behind the relay has them. */
  let arrived: Socket[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    arrived = [];
  });

  it("passes bytes both ways, in order, and the end of each direction by itself", async () => {
    const { relay } = await start((socket) => {
      socket.on("data", (bytes) => socket.write(bytes));
      socket.on("end", () => socket.end("bye"));
    });
    const socket = visit(relay);
    const sent = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
    socket.end(sent);
    expect(Buffer.concat(await bytesOf(socket))).toEqual(Buffer.concat([sent, Buffer.from("bye")]));
    expect(relay.cuts).toBe(0);
  });

  it("holds bytes for the delay in each direction", async () => {
    const { relay } = await start((socket) => socket.pipe(socket), { delayMs: 60 });
    const socket = visit(relay);
    const sentAt = performance.now();
    for (const piece of ["a", "b", "c"]) socket.write(piece);
    await once(socket, "data");
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(120);
    socket.end();
    expect(Buffer.concat(await bytesOf(socket)).toString()).toBe("");
  });

  it("makes the sender wait when it holds what it may", async () => {
    const heldBytesMax = 1_000_000;
    const { relay } = await start((socket) => socket.pause(), { heldBytesMax, delayMs: 5 });
    const socket = visit(relay);
    const piece = Buffer.alloc(2 ** 20);
    let taken = 0;
    for (let count = 0; count < PIECES; count++) socket.write(piece, () => (taken += 1));
    const server = await serverSide(relay);
    let takenBefore = 0;
    await expect
      .poll(() => {
        const isStill = taken > 0 && taken === takenBefore;
        takenBefore = taken;
        return isStill;
      })
      .toBe(true);
    expect(taken).toBeLessThan(PIECES / 2);
    let received = 0;
    server.on("data", (bytes: Buffer) => {
      received += bytes.length;
    });
    socket.end();
    server.resume();
    await once(server, "end");
    expect(received).toBe(PIECES * piece.length);
  });

  it("resets both ends when it is cut, and takes the next connection", async () => {
    const { relay } = await start((socket) => socket.pipe(socket));
    const first = visit(relay);
    first.write("x");
    await once(first, "data");
    const behind = await serverSide(relay);
    relay.cut();
    await Promise.all([closed(first), closed(behind)]);
    expect(relay).toMatchObject({ cuts: 1, connections: 0 });
    const second = visit(relay);
    second.write("y");
    expect(String(await once(second, "data"))).toBe("y");
    expect(relay.connections).toBe(1);
  });

  it("lets nobody through for as long as a cut lasts", async () => {
    const { relay } = await start((socket) => socket.pipe(socket));
    relay.cut(150);
    const cutAt = performance.now();
    expect(relay.cuts).toBe(0);
    const early = visit(relay);
    await closed(early);
    expect(arrived).toEqual([]);
    await expect
      .poll(async () => {
        const socket = visit(relay);
        socket.write("x");
        return Promise.race([once(socket, "data").then(String), closed(socket)]);
      })
      .toBe("x");
    expect(performance.now() - cutAt).toBeGreaterThanOrEqual(150);
  });

  it("cuts again and again until it is told to stop", async () => {
    const { relay } = await start((socket) => socket.pipe(socket));
    const stop = relay.cutEvery(40, 10);
    for (let cut = 1; cut <= 2; cut++) {
      await expect
        .poll(async () => {
          await closed(visit(relay));
          return relay.cuts;
        })
        .toBeGreaterThanOrEqual(cut);
    }
    stop();
    const { cuts } = relay;
    const last = visit(relay);
    last.end("x");
    expect(Buffer.concat(await bytesOf(last)).toString()).toBe("x");
    expect(relay.cuts).toBe(cuts);
  });

  it("hands on that nobody listens, and that an end was reset", async () => {
    const gone = createServer();
    const address = await listen(gone, []);
    gone.close();
    await once(gone, "close");
    const lonely = await startTcpRelay({ port: portOf(address) });
    cleanups.push(() => lonely.close());
    const early = visit(lonely);
    await closed(early);

    const { relay } = await start(() => {});
    const socket = visit(relay);
    const behind = await serverSide(relay);
    behind.resetAndDestroy();
    await closed(socket);
    await expect.poll(() => relay.connections).toBe(0);
  });

  it("is gone after it was closed, with what stood", async () => {
    const { relay } = await start(() => {});
    const socket = visit(relay);
    const behind = await serverSide(relay);
    await Promise.all([relay.close(), closed(socket), closed(behind)]);
    const late = connect(relay.port, "127.0.0.1");
    const [error] = await once(late, "error");
    expect(error).toMatchObject({ code: "ECONNREFUSED" });
  });

  /** A server with that to do for each connection, and a relay in front of it. */
  async function start(
    serve: (socket: Socket) => void,
    options: Omit<TcpRelayOptions, "port"> = {},
  ): Promise<{ readonly relay: TcpRelay }> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      arrived.push(socket);
      socket.on("error", () => {});
      serve(socket);
    });
    const address = await listen(server, cleanups);
    const relay = await startTcpRelay({ port: portOf(address), ...options });
    cleanups.push(() => relay.close());
    return { relay };
  }

  function visit(relay: TcpRelay): Socket {
    const socket = connect({ port: relay.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    cleanups.push(() => void socket.destroy());
    return socket;
  }

  /** The latest connection behind the relay, which has only this one. */
  async function serverSide(relay: TcpRelay): Promise<Socket> {
    await expect.poll(() => arrived.filter((socket) => !socket.destroyed).length).toBe(1);
    expect(relay.connections).toBe(1);
    const socket = arrived.find((candidate) => !candidate.destroyed);
    if (socket === undefined) throw new Error("nobody arrived");
    return socket;
  }
});

function portOf(address: string): number {
  return Number(address.split(":")[1]);
}

/** However it ended: `once` of `node:events` rejects when an error comes first. */
function closed(socket: Socket): Promise<"closed"> {
  return new Promise((resolve) => socket.once("close", () => resolve("closed")));
}

async function bytesOf(socket: Socket): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => pieces.push(bytes));
  await once(socket, "end");
  return pieces;
}
