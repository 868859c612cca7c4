/**
 * The house: which room may call which. Calls go down and facts come up, so no file imports one above it, not even its types;
 * no file is part of an import circle; and no room or file is too large to be taken in at once. docs/architecture.md has the
 * same in words.
 */
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { filesIn, specifiersOf } from "./helpers/source-text.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The rooms and files of a folder, from the top down. Those of one floor do not know each other. */
type Floors = readonly (readonly string[])[];

const FLOORS: Readonly<Record<string, Floors>> = {
  "core/server": [
    ["server.ts"],
    ["server/answers.ts", "server/check.ts", "server/snapshot.ts"],
    ["server/life/"],
    ["server/visitor/"],
    ["server/carriers.ts"],
    ["server/moosicbox/", "server/native/", "server/peer/"],
    ["server/answer-head.ts"],
    ["server/carrier.ts"],
    ["server/owner/"],
    ["server/sockets/"],
    ["server/registry/"],
    ["server/state/"],
    ["server/routing/"],
    ["server/config.ts"],
  ],
  "core/agent": [
    ["agent.ts"],
    ["agent/check.ts"],
    ["agent/life/"],
    ["agent/exchange/"],
    ["agent/carriers.ts"],
    ["agent/moosicbox/", "agent/native/"],
    ["agent/carrier.ts"],
    ["agent/patience.ts"],
    ["agent/end-to-end.ts", "agent/fill.ts", "agent/problem.ts", "agent/protocol-error.ts"],
    ["agent/state.ts"],
    ["agent/config.ts"],
  ],
  "core/http1": [["edge/", "origins/"], ["browser/", "http1/"], ["http/"]],
  adapters: [
    ["main.ts"],
    ["command.ts"],
    ["serve.ts"],
    ["check/", "completion/", "reload.ts", "program.ts", "workers/"],
    ["help.ts"],
    ["server/", "agent/"],
    ["install/", "operator/", "origin/"],
    ["registry/"],
    ["settings/", "socket/"],
    ["driver.ts", "clock.ts", "nonce.ts", "startup-error.ts", "error-cause.ts", "version.ts"],
  ],
  sim: [
    ["main.ts"],
    ["run/"],
    ["report/", "mutants/"],
    ["drawing/"],
    ["faults/"],
    ["actors/"],
    ["network/"],
    ["world/", "checkers/"],
    ["record/"],
    ["ledger/"],
    ["scenario/"],
    ["wire/"],
    ["tools/"],
  ],
};

/** Where the floors of a folder begin: beside the machine's own file, or in the folder. */
function baseOf(folder: string): string {
  return folder.startsWith("core/") ? "core" : folder;
}

function floorOf(floors: Floors, file: string): number {
  return floors.findIndex((rooms) =>
    rooms.some((room) => (room.endsWith("/") ? file.startsWith(room) : file === room)),
  );
}

function roomOf(floors: Floors, file: string): string | undefined {
  return floors.flat().find((room) => (room.endsWith("/") ? file.startsWith(room) : file === room));
}

/** What the file imports that is above it, or beside it in another room. */
function breaches(folder: string, file: string, source: string): string[] {
  const base = baseOf(folder);
  const floors = FLOORS[folder] ?? [];
  const imported = specifiersOf(source)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => relative(base, join(base, dirname(file), specifier)));
  return imported.filter((name) => {
    const room = roomOf(floors, name);
    if (room === undefined || room === roomOf(floors, file)) return false;
    // The leaves below all rooms may know each other.
    const isLeaf = floorOf(floors, name) === floors.length - 1;
    return floorOf(floors, name) <= floorOf(floors, file) && !isLeaf;
  });
}

