import { describe, expect, test } from "vitest";
import { VisitorLine } from "../../../sim/network/visitor-line.ts";
import type { PathSettings } from "../../../sim/scenario/scenario.ts";
import { attentive } from "../../../sim/world/host.ts";
import { makePath } from "./paths.ts";

describe("a visitor's line", () => {
  function makeLine(settings: Partial<PathSettings> = {}) {
    const { world, path } = makePath(settings);
    const visitor: string[] = [];
    const server: string[] = [];
    const line = new VisitorLine({
      world,
      path,
      name: "line",
      visitor: {
        bytes: (bytes) => visitor.push(`bytes ${bytes.length}`),
        ended: (how) => visitor.push(how),
      },
      host: attentive,
      accept: () => ({
        bytes: (bytes) => server.push(`bytes ${bytes.length}`),
        flushed: (bytes) => server.push(`flushed ${bytes}`),
        ended: () => server.push("ended"),
        left: () => {},
        closed: (cause) => server.push(`closed ${cause}`),
      }),
    });
    const settle = (us = 1_000_000) => world.runUntil(world.nowUs + us);
    return { line, path, visitor, server, settle };
  }

  test("carries bytes both ways, and tells what left", () => {
    const { line, visitor, server, settle } = makeLine();
    line.send(new Uint8Array(3));
    line.write(new Uint8Array(7));
    settle();
    expect([visitor, server]).toEqual([["bytes 7"], ["flushed 7", "bytes 3"]]);
  });

  test("closes by itself when both sides have ended", () => {
    const { line, visitor, server, settle } = makeLine();
    line.sayEnd();
    settle();
    expect(server).toEqual(["ended"]);
    line.write(new Uint8Array(7));
    line.end();
    settle();
    expect(visitor).toEqual(["bytes 7", "in_order"]);
    expect(server).toEqual(["ended", "flushed 7", "closed null"]);
  });

  test("keeps bytes and end from a server that does not read", () => {
    const { line, server, settle } = makeLine();
    line.pause(true);
    line.send(new Uint8Array(3));
    line.sayEnd();
    settle();
    expect(server).toEqual([]);
    line.pause(false);
    settle();
    expect(server).toEqual(["bytes 3", "ended"]);
  });

  test("brings what has left before the end that the server's close is", () => {
    const { line, visitor, server, settle } = makeLine();
    line.write(new Uint8Array(7));
    settle(8_000);
    line.close();
    settle();
    expect(visitor).toEqual(["bytes 7", "in_order"]);
    expect(server).toEqual(["flushed 7", "closed null"]);
  });

  test("is reset where the server closes it with bytes unread, and what was under way is lost", () => {
    const { line, visitor, settle } = makeLine();
    line.pause(true);
    line.send(new Uint8Array(3));
    settle();
    line.write(new Uint8Array(7));
    settle(500);
    line.close();
    settle();
    expect(visitor).toEqual(["reset"]);
  });

  test("is reset where bytes come after the server's close", () => {
    const { line, visitor, settle } = makeLine();
    line.pauseReading(true);
    line.write(new Uint8Array(7));
    settle();
    line.close();
    line.send(new Uint8Array(1));
    settle();
    expect(visitor).toEqual(["reset"]);
  });

  test("tells a server that writes to a visitor who closed it", () => {
    const { line, visitor, server, settle } = makeLine();
    line.leave();
    settle();
    expect(server).toEqual(["ended"]);
    line.write(new Uint8Array(7));
    settle();
    expect(server).toEqual(["ended", "flushed 7", "closed reset"]);
    expect(visitor).toEqual([]);
  });

  test("loses what is under way when the visitor resets it, once the news has travelled", () => {
    const { line, server, settle } = makeLine({ latencyUs: 50_000 });
    line.abort();
    settle(49_000);
    expect(server).toEqual([]);
    settle(2_000);
    expect(server).toEqual(["closed reset"]);
  });

  test("breaks at both sides when the network cuts it", () => {
    const { path, visitor, server, settle } = makeLine();
    path.cutAll(0, 10_000);
    settle();
    expect([visitor, server]).toEqual([["reset"], ["closed reset"]]);
  });

  test("is reset behind what has left when the server's process dies", () => {
    const { line, visitor, server, settle } = makeLine();
    line.write(new Uint8Array(7));
    settle(8_000);
    line.abandon();
    settle();
    expect(visitor).toEqual(["bytes 7", "reset"]);
    expect(server).toEqual(["flushed 7"]);
  });

  test("ends by the visitor's own patience when the server's machine vanishes", () => {
    const { line, visitor, server, settle } = makeLine();
    line.vanish();
    settle(14_000_000);
    expect(visitor).toEqual([]);
    settle();
    expect([visitor, server]).toEqual([["reset"], []]);
  });
});
