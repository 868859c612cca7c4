import { describe, expect, test } from "vitest";
import { endToEnd } from "../../../sim/checkers/end-to-end.ts";
import { Visit } from "../../../sim/record/visit.ts";
import { answerOf } from "../../../sim/scenario/model.ts";
import { visit as visitTo } from "../scenarios.ts";
import { head, judge, packet, Shows, underWay } from "./steps.ts";

describe("end_to_end", () => {
  const origin = ["origin", "https://player.example"];
  test.each([
    ["nobody asked, nobody is told", 0, [], []],
    ["nobody asked, all are told", 1, [], ["access-control-allow-origin", "*"]],
    ["it is echoed", 0, origin, ["access-control-allow-origin", "https://player.example"]],
    ["it is left out", 1, origin, []],
  ] as const)("CORS: %s: %i violations", (_name, violations, asked, told) => {
    expect(judge(endToEnd, [...underWay(asked), [4, packet(1, 0), head(told)]])).toBe(violations);
  });
});

describe("end_to_end of a home that names itself", () => {
  const OUT = "https://home0.tunnel.example/named/by/itself";
  const BELOW = "https://tunnel.example/t/home0/named/by/itself";
  test.each([
    ["it is the visitor's name for it", 0, "host", ["Location", OUT, "Set-Cookie", "named=1; Path=/"]],
    ["it is the service's address", 1, "host", ["Link", "<http://origin.test/named/by/itself>; rel=next"]],
    ["its cookie is for the service's host", 1, "query", ["Set-Cookie", "named=1; Domain=files.test"]],
    ["it is below the home's path", 0, "path", ["Location", BELOW, "Set-Cookie", "named=1; Path=/t/home0/"]],
    ["it is not below the home's path", 1, "path", ["Location", OUT]],
    ["its cookie is for all homes", 1, "path", ["Location", BELOW, "Set-Cookie", "named=1; Path=/"]],
  ] as const)("%s: %i violations", (_name, violations, way, headers) => {
    const shows = new Shows(endToEnd);
    const operation = visitTo(1, 0, { request: way === "query" ? {} : { way } });
    const visit = new Visit(operation, { clientId: "home0" }, answerOf("home0", operation), 0);
    shows.checker.visitHead?.(visit, 200, ["x-home-answer", "1", ...headers]);
    expect(shows.found).toHaveLength(violations);
  });
});