function filesOf(folder: string): string[] {
  const base = join(root, baseOf(folder));
  return filesIn(base)
    .map((file) => relative(base, file))
    .filter((file) => folder !== "core/server" || file === "server.ts" || file.startsWith("server/"))
    .filter((file) => folder !== "core/agent" || file === "agent.ts" || file.startsWith("agent/"))
    .filter((file) => folder !== "core/http1" || /^(edge|origins|browser|http1|http)\//.test(file));
}

describe.each(Object.keys(FLOORS))("the floors of %s", (folder) => {
  it.each(filesOf(folder))("%s has a floor, and imports from those below", (file) => {
    expect(roomOf(FLOORS[folder] ?? [], file), "add it to the floors").toBeDefined();
    const source = readFileSync(join(root, baseOf(folder), file), "utf8");
    expect(breaches(folder, file, source)).toEqual([]);
  });
});

describe("a checker", () => {
  it.each(["drawing", "faults", "actors", "network"])("is known to nobody in sim/%s/", (room) => {
    const importers = filesIn(join(root, "sim", room)).filter((file) =>
      specifiersOf(readFileSync(file, "utf8")).some((specifier) => specifier.includes("/checkers/")),
    );
    expect(importers).toEqual([]);
  });
});

describe("a floor is left", () => {
  it.each([
    ["core/server", "server/native/requests.ts", 'import { failExchange } from "../visitor/exchange.ts";'],
    ["core/server", "server/state/server.ts", 'import type { CarrierFact } from "../carrier.ts";'],
    ["core/server", "server/native/frames.ts", 'import { sendAbort } from "../moosicbox/aborts.ts";'],
    ["core/http1", "origins/client.ts", 'import { admit } from "../edge/head.ts";'],
    ["core/http1", "http1/received.ts", 'import type { Client } from "../origins/state.ts";'],
    ["core/agent", "agent/native/orders.ts", 'import { giveUp } from "../exchange/ends.ts";'],
    ["core/agent", "agent/state.ts", 'import type { CarrierFact } from "./carrier.ts";'],
    ["adapters", "socket/linger.ts", 'import { startServer } from "../server/server.ts";'],
    ["sim", "checkers/deadlines.ts", 'import type { Node } from "../actors/node.ts";'],
  ])("in %s by %s with %s", (folder, file, source) => {
    expect(breaches(folder, file, source)).toHaveLength(1);
  });

  it.each([
    ["core/server", "server/visitor/response.ts", 'import { obey } from "../carriers.ts";'],
    ["core/agent", "agent/native/orders.ts", 'import type { AgentState } from "../state.ts";'],
    ["sim", "checkers/deadlines.ts", 'import type { Ledger } from "../ledger/ledger.ts";'],
  ])("and not in %s by %s with %s", (folder, file, source) => {
    expect(breaches(folder, file, source)).toEqual([]);
  });
});

/** Files by what they import among themselves. */
type Graph = ReadonlyMap<string, readonly string[]>;

function graphOf(files: readonly string[]): Graph {
  const known = new Set(files);
  return new Map(
    files.map((file) => [
      file,
      specifiersOf(readFileSync(file, "utf8"))
        .filter((specifier) => specifier.startsWith("."))
        .map((specifier) => resolve(dirname(file), specifier))
        .filter((target) => known.has(target)),
    ]),
  );
}

/** The files of one circle of imports, in order; empty where there is none. */
function circleIn(graph: Graph): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    const at = path.indexOf(file);
    if (at >= 0) return path.slice(at);
    if (done.has(file)) return [];
    path.push(file);
    for (const target of graph.get(file) ?? []) {
      const circle = visit(target);
      if (circle.length > 0) return circle;
    }
    path.pop();
    done.add(file);
    return [];
  };
  for (const file of graph.keys()) {
    const circle = visit(file);
    if (circle.length > 0) return circle;
  }
  return [];
}

const FOLDERS = ["core", "adapters", "sim"] as const;

describe("imports", () => {
  it.each(FOLDERS)("form no circle in %s/", (folder) => {
    const circle = circleIn(graphOf(filesIn(join(root, folder))));
    expect(circle.map((file) => relative(root, file))).toEqual([]);
  });

  it("form one where two files import each other", () => {
    const graph = new Map([
      ["a.ts", ["b.ts"]],
      ["b.ts", ["c.ts"]],
      ["c.ts", ["b.ts"]],
    ]);
    expect(circleIn(graph)).toEqual(["b.ts", "c.ts"]);
  });
});

/** Beyond this nobody sees what belongs together. */
const FILES_MAX = 20;
/** One file for each fault, and one for each property: a list to look things up in. */
const LISTS: ReadonlySet<string> = new Set(["sim/checkers", "sim/faults"]);
const LINES_MAX = 350;

describe("a room or file of bounded size", () => {
  const files = FOLDERS.flatMap((folder) => filesIn(join(root, folder)));

  it("is every folder with source files", () => {
    const counts = new Map<string, number>();
    for (const file of files) {
      const folder = relative(root, dirname(file));
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
    const crowded = [...counts].filter(([folder, count]) => count > FILES_MAX && !LISTS.has(folder));
    expect(crowded).toEqual([]);
  });

  it("is every source file", () => {
    const long = files
      .map((file) => [relative(root, file), readFileSync(file, "utf8").split("\n").length - 1] as const)
      .filter(([, lines]) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });
});
