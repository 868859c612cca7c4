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

it("a server of MoosicBox's protocol tells none", () => {
  const harness = new Harness();
  harness.connect();
  harness.lose();
  harness.connect();
  expect(told(harness)).toEqual([null]);
});
