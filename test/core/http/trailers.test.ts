import { describe, expect, it } from "vitest";
import { passedTrailers } from "../../../core/http/trailers.ts";

describe("a trailer section", () => {
  it("H13 passes in order, with duplicates and spelling", () => {
    const trailers = ["X-Sum", "1", "x-other", "2", "X-Sum", "3"];
    expect(passedTrailers(trailers)).toEqual(trailers);
  });

  it.each([
    "Content-Length",
    "Host",
    "authorization",
    "Transfer-Encoding",
    "X-Forwarded-For",
    "Forwarded",
    "x_forwarded_for",
    "Content_Length",
  ])("H13 loses %s, which a recipient could take for a field of the head", (name) => {
    expect(passedTrailers(["X-Sum", "1", name, "evil"])).toEqual(["X-Sum", "1"]);
  });

  it("is dropped as a whole where a field is no HTTP", () => {
    expect(passedTrailers(["X-Sum", "1\r\nX-Evil: 2"])).toEqual([]);
  });
});
