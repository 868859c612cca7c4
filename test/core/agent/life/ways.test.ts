import { expect, it } from "vitest";
import type { Ways } from "../../../../core/wire/ways.ts";
import { Harness } from "../harness.ts";
import { NativeServer } from "../native/harness.ts";

function told({ effects }: Harness): (Ways | null)[] {
  return effects.flatMap((effect) =>
    effect.type === "report" && effect.report.type === "reachable" ? [effect.report.ways] : [],
  );
}

it("the ways into the home are told at first and when they change, not at each return", () => {
  const server = new NativeServer();
  const one = { host: "home.tunnel.test", path: null };
  const other = { host: "home.tunnel.test", path: "/t/home/" };
  for (const ways of [one, { ...one }, other, other, undefined, undefined, one]) {
    server.greet();
    server.welcome(false, ways);
    server.cut();
  }
  expect(told(server.agent)).toEqual([one, other, null, one]);
});

it("a name that was asked for and is not told is told of once, and again when the server has changed its mind", () => {
  const server = new NativeServer({ hostname: "photos.example.org" });
  const refusals = () =>
    server.agent.effects.filter((each) => each.type === "report" && each.report.type === "hostname_refused");
  const ways = (host: string | null) => ({ host, path: "/t/home/" });
  for (const [host, count] of [
    ["photos.example.org", 0],
    ["home.tunnel.test", 1],
    ["home.tunnel.test", 1],
    ["photos.example.org", 1],
    [null, 2],
  ] as const) {
    server.greet();
    expect(server.hello?.host).toBe("photos.example.org");
    server.welcome(false, ways(host));
    expect(refusals()).toHaveLength(count);
    expect(server.agent.phase).toBe("connected");
    server.cut();
  }
});

it("a server of MoosicBox's protocol tells none", () => {
  const harness = new Harness();
  harness.connect();
  harness.lose();
  harness.connect();
  expect(told(harness)).toEqual([null]);
});
