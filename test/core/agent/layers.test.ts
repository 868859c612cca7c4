/** Calls go down, facts come up: no file of the agent imports one of a higher floor, not even its types. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const core = fileURLToPath(new URL("../../../core", import.meta.url));

/** From top to bottom; the rooms of one floor do not know each other. */
const FLOORS: readonly (readonly string[])[] = [
  ["agent.ts"],
  ["agent/check.ts"],
  ["agent/life/"],
  ["agent/exchange/"],
  ["agent/carriers.ts"],
  ["agent/moosicbox/", "agent/native/"],
  ["agent/carrier.ts"],
  ["agent/end-to-end.ts", "agent/fill.ts", "agent/problem.ts", "agent/protocol-error.ts"],
  ["agent/state.ts"],
  ["agent/config.ts"],
];

/** What the file imports that is above it, or beside it in another room. */
function breaches(file: string, source: string): string[] {
  const imported = [...source.matchAll(/\bfrom "(\.[^"]+)"/g)].map((match) =>
    relative(core, resolve(core, dirname(file), match[1] ?? "")),
  );
  return imported.filter((name) => {
    if (roomOf(name) === undefined || roomOf(name) === roomOf(file)) return false;
    return floorOf(name) <= floorOf(file);
  });
}

function roomOf(file: string): string | undefined {
  return FLOORS.flat().find((room) => (room.endsWith("/") ? file.startsWith(room) : file === room));
}

function floorOf(file: string): number {
  return FLOORS.findIndex((rooms) => rooms.some((room) => room === roomOf(file)));
}

const files = readdirSync(join(core, "agent"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => `agent/${name}`)
  .concat("agent.ts");

describe("the floors of the agent", () => {
  it.each(files)("%s has a floor, and imports from those below", (file) => {
    expect(roomOf(file)).toBeDefined();
    expect(breaches(file, readFileSync(join(core, file), "utf8"))).toEqual([]);
  });

  it("are not left by a call upwards, a type from above or a look into the next room", () => {
    expect(breaches("agent/native/orders.ts", 'import { giveUp } from "../exchange/ends.ts";')).toHaveLength(
      1,
    );
    expect(breaches("agent/state.ts", 'import type { CarrierFact } from "./carrier.ts";')).toHaveLength(1);
    expect(breaches("agent/native/orders.ts", 'import { a } from "../moosicbox/head.ts";')).toHaveLength(1);
    expect(breaches("agent/native/orders.ts", 'import { b } from "../state.ts";')).toEqual([]);
  });
});
