/** Whether a database can be reached and read, without a change to it. */
import { DatabaseSync } from "node:sqlite";
import { causeOf } from "../error-cause.ts";
import type { MysqlSettings, SqliteSettings } from "../settings/settings.ts";

/** What is wrong, or null. A SQLite file has to be there. */
export async function reachDatabase(settings: SqliteSettings | MysqlSettings): Promise<string | null> {
  return settings.type === "sqlite" ? reachSqlite(settings.path) : reachMysql(settings);
}

function reachSqlite(path: string): string | null {
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      database.prepare("SELECT count(*) FROM sqlite_schema").get();
      return null;
    } finally {
      database.close();
    }
  } catch (error) {
    return causeOf(error);
  }
}

async function reachMysql(settings: MysqlSettings): Promise<string | null> {
  const [{ connectionOptions }, { MysqlPool }] = await Promise.all([
    import("./mysql.ts"),
    import("./mysql-pool.ts"),
  ]);
  const { queryMs } = settings;
  const pool = new MysqlPool({ connection: connectionOptions(settings), connectionsMax: 1, queryMs });
  try {
    return await new Promise((answer) => {
      pool.query("SELECT 1", null, (reply) => {
        if (reply.type === "done") answer(null);
        else answer(reply.error === null ? "it does not answer in time" : causeOf(reply.error));
      });
    });
  } finally {
    pool.close();
  }
}
