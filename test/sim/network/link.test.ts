import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Link, type LinkHandler } from "../../../sim/network/link.ts";
import type { PathSettings, QueueOrder } from "../../../sim/scenario/scenario.ts";
import { voidFrame } from "../../../sim/wire/frame.ts";
import { attentive } from "../../../sim/world/host.ts";
import { makePath } from "./paths.ts";

/** A link whose two ends write down what they are told. */
function makeLink(options: { order?: QueueOrder; settings?: Partial<PathSettings>; low?: number } = {}) {
  const { world, path } = makePath(options.settings, options.low);
  const recorder = (log: string[]): LinkHandler => ({
    opened: () => log.push("opened"),
    refused: (status) => log.push(`refused ${status}`),
    text: (text) => log.push(text),
    bytes: (bytes) => log.push(`bytes ${bytes.join(" ")}`),
    heard: () => log.push("heard"),
    flushed: (bytes) => log.push(`flushed ${bytes}`),
    closed: (code, reason) => log.push(`closed ${code} ${reason}`.trim()),
  });
  const client: string[] = [];
  const server: string[] = [];
  const link = new Link(world, {
    path,
    name: "link",
    order: options.order ?? "fifo",
    client: { host: attentive, handler: recorder(client) },
    server: { host: attentive, handler: recorder(server) },
    messageBytesMax: 100_000,
  });
  link.server.accept(null);
  world.runUntil(10_000);
  client.length = 0;
  server.length = 0;
  const settle = (us = 1_000_000) => world.runUntil(world.nowUs + us);
  return { world, path, link, client, server, settle };
}

describe("a link", () => {
  test("carries messages both ways, in order, and tells when they were sent", () => {
    const { link, client, server, settle } = makeLink();
    link.client.sendText("é");
    link.client.sendBytes([new Uint8Array([1]), new Uint8Array([2, 3])]);
    link.server.sendText("down");
    settle();
    expect(client).toEqual(["flushed 2", "flushed 3", "down"]);
    expect(server).toEqual(["flushed 4", "é", "bytes 1 2 3"]);
  });

  test("shares no bytes between its ends", () => {
    const { link, server, settle } = makeLink();
    const bytes = new Uint8Array([1, 2]);
    link.client.sendBytes([bytes]);
    bytes.fill(9);
    settle();
    expect(server).toEqual(["bytes 1 2"]);
  });

  test("never reorders what is under way, however the trips differ and whatever ties", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(5_000), (low, jitterUs) => {
        const { link, server, settle, world } = makeLink({ low, settings: { jitterUs } });
        world.gridUs = 1_000;
        const texts = Array.from({ length: 20 }, (_, index) => `m${index}`);
        for (const text of texts) link.client.sendText(text);
        settle();
        expect(server).toEqual(texts);
      }),
      { numRuns: 30 },
    );
  });

  test("sends smaller messages first where its queue does, equal ones in order", () => {
    const { link, server, settle } = makeLink({ order: "smaller_first" });
    for (const text of ["first", "long long long", "bb", "long", "aa", "longer"]) link.client.sendText(text);
    link.client.close(1000, "");
    settle();
    expect(server).toEqual(["first", "bb", "aa", "long", "longer", "long long long", "closed 1000"]);
  });

  test("answers pings and reports pongs as signs of life", () => {
    const { link, client, server, settle } = makeLink();
    link.server.ping();
    settle();
    expect([client, server]).toEqual([["heard"], ["heard"]]);
  });

  test("closes with a handshake, after what was sent before, and once at each end", () => {
    const { link, client, server, settle } = makeLink();
    link.server.sendText("last words");
    link.server.close(4001, "superseded");
    link.client.sendText("crosses");
    settle();
    expect(client).toEqual(["flushed 7", "last words", "closed 4001 superseded"]);
    expect(server).toEqual(["flushed 10", "crosses", "closed 4001 superseded"]);
  });

  test("gives up a closing handshake that its peer does not finish", () => {
    const { link, server, settle } = makeLink();
    link.lose("up");
    link.server.close(1000, "");
    settle(4_900_000);
    expect(server).toEqual([]);
    settle();
    expect(server).toEqual(["closed 1006"]);
  });

  test("loses what is under way when it is cut, and tells each end in its time", () => {
    const { link, client, server, settle } = makeLink();
    link.client.sendText("under way");
    link.cut({ near: 0, far: 2_000_000 });
    settle();
    expect([client, server]).toEqual([["closed 1006"], []]);
    settle(2_000_000);
    expect(server).toEqual(["closed 1006"]);
  });

  test("delivers what the kernel had when a process hangs up", () => {
    const { link, server, settle, world } = makeLink();
    link.client.sendText("sent");
    world.runUntil(world.nowUs + 500);
    link.client.hangUp();
    settle();
    expect(server).toEqual(["sent", "closed 1006"]);
  });

  test("tells nobody when one direction is lost, and the sender's window fills", () => {
    const { link, client, server, settle } = makeLink();
    link.lose("up");
    for (let index = 0; index < 10; index++) link.client.sendBytes([new Uint8Array(1_000)]);
    settle(10_000_000);
    expect(server).toEqual([]);
    expect(client).toEqual(["flushed 1000", "flushed 1000", "flushed 1000"]);
    link.server.sendText("still heard");
    settle();
    expect(client.at(-1)).toBe("still heard");
  });

  test("holds everything while its lane is held, and lets it go in one burst", () => {
    const { link, path, server, settle } = makeLink();
    path.up.hold();
    path.up.hold();
    link.client.sendText("a");
    link.client.sendText("b");
    settle();
    path.up.release();
    settle();
    expect(server).toEqual([]);
    path.up.release();
    settle();
    expect(server).toEqual(["a", "b"]);
  });

  test("is not read while it is paused, and stops its sender when the window is full", () => {
    const { link, client, server, settle } = makeLink();
    link.server.pause(true);
    for (let index = 0; index < 6; index++) link.client.sendBytes([new Uint8Array(1_000)]);
    settle();
    expect([client.length, server.length]).toEqual([3, 0]);
    link.server.pause(false);
    settle();
    expect([client.length, server.length]).toEqual([6, 6]);
  });

  test("refuses a message that is larger than its reader takes", () => {
    const { link, client, server, settle } = makeLink();
    link.client.sendBytes([new Uint8Array(200_000)]);
    settle();
    expect(server).toEqual(["closed 1006"]);
    expect(client).toEqual(["flushed 200000", "closed 1009"]);
  });

  test("lets a filter take frames away and add some, and still tells of all that was sent", () => {
    const { link, path, client, server, settle } = makeLink();
    path.up.filters.add((frame) => (frame.text === "drop" ? [voidFrame(frame)] : null));
    path.up.filters.add((frame) => (frame.text === "double" ? [frame, { ...frame, flushBytes: 0 }] : null));
    for (const text of ["drop", "double", "keep"]) link.client.sendText(text);
    settle();
    expect(server).toEqual(["double", "double", "keep"]);
    expect(client).toEqual(["flushed 4", "flushed 6", "flushed 4"]);
  });
});
