/** Revocation on SQLite: what a deleted token had opened ends, over real sockets. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { onTestFinished } from "vitest";
import { revocationSuite } from "../helpers/revocation.ts";
import { temporaryFolder } from "../helpers/tunnel.ts";

revocationSuite("SQLite", 1, async () => {
  const path = join(temporaryFolder(), "culvert.db");
  return {
    url: `sqlite:${path}`,
    run: async (sql) => {
      const database = new DatabaseSync(path, { timeout: 10_000 });
      onTestFinished(() => {
        if (database.isOpen) database.close();
      });
      const rows = database.prepare(sql).all();
      database.close();
      return rows;
    },
  };
});
