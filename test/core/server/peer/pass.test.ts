/** What one node shows another: whose a request is, good for that one process, for a while, and once. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { passFields, takePass } from "../../../../core/server/peer/pass.ts";
import type { Hop } from "../../../../core/server/state/peers.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const hmac = (secret: string) => (text: string) => createHmac("sha256", secret).update(text).digest("hex");

const HOP: Hop = {
  node: "node-2",
  clientId: "a home: ü/%",
  tunnel: "17",
  peer: "2001:db8::1%eth0",
  accessHash: "a".repeat(64),
  expectsContinue: true,
};
const HEAD = {
  method: "POST",
  target: "/a?b=c",
  headers: ["Host", "home.test", "X-Twice", "1", "x-twice", "2"],
};

function node(secrets: readonly string[], limits: { readonly passesMax?: number } = {}) {
  return new TestServer(limits, { peerHmacs: secrets.map(hmac) });
}

function signed(from: TestServer, nonce = "aa.0", head = HEAD, hop = HOP) {
  return { ...head, headers: [...head.headers, ...passFields(from.state, head, hop, nonce)] };
}

describe("a pass", () => {
  test("says what was signed, whatever frames the message on its way", () => {
    const head = signed(node(["one"]));
    const received = ["Connection", "keep-alive", "Transfer-Encoding", "chunked", "Expect", "100-continue"];
    expect(takePass(node(["one"]).state, { ...head, headers: [...head.headers, ...received] })).toEqual(HOP);
  });

  test("is good once", () => {
    const to = node(["one"]);
    const head = signed(node(["one"]));
    expect(takePass(to.state, head)).not.toBeNull();
    expect(takePass(to.state, head)).toBeNull();
  });

  test("is good by any secret of the other node, and by no other one", () => {
    const head = signed(node(["one", "two"]));
    expect(takePass(node(["two"]).state, head)).toBeNull();
    expect(takePass(node(["two", "one"]).state, head)).toEqual(HOP);
    expect(takePass(node([]).state, head)).toBeNull();
  });

  test.each([
    ["another method", { method: "PUT" }],
    ["another target", { target: "/a?b=d" }],
    ["another host", { headers: ["Host", "other.test", "X-Twice", "1", "x-twice", "2"] }],
    ["a field more", { headers: [...HEAD.headers, "Cookie", "a=1"] }],
    ["a field less", { headers: HEAD.headers.slice(0, 4) }],
  ])("is good for nothing with %s", (_what, change) => {
    const from = node(["one"]);
    const fields = passFields(from.state, HEAD, HOP, "aa.0");
    const changed = { ...HEAD, ...change };
    const head = { ...changed, headers: [...changed.headers, ...fields] };
    expect(takePass(node(["one"]).state, head)).toBeNull();
  });

  test("is good for nothing where a letter of it was changed", () => {
    const head = signed(node(["one"]));
    const pass = head.headers.at(-1) ?? "";
    for (let at = 0; at < pass.length; at += 7) {
      const other = pass[at] === "0" ? "1" : "0";
      const changed = pass.slice(0, at) + other + pass.slice(at + 1);
      const headers = [...head.headers.slice(0, -1), changed];
      expect(takePass(node(["one"]).state, { ...head, headers })).toBeNull();
    }
  });

  test("is good for as long as clocks may differ, and no longer", () => {
    const { passMs } = node(["one"]).state.config.limits;
    const head = signed(node(["one"]));
    const ahead = node(["one"]);
    ahead.advance(passMs - 1);
    expect(takePass(ahead.state, head)).toEqual(HOP);
    const late = node(["one"]);
    late.advance(passMs);
    expect(takePass(late.state, head)).toBeNull();
  });

  test("is not good again where so many came since that it was forgotten", () => {
    const to = node(["one"], { passesMax: 4 });
    const from = node(["one"]);
    const first = signed(from, "aa.0");
    from.advance(1);
    from.dispatch({ type: "tick" });
    expect(takePass(to.state, first)).not.toBeNull();
    for (let count = 1; count <= 6; count++) {
      from.advance(1);
      from.dispatch({ type: "tick" });
      expect(takePass(to.state, signed(from, `aa.${count}`))).not.toBeNull();
    }
    expect(to.state.peers.passes.shown.size).toBe(4);
    expect(takePass(to.state, first)).toBeNull();
  });
});
