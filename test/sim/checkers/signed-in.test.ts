import { expect, test } from "vitest";
import { edgeLimits } from "../../../core/edge/limits.ts";
import { agentLimits, serverLimits } from "../../../core/limits.ts";
import { signedIn } from "../../../sim/checkers/signed-in.ts";
import { targetOf } from "../../../sim/faults/index.ts";
import type { BrowserAnswer } from "../../../sim/record/browser.ts";
import { PAGE_HEADER } from "../../../sim/scenario/model.ts";
import type { BrowserOperation, HomeSpec } from "../../../sim/scenario/scenario.ts";
import { busyScenario } from "../scenarios.ts";
import { watch } from "./observations.ts";

const [home] = busyScenario([]).homes;
const operation = { kind: "browser", id: 1, atMs: 0, home: 0, way: "path", steps: [] } as const;
const FROM_HOME = [PAGE_HEADER, "1"];
const COOKIE = "culvert-session=token.1.a; Path=/t/home0/; Max-Age=60; HttpOnly; SameSite=Lax";
const GONE = "culvert-session=; Path=/t/home0/; Max-Age=0; HttpOnly; SameSite=Lax";

function verdict(
  answer: Partial<Omit<BrowserAnswer, "home" | "operation">>,
  {
    calm = false,
    access,
    ...way
  }: { calm?: boolean; access?: HomeSpec["access"] } & Partial<BrowserOperation> = {},
): number {
  if (home === undefined) throw new RangeError("there is no home");
  const { checker, found } = watch(signedIn);
  checker.begun?.({
    scenario: busyScenario([], { calm }),
    serverLimits: { ...serverLimits, sessionLifetimeMs: 60_000 },
    edgeLimits,
    agentLimits,
    targetOf,
  });
  checker.browserAnswered?.({
    operation: { ...operation, ...way },
    home: { ...home, ...(access === undefined ? {} : { access }) },
    does: "look",
    isWhole: true,
    status: 404,
    headers: [],
    signedInMs: null,
    ...answer,
  });
  return found.length;
}

test("signed_in finds who is served and has not signed in, or whose page is another's", () => {
  expect(verdict({ headers: FROM_HOME })).toBe(1);
  expect(verdict({ headers: FROM_HOME }, { access: "public" })).toBe(0);
  expect(verdict({ headers: FROM_HOME, signedInMs: 5 })).toBe(0);
  expect(verdict({ headers: FROM_HOME, signedInMs: 5, does: "foreign_form" })).toBe(1);
  expect(verdict({ headers: FROM_HOME, signedInMs: 5, does: "sign_out" })).toBe(1);
});

test("signed_in finds a cookie that is too wide, or that nobody signed in for", () => {
  const set = (cookie: string, does: BrowserAnswer["does"] = "sign_in") =>
    verdict({ does, status: 303, headers: ["set-cookie", cookie] });
  expect(set(COOKIE)).toBe(0);
  expect(set(COOKIE.replace("/t/home0/", "/"))).toBe(1);
  expect(set(COOKIE.replace(" HttpOnly;", ""))).toBe(1);
  expect(set(COOKIE, "sign_in_wrongly")).toBe(1);
  expect(set(COOKIE, "foreign_sign_in")).toBe(1);
  expect(set(GONE, "sign_out")).toBe(0);
  expect(set(COOKIE, "sign_out")).toBe(1);
  expect(verdict({ headers: [...FROM_HOME, "set-cookie", COOKIE], signedInMs: 5 })).toBe(1);
});

test("signed_in wants a calm world to serve who is signed in, until his cookie is over", () => {
  const calm = { calm: true };
  expect(verdict({ status: 401, signedInMs: 5 }, calm)).toBe(1);
  expect(verdict({ headers: FROM_HOME, signedInMs: 5 }, calm)).toBe(0);
  expect(verdict({ status: 401, signedInMs: 70_000 }, calm)).toBe(0);
  expect(verdict({ headers: FROM_HOME, signedInMs: 70_000 }, calm)).toBe(2);
  expect(verdict({ does: "sign_in", status: 401 }, calm)).toBe(1);
  expect(verdict({ does: "foreign_sign_out", status: 303 }, calm)).toBe(1);
});
