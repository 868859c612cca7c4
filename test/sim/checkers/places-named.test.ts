import { expect, test } from "vitest";
import { placesNamed } from "../../../sim/checkers/places-named.ts";
import { visit } from "../scenarios.ts";
import { callOf, watch } from "./observations.ts";

test("places_named finds a field that names another place than the home is asked for", () => {
  const plain = visit(1, 0);
  const naming = { ...plain, request: { ...plain.request, quirks: ["names_places" as const] } };
  const verdict = (misnamed: string | null) => {
    const { checker, found } = watch(placesNamed);
    checker.homeCalled?.({ ...callOf(naming), misnamed });
    return found.length;
  };
  expect(verdict(null)).toBe(0);
  expect(verdict("referer")).toBe(1);
});
