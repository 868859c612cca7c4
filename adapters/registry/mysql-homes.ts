/**
 * What a MySQL registry remembers of homes past their tunnels, in a table of its own: the row of `connections` says where a home
 * is, goes with the tunnel, and is MoosicBox's as well. Its `updated` has the last renewal, so that renewing writes once.
 */
import { ACCESS_LENGTH_MAX, type RecalledHome } from "../../core/registry.ts";

/** Homes that are there, or were when the nodes ended, are known from the start. */
export function mysqlHomes(byteWise: string): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS culvert_known_homes (
      client_id VARCHAR(64) NOT NULL PRIMARY KEY,
      access VARCHAR(${ACCESS_LENGTH_MAX}) NOT NULL,
      fence BIGINT NOT NULL,
      seen DATETIME(6) NOT NULL
    ) ${byteWise}`,
    `INSERT INTO culvert_known_homes (client_id, access, fence, seen)
    SELECT client_id, access, fence, updated FROM connections
    ON DUPLICATE KEY UPDATE client_id = culvert_known_homes.client_id`,
  ];
}

export const homeStatements = {
  /** Assignments are carried out from left to right, so `fence` comes last. */
  remember: `
    INSERT INTO culvert_known_homes (client_id, access, fence, seen)
    VALUES (_utf8mb4 :clientId, _utf8mb4 :access, :fence, UTC_TIMESTAMP(6))
    ON DUPLICATE KEY UPDATE
      access = IF(fence <= :fence, _utf8mb4 :access, access),
      seen = IF(fence <= :fence, UTC_TIMESTAMP(6), seen),
      fence = GREATEST(fence, :fence)`,
  /** Before the row of the tunnel is deleted. */
  leave: `
    UPDATE culvert_known_homes JOIN connections USING (client_id) SET seen = UTC_TIMESTAMP(6)
    WHERE client_id = _utf8mb4 :clientId AND tunnel_ws_id = _utf8mb4 :tunnel`,
  /** Before the rows whose lease has lapsed are deleted. */
  lapse: `
    UPDATE culvert_known_homes JOIN connections USING (client_id) SET seen = GREATEST(seen, updated)
    WHERE lease_expires <= UTC_TIMESTAMP(6) AND leased_tunnel = tunnel_ws_id`,
  recall: `
    SELECT culvert_known_homes.access AS access,
      TIMESTAMPDIFF(MICROSECOND, GREATEST(seen, COALESCE(updated, seen)), UTC_TIMESTAMP(6)) AS agoUs
    FROM culvert_known_homes LEFT JOIN connections ON connections.client_id = culvert_known_homes.client_id
    WHERE culvert_known_homes.client_id = _utf8mb4 :clientId`,
  forget: "DELETE FROM culvert_known_homes WHERE client_id = _utf8mb4 :clientId",
} as const;

/** Null where there is no row. */
export function recalledHome(row: Readonly<Record<string, unknown>> | undefined): RecalledHome | null {
  if (row === undefined) return null;
  return { access: String(row.access), seenAgoMs: Math.max(0, Math.round(Number(row.agoUs) / 1_000)) };
}
