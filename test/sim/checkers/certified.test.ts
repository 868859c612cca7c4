import { expect, test } from "vitest";
import type { CallId, CertificateId } from "../../../core/ids.ts";
import type { RecalledHome } from "../../../core/registry.ts";
import { certified } from "../../../sim/checkers/certified.ts";
import { judge, type ServerStep, Shows, tick } from "./steps.ts";

const question = 1 as CertificateId;
const call = 1 as CallId;
const asks = (name: string) => ({ type: "certificate_asked", question, name }) as const;
const says = (answer: "granted" | "refused" | "unknown") =>
  ({ type: "certificate_answer", question, answer }) as const;
const asksAbout = (clientId: string) =>
  ({ type: "registry_call", call, operation: { type: "recall_home", clientId } }) as const;
const knows = (home: RecalledHome | null) =>
  ({ type: "registry_answered", call, outcome: { type: "home_recalled", home } }) as const;

function verdict(...steps: ServerStep[]): number {
  return judge(certified, steps);
}

test("certified finds a grant for a name that leads nowhere, and lets the server's own pass", () => {
  expect(verdict([1, asks("Tunnel.Example."), says("granted")])).toBe(0);
  expect(verdict([1, asks("tunnel.example"), says("refused")])).toBe(1);
  expect(verdict([1, asks("example.org"), says("granted")])).toBe(1);
  expect(verdict([1, asks("example.org"), says("refused")])).toBe(0);
});

test("certified goes by the registry's word on a home that is away", () => {
  const away: RecalledHome = { access: "token", seenAgoMs: 5 };
  const asked: ServerStep = [1, asks("h.tunnel.example"), asksAbout("h")];
  expect(verdict(asked, [2, knows(away), says("granted")])).toBe(0);
  expect(verdict(asked, [2, knows(away), says("refused")])).toBe(1);
  expect(verdict(asked, [2, knows(null), says("granted")])).toBe(1);
  expect(verdict(asked, [2, knows(null), says("refused")])).toBe(0);
  expect(verdict([1, asks("h.tunnel.example"), says("refused")])).toBe(1);
});

test("certified finds a question that is answered twice or never", () => {
  expect(verdict([1, asks("example.org"), says("refused")], [2, tick, says("refused")])).toBe(1);
  const shows = new Shows(certified).server([
    [1, asks("h.tunnel.example")],
    [100_000, tick],
  ]);
  const servers = [...shows.servers.values()];
  expect(shows.finish({ servers }).found).toHaveLength(1);
});
