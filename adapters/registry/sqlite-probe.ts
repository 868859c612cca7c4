/** Whether the file of the SQLite registry takes writes, and is still the one that was opened. */
import { type BigIntStats, constants, statSync } from "node:fs";
import { access, stat } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf } from "../error-cause.ts";
import { type RegistryProblem, registryProblem } from "./problem.ts";

/** A lock is tried again in between, so that nobody's event loop stands still for it. */
const RETRY_MS = 50;

/** What holds the lock for longer is in the way of the registry's calls. */
const LOCKED_MS = 1_500;

/** `path` as the database was opened by; `busyTimeoutMs` is set again after each try. */
export function createSqliteProbe(
  database: DatabaseSync,
  path: string,
  busyTimeoutMs: number,
): () => Promise<RegistryProblem | null> {
  // The write-ahead log is there from the first read.
  database.prepare("PRAGMA user_version").get();
  const files = path === ":memory:" ? [] : [path, `${path}-wal`].flatMap(identified);

  return async () => {
    const endMs = performance.now() + LOCKED_MS;
    // Closing takes the log's file away.
    const problem = database.isOpen ? await problemOfFiles(files) : null;
    if (problem !== null) return problem;
    for (;;) {
      const failure = write();
      if (failure?.reason !== "registry_busy" || performance.now() > endMs) return failure;
      await sleep(RETRY_MS);
    }
  };

  /**
   * Counts the schema's version anew as what it is. That is written and committed like any change, so it needs room on the
   * disk, where a transaction that is rolled back would never leave the memory.
   */
  function write(): RegistryProblem | null {
    if (!database.isOpen) return registryProblem("registry_down", "closed");
    try {
      database.exec("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE");
      const version = Number(database.prepare("PRAGMA user_version").get()?.user_version);
      database.exec(`PRAGMA user_version = ${version}; COMMIT`);
      return null;
    } catch (error) {
      return problemOf(error);
    } finally {
      if (database.isTransaction) database.exec("ROLLBACK");
      database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    }
  }
}

type IdentifiedFile = { readonly path: string; readonly opened: BigIntStats };

/** None where there is no such file, as that of a write-ahead log on a disk that cannot have one. */
function identified(path: string): IdentifiedFile[] {
  const opened = statSync(path, { bigint: true, throwIfNoEntry: false });
  return opened === undefined ? [] : [{ path, opened }];
}

/** SQLite goes on with a file that has no name any more, and all that is written to it is lost. */
async function problemOfFiles(files: readonly IdentifiedFile[]): Promise<RegistryProblem | null> {
  for (const { path, opened } of files) {
    try {
      const found = await stat(path, { bigint: true });
      if (found.ino !== opened.ino || found.dev !== opened.dev) return registryProblem("registry_file_gone");
      // What was opened before may be written to in spite of this, but the next start could not.
      await access(path, constants.R_OK | constants.W_OK);
    } catch (error) {
      const code = codeOf(error);
      const isGone = code === "ENOENT" || code === "ENOTDIR";
      return registryProblem(isGone ? "registry_file_gone" : "registry_read_only", code);
    }
  }
  return null;
}

/** A file that was moved away, as SQLite finds it: an extended code of READONLY. */
const READONLY_DBMOVED = 1032;

/** Result codes of SQLite (sqlite.org/rescode.html). */
function problemOf(error: unknown): RegistryProblem {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) : -1;
  const cause = `SQLite ${code}`;
  if (code === READONLY_DBMOVED) return registryProblem("registry_file_gone", cause);
  switch (code & 0xff) {
    case 5: // BUSY
    case 6: // LOCKED
    case 15: // PROTOCOL
      return registryProblem("registry_busy", cause);
    case 3: // PERM
    case 8: // READONLY
      return registryProblem("registry_read_only", cause);
    case 10: // IOERR
      return registryProblem("registry_io", cause);
    case 11: // CORRUPT
    case 26: // NOTADB
      return registryProblem("registry_damaged", cause);
    case 13: // FULL
      return registryProblem("registry_full", cause);
    default:
      return registryProblem("registry_down", cause);
  }
}
