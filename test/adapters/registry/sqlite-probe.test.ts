import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Registry } from "../../../adapters/registry/registry.ts";
import { openSqliteRegistry } from "../../../adapters/registry/sqlite.ts";

let folder: string;
let path: string;
let registry: Registry;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "culvert-probe-"));
  path = join(folder, "culvert.db");
  registry = openSqliteRegistry(path);
});

afterEach(async () => {
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Another process at the file. */
function withRaw<T>(work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

describe("a probe of a SQLite registry", () => {
  test("writes to the disk, and leaves all as it was", async () => {
    const content = () =>
      withRaw((database) => [
        database.prepare("PRAGMA user_version").get(),
        database.prepare("PRAGMA schema_version").get(),
        database.prepare("SELECT count(*) FROM connections").get(),
      ]);
    const before = { content: content(), bytes: statSync(`${path}-wal`).size };
    expect(await registry.probe()).toBeNull();
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(before.bytes);
    expect(content()).toEqual(before.content);
  });

  test("is content with a database in memory", async () => {
    const inMemory = openSqliteRegistry(":memory:");
    expect(await inMemory.probe()).toBeNull();
    await inMemory.close();
  });

  test.each([
    ["deleted", () => rmSync(path)],
    ["deleted with its folder", () => rmSync(folder, { recursive: true })],
    ["moved away", () => renameSync(path, `${path}.old`)],
    [
      "replaced by a copy",
      () => {
        renameSync(path, `${path}.old`);
        writeFileSync(path, "another");
      },
    ],
    ["left without its write-ahead log", () => rmSync(`${path}-wal`)],
  ])("tells of a file that was %s", async (_what, change) => {
    expect(await registry.probe()).toBeNull();
    change();
    expect(await registry.probe()).toMatchObject({
      reason: "registry_file_gone",
      detail: expect.stringContaining("put it back"),
    });
  });

  test("tells of another process that keeps the lock, blocks nobody meanwhile, and is content afterwards", async () => {
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    let turns = 0;
    const counted = setInterval(() => turns++, 1);
    expect(await registry.probe()).toMatchObject({ reason: "registry_busy" });
    clearInterval(counted);
    expect(turns).toBeGreaterThan(10);
    other.exec("ROLLBACK");
    expect(await registry.probe()).toBeNull();
    other.close();
  });

  test("waits for a lock that is given back in time", async () => {
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const probe = registry.probe();
    setTimeout(() => other.exec("ROLLBACK"), 100);
    expect(await probe).toBeNull();
    other.close();
  });

  test("tells of a damaged file", async () => {
    // What is in the log or in memory is not read from the file.
    withRaw((database) => database.exec("PRAGMA user_version = 2; PRAGMA wal_checkpoint(TRUNCATE)"));
    writeFileSync(path, Buffer.alloc(statSync(path).size, 0xff));
    expect(await registry.probe()).toMatchObject({ reason: "registry_damaged" });
  });

  test("tells that the registry was closed", async () => {
    await registry.close();
    expect(await registry.probe()).toMatchObject({ reason: "registry_down" });
  });
});
