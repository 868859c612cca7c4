/**
 * The nodes of a SQLite registry and the leases of their connections. Each node has a row of its own, which says where others reach
 * it; a connection counts for as long as its own lease and that of its node live.
 */
import type { DatabaseSync } from "node:sqlite";
import type { FoundConnection, RegistryOperation, RegistryOutcome } from "../../core/registry.ts";

/** By the index a slice of a node's connections is read in order, however many there are. */
export const SQLITE_NODES = `
  CREATE TABLE culvert_nodes (
    node TEXT NOT NULL PRIMARY KEY,
    peer_url TEXT,
    public_url TEXT,
    lease_expires TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX culvert_node ON connections (node);`;

type Renewal = Extract<RegistryOperation, { readonly type: "renew_leases" }>;

export function sqliteNodes(database: DatabaseSync) {
  const keep = database.prepare(`
    INSERT INTO culvert_nodes (node, peer_url, public_url, lease_expires)
    VALUES (?1, ?2, ?3, datetime('now', '+' || ?4 || ' seconds'))
    ON CONFLICT (node) DO UPDATE SET
      peer_url = excluded.peer_url, public_url = excluded.public_url, lease_expires = excluded.lease_expires`);
  const slice = database.prepare(`
    SELECT client_id, tunnel_ws_id FROM connections
    WHERE node = ?1 AND client_id > ?2 AND lease_expires > datetime('now')
    ORDER BY client_id LIMIT ?3`);
  const renew = database.prepare(`
    UPDATE connections SET lease_expires = datetime('now', '+' || ?4 || ' seconds'), updated = CURRENT_TIMESTAMP
    WHERE node = ?1 AND client_id > ?2 AND client_id <= ?3 AND lease_expires > datetime('now')`);
  const find = database.prepare(`
    SELECT node, tunnel_ws_id, peer_url FROM connections JOIN culvert_nodes USING (node)
    WHERE client_id = ?1 AND connections.lease_expires > datetime('now')
      AND culvert_nodes.lease_expires > datetime('now')`);
  const remove = database.prepare("DELETE FROM culvert_nodes WHERE node = ?1");
  const sweep = database.prepare("DELETE FROM culvert_nodes WHERE lease_expires <= datetime('now')");
  return {
    renew: ({ node, peerUrl, publicUrl, leaseMs, after, rowsMax }: Renewal): RegistryOutcome => {
      const leaseSeconds = leaseMs / 1000;
      keep.run(node, peerUrl, publicUrl, leaseSeconds);
      const from = after ?? "";
      const rows = slice.all(node, from, rowsMax).map((row) => {
        return { clientId: String(row.client_id), tunnel: String(row.tunnel_ws_id) };
      });
      const last = rows.at(-1)?.clientId ?? null;
      if (last !== null) renew.run(node, from, last, leaseSeconds);
      return { type: "leases_renewed", rows, next: rows.length < rowsMax ? null : last };
    },
    find: (clientId: string): FoundConnection | null => {
      const row = find.get(clientId);
      if (row === undefined) return null;
      const { node, tunnel_ws_id: tunnel, peer_url: peerUrl } = row;
      return {
        node: String(node),
        tunnel: String(tunnel),
        peerUrl: peerUrl === null ? null : String(peerUrl),
      };
    },
    remove: (node: string) => remove.run(node),
    sweep: () => sweep.run(),
  };
}
