/** Opens the registry that the settings name. */
import { existsSync } from "node:fs";
import type { MysqlSettings, SqliteSettings } from "../settings/settings.ts";
import { StartupError } from "../startup-error.ts";
import type { MysqlReport } from "./mysql.ts";
import type { Registry } from "./port.ts";
import { openSqliteRegistry } from "./sqlite.ts";

export type { MysqlReport } from "./mysql.ts";
export type { Registry } from "./port.ts";
export { createProbe } from "./probe.ts";
export type { RegistryProblem } from "./problem.ts";

/** Rejects with `StartupError` for a database that cannot be used. */
export async function openRegistry(
  settings: SqliteSettings | MysqlSettings,
  report: (report: MysqlReport) => void,
): Promise<Registry> {
  if (settings.type === "sqlite") return openSqliteRegistry(settings.path);
  // Loaded by those who use it: it is as large as all the rest.
  const { openMysqlRegistry } = await import("./mysql.ts");
  return openMysqlRegistry(settings, report);
}

/** For what is done beside a server: a database that was made for it in another place would be nobody's. Rejects as `openRegistry`. */
export async function openServersRegistry(settings: SqliteSettings | MysqlSettings): Promise<Registry> {
  if (settings.type === "sqlite" && !existsSync(settings.path)) {
    throw new StartupError(
      "there is no such database: name the server's own with --database or DATABASE_URL, or its file with --config",
    );
  }
  return openRegistry(settings, () => {});
}
