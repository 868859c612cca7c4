import { expect, it } from "vitest";
import { renderTable } from "./table.ts";

it("makes each column as wide as its widest cell and keeps empty rows empty", () => {
  const columns = [{ title: "name" }, { title: "n", right: true }];
  expect(renderTable(columns, [["a", "1000"], [], ["longer", "2"]])).toBe(
    ["name       n", "------  ----", "a       1000", "", "longer     2"].join("\n"),
  );
});
