/** Opens the registry that the settings name. */
import type { MysqlSettings, SqliteSettings } from "../settings/settings.ts";
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
