import { describe, expect, it } from "vitest";
import { withoutOriginWide } from "../../../core/http/shared-origin.ts";

describe("an answer from a web origin that homes share", () => {
  it("claims nothing of what the others have, in any spelling, and says the rest", () => {
    const headers = ["Service-Worker-Allowed", "/", "x-a", "1", "CLEAR-SITE-DATA", '"*"', "X-A", "2"];
    expect(withoutOriginWide(headers)).toEqual(["x-a", "1", "X-A", "2"]);
  });
});
