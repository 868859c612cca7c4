import { describe, expect, it } from "vitest";
import { corsHeaders, preflight, withoutCors } from "../../../core/http/cors.ts";
import { headerValue } from "../../../core/http/headers.ts";

const PLAYER = "https://player.example";
const QUESTION = ["Origin", PLAYER, "Access-Control-Request-Method", "PUT"];

describe("corsHeaders", () => {
  it("echo any origin, with credentials, where none is configured", () => {
    const headers = corsHeaders(PLAYER, null);
    expect(headerValue(headers, "access-control-allow-origin")).toBe(PLAYER);
    expect(headerValue(headers, "access-control-allow-credentials")).toBe("true");
    expect(headerValue(headers, "vary")).toBe("Origin");
    expect(headerValue(headers, "access-control-expose-headers")?.split(", ")).toEqual([
      ...["hx-location", "hx-push-url", "hx-redirect", "hx-refresh", "hx-replace-url", "hx-reswap"],
      ...["hx-retarget", "hx-reselect", "hx-trigger", "hx-trigger-after-settle", "hx-trigger-after-swap"],
    ]);
  });

  it("let the configured origins in and nobody else", () => {
    const allowed = ["https://a.example", PLAYER];
    expect(headerValue(corsHeaders(PLAYER, allowed), "access-control-allow-origin")).toBe(PLAYER);
    for (const other of ["https://player.example.evil", "http://player.example", "null", ""]) {
      expect(corsHeaders(other, allowed)).toEqual([]);
    }
    expect(corsHeaders(PLAYER, [])).toEqual([]);
  });

  it("say nothing to a request without an origin", () => {
    expect(corsHeaders(undefined, null)).toEqual([]);
  });
});

describe("preflight", () => {
  it("answers with methods, headers and how long they hold", () => {
    const headers = preflight("OPTIONS", QUESTION, null) ?? [];
    expect(headerValue(headers, "access-control-allow-origin")).toBe(PLAYER);
    expect(headerValue(headers, "access-control-allow-credentials")).toBe("true");
    expect(headerValue(headers, "access-control-allow-methods")).toBe(
      "GET, POST, OPTIONS, DELETE, PUT, PATCH",
    );
    expect(headerValue(headers, "access-control-max-age")).toBe("3600");
    expect(headerValue(headers, "access-control-allow-headers")?.split(", ")).toEqual([
      ...["authorization", "accept", "content-type", "moosicbox-profile", "hx-boosted", "hx-current-url"],
      ...[
        "hx-history-restore-request",
        "hx-prompt",
        "hx-request",
        "hx-target",
        "hx-trigger-name",
        "hx-trigger",
      ],
    ]);
  });

  it("answers an origin that is not allowed without a single CORS header", () => {
    expect(preflight("OPTIONS", QUESTION, ["https://a.example"])).toEqual([]);
  });

  it.each([
    ["a GET", "GET", QUESTION],
    ["OPTIONS without an origin", "OPTIONS", QUESTION.slice(2)],
    ["OPTIONS that ask for no method", "OPTIONS", QUESTION.slice(0, 2)],
  ])("is not %s", (_name, method, headers) => {
    expect(preflight(method, headers, null)).toBeNull();
  });
});

describe("withoutCors", () => {
  it("removes what the origin says on the matter and nothing else", () => {
    const headers = [
      "Vary",
      "Origin",
      "Access-Control-Allow-Origin",
      "*",
      "x",
      "1",
      "access-control-max-age",
      "5",
    ];
    expect(withoutCors(headers)).toEqual(["Vary", "Origin", "x", "1"]);
  });
});
