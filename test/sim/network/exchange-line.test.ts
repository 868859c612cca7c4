import { describe, expect, test } from "vitest";
import { ExchangeLine } from "../../../sim/network/exchange-line.ts";
import type { PathSettings } from "../../../sim/scenario/scenario.ts";
import { attentive } from "../../../sim/world/host.ts";
import { makePath } from "./paths.ts";

describe("an exchange line", () => {
  function makeLine(settings: Partial<PathSettings> = {}) {
    const { world, path } = makePath(settings);
    const visitor: string[] = [];
    const node: string[] = [];
    const line = new ExchangeLine({
      world,
      path,
      name: "line",
      request: { method: "GET", target: "/", headers: [], hasBody: true },
      visitor: {
        interim: (status) => visitor.push(`interim ${status}`),
        head: (status) => visitor.push(`head ${status}`),
        body: (bytes) => visitor.push(`body ${bytes.length}`),
        ended: (how) => visitor.push(how),
      },
      host: attentive,
      arrived: () => ({
        body: (bytes) => node.push(`body ${bytes.length}`),
        bodyEnded: () => node.push("body ended"),
        flushed: (bytes) => node.push(`flushed ${bytes}`),
        closed: (complete) => node.push(`closed ${complete}`),
      }),
    });
    const settle = (us = 1_000_000) => world.runUntil(world.nowUs + us);
    return { line, path, visitor, node, settle };
  }

  test("reads a request body only when the node asks for it", () => {
    const { line, node, settle } = makeLine();
    line.sendBody(new Uint8Array(5));
    line.endBody();
    settle();
    expect(node).toEqual([]);
    line.read();
    settle();
    expect(node).toEqual(["body 5", "body ended"]);
  });

  test("carries a response, tells of what left, and ends once at each side", () => {
    const { line, visitor, node, settle } = makeLine();
    line.respondHead(200, []);
    line.respondBody(new Uint8Array(7));
    line.respondEnd();
    settle();
    line.leave();
    settle();
    expect(visitor).toEqual(["head 200", "body 7", "complete"]);
    expect(node).toEqual(["flushed 7", "closed true"]);
  });

  test("never ends cleanly when it is cut in the middle", () => {
    const { line, visitor, node, settle } = makeLine();
    line.respondHead(200, []);
    line.respondBody(new Uint8Array(7));
    settle();
    line.respondCut();
    line.respondEnd();
    settle();
    expect(visitor).toEqual(["head 200", "body 7", "cut"]);
    expect(node).toEqual(["flushed 7", "closed false"]);
  });

  test("holds the node back while the visitor does not read", () => {
    const { line, visitor, node, settle } = makeLine();
    line.pauseReading(true);
    line.respondHead(200, []);
    for (let index = 0; index < 9; index++) line.respondBody(new Uint8Array(1_000));
    settle();
    expect(visitor).toEqual([]);
    expect(node.length).toBe(3);
    line.pauseReading(false);
    settle();
    expect(node.length).toBe(9);
  });

  test("tells the node that the visitor has left, once the news has travelled", () => {
    const { line, visitor, node, settle } = makeLine({ latencyUs: 50_000 });
    line.leave();
    settle(49_000);
    expect(node).toEqual([]);
    settle(2_000);
    expect(node).toEqual(["closed false"]);
    expect(visitor).toEqual([]);
  });

  test("breaks at both sides when the network cuts it", () => {
    const { path, visitor, node, settle } = makeLine();
    path.cutAll(0, 10_000);
    settle();
    expect([visitor, node]).toEqual([["cut"], ["closed false"]]);
  });

  test("ends by the visitor's own patience when the node's machine vanishes", () => {
    const { line, visitor, node, settle } = makeLine();
    line.vanish();
    settle(14_000_000);
    expect(visitor).toEqual([]);
    settle();
    expect([visitor, node]).toEqual([["cut"], []]);
  });
});
