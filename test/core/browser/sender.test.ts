import { describe, expect, it } from "vitest";
import { isNavigation, senderOf } from "../../../core/browser/sender.ts";
import type { Site } from "../../../core/http/site.ts";

const SITE: Site = { scheme: "https", authority: "a.example.com", prefix: "" };

describe("the sender of a request", () => {
  it.each([
    ["own", ["Sec-Fetch-Site", "same-origin"]],
    ["own", ["Sec-Fetch-Site", "none"]],
    ["other", ["Sec-Fetch-Site", "same-site"]],
    ["other", ["Sec-Fetch-Site", "cross-site"]],
    ["other", ["Sec-Fetch-Site", "something new"]],
    ["other", ["Sec-Fetch-Site", "cross-site", "Origin", "https://a.example.com"]],
    ["own", ["Origin", "https://a.example.com"]],
    ["own", ["Origin", "https://A.example.com:443"]],
    ["other", ["Origin", "https://a.example.com:8443"]],
    ["other", ["Origin", "https://b.example.com"]],
    ["other", ["Origin", "https://a.example.com.evil.example"]],
    ["other", ["Origin", "null"]],
    ["other", ["Origin", ""]],
    ["unknown", []],
  ])("is %s where the browser says %j", (sender, headers) => {
    expect(senderOf(headers, SITE)).toBe(sender);
  });
});

describe("a navigation", () => {
  it("is what fetches a page to be shown, and changes nothing", () => {
    const navigates = ["Sec-Fetch-Mode", "navigate"];
    expect(isNavigation("GET", navigates)).toBe(true);
    expect(isNavigation("HEAD", navigates)).toBe(true);
    expect(isNavigation("POST", navigates)).toBe(false);
    expect(isNavigation("GET", ["Sec-Fetch-Mode", "no-cors"])).toBe(false);
    expect(isNavigation("GET", [])).toBe(false);
  });
});
