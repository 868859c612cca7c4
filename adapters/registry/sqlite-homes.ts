/**
 * What a SQLite registry remembers of homes past their tunnels, in a table of its own: the row of `connections` says where a home
 * is, and goes with the tunnel.
 */
import type { DatabaseSync } from "node:sqlite";
import type { RecalledHome } from "../../core/registry.ts";

/** Homes that are there, or were when the process ended, are known from the start. */
export const SQLITE_HOMES = `
  CREATE TABLE culvert_known_homes (
    client_id TEXT NOT NULL PRIMARY KEY,
    access TEXT NOT NULL,
    fence INTEGER NOT NULL,
    seen TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO culvert_known_homes (client_id, access, fence, seen)
  SELECT client_id, access, fence, updated FROM connections;`;

export function sqliteHomes(database: DatabaseSync) {
  const remember = database.prepare(`
    INSERT INTO culvert_known_homes (client_id, access, fence, seen) VALUES (?1, ?2, ?3, datetime('now', 'subsec'))
    ON CONFLICT (client_id) DO UPDATE SET access = excluded.access, fence = excluded.fence, seen = excluded.seen
    WHERE excluded.fence >= culvert_known_homes.fence`);
  const leave = database.prepare(`
    UPDATE culvert_known_homes SET seen = datetime('now', 'subsec')
    WHERE client_id = ?1 AND EXISTS (SELECT 1 FROM connections WHERE client_id = ?1 AND tunnel_ws_id = ?2)`);
  const recall = database.prepare(`
    SELECT access,
      (julianday('now') - julianday(max(seen, coalesce(
        (SELECT updated FROM connections WHERE connections.client_id = culvert_known_homes.client_id), seen)))) * 86400000 AS ago
    FROM culvert_known_homes WHERE client_id = ?1`);
  const lapse = database.prepare(`
    UPDATE culvert_known_homes SET seen = lapsed.updated FROM connections AS lapsed
    WHERE lapsed.client_id = culvert_known_homes.client_id AND lapsed.lease_expires <= datetime('now')
      AND lapsed.updated > seen`);
  const forget = database.prepare("DELETE FROM culvert_known_homes WHERE client_id = ?1");
  return {
    remember: (clientId: string, access: string, fence: number) => remember.run(clientId, access, fence),
    /** Called before the row of the tunnel is deleted. */
    leave: (clientId: string, tunnel: string) => leave.run(clientId, tunnel),
    /** Called before rows whose lease has lapsed are deleted. */
    lapse: () => lapse.run(),
    recall: (clientId: string): RecalledHome | null => {
      const row = recall.get(clientId);
      return row === undefined
        ? null
        : { access: String(row.access), seenAgoMs: Math.max(0, Math.round(Number(row.ago))) };
    },
    forget: (clientId: string) => forget.run(clientId),
  };
}
